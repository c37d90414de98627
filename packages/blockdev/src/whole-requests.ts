import type { BlockDevice } from './block-device.js';
import { BlockIo, IO_STARTED } from './block-io.js';
import type { BlockClaim } from './claims.js';
import { FreeList } from './free-list.js';

/** Whom a child request comes back to that was the whole of its parent. */
export interface WholeOwner {
  /** It is done, and in the list of free ones already. */
  wholeDone(parent: BlockIo, error: number, transferredBytes: number): void;
}

/**
 * Child requests to one device, each of them the whole of its parent: what most requests to a stack are.
 *
 * There is nothing to keep of such a one but its parent, which is in its `private`; whose it is says its `iodone`. So it has no object beside it, as
 * those of NestedIo have: that would touch two more lines of the processor's cache, which the kernel's copying has emptied since the request was
 * started, and take one to two percent of a cached read.
 */
export class WholeRequests {
  readonly #device: BlockDevice;
  readonly #claim: BlockClaim | null;
  readonly #owner: WholeOwner;
  readonly #free = new FreeList<BlockIo>();
  /** All that were ever made. */
  readonly #made: BlockIo[] = [];
  readonly #done: (io: BlockIo) => void;

  constructor(device: BlockDevice, claim: BlockClaim | null, owner: WholeOwner) {
    this.#device = device;
    this.#claim = claim;
    this.#owner = owner;
    this.#done = (io) => this.#end(io);
  }

  /** Sends the range and the memory of `parent` to the device, where it begins at `offset`. The owner is told, perhaps before this returns. */
  start(parent: BlockIo, offset: number): void {
    const io = this.#free.take() ?? this.#make();
    io.private = parent;
    io.operation = parent.operation;
    io.flags = parent.flags;
    io.buffer = parent.buffer;
    io.bufferOffset = parent.bufferOffset;
    if (parent.vector !== null) io.vector = parent.vector;
    io.offset = offset;
    io.lengthBytes = parent.lengthBytes;
    if (this.#device.startNested(io, this.#done)) this.#end(io);
  }

  /** Those that are under way. For what is rare, and has the time. */
  underWay(): BlockIo[] {
    return this.#made.filter((io) => io.private !== null && io.state === IO_STARTED);
  }

  /** That of a parent; undefined if there is none. For `abort`, which has the time. */
  of(parent: BlockIo): BlockIo | undefined {
    return this.#made.find((io) => io.private === parent);
  }

  #make(): BlockIo {
    const made = new BlockIo();
    made.claim = this.#claim;
    this.#made.push(made);
    return made;
  }

  #end(io: BlockIo): void {
    const parent = io.private as BlockIo;
    const { error, transferredBytes } = io;
    // Nobody's memory is to be held by a child request that nobody uses.
    io.private = null;
    io.buffer = null;
    if (io.vector !== null) io.vector = null;
    this.#free.put(io);
    this.#owner.wholeDone(parent, error, transferredBytes);
  }
}
