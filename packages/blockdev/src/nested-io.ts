import { TailQueue, type TailQueueEntry } from '@biodone/sync';
import { beginSubmit, endSubmit } from './biodone.js';
import type { BlockDevice } from './block-device.js';
import { BlockIo, IO_DONE } from './block-io.js';
import type { BlockClaim } from './claims.js';

/** Says where the bytes of a device that lies on others are. One object for all requests: read the answer before the next question. */
export interface Layout {
  /** Of {@link locate}: which of the devices, and where there. */
  index: number;
  offset: number;
  /** How many bytes from there on belong together. */
  lengthBytes: number;
  /** Finds a position of the whole, and leaves the answer in this object. */
  locate(offset: number): void;
}

/** A child request: a part of a request, or all of it, on its way to another device. BSD's nestiobuf(9). */
export class NestedIo extends BlockIo {
  /** The request that it is a part of. */
  parent: BlockIo | null = null;
  /** The work on the parent, where this is not the whole of it. */
  transfer: NestedWork | null = null;
  /** Whom it comes back to. */
  readonly owner: NestedOwner;
  /** Where it goes. */
  child: BlockDevice | null = null;
  /** Where in the parent's range it begins. */
  position = 0;

  constructor(owner: NestedOwner) {
    super();
    this.owner = owner;
  }
}

/** The work on a request that takes several child requests: it stands in line for them. */
export interface NestedWork extends TailQueueEntry {
  /** It goes on: there is a child request for it. */
  resume(): void;
  /** One of its child requests is done. */
  advance(io: NestedIo): void;
}

/** Whom a child request comes back to. */
export interface NestedOwner {
  childDone(io: NestedIo): void;
}

/**
 * Starts a child request. Mostly its device is done with it at once or has only queued it, and the former spares the way through the queue of
 * done requests: the request gets its `iodone` only if there is something to wait for.
 *
 * @returns whether it is done already; otherwise `owner.childDone` is called
 */
export function startChild(io: NestedIo, child: BlockDevice): boolean {
  io.iodone = null;
  child.strategy(io);
  if (io.state === IO_DONE) return true;
  io.iodone = nestedDone;
  return false;
}

function nestedDone(io: BlockIo): void {
  const nested = io as NestedIo;
  nested.owner.childDone(nested);
}

/** Makes a child request the part of its parent that begins at `position`. */
export function aim(
  io: NestedIo,
  parent: BlockIo,
  child: BlockDevice,
  claim: BlockClaim | null,
  offset: number,
  position: number,
  lengthBytes: number,
): void {
  io.parent = parent;
  io.child = child;
  io.claim = claim;
  io.operation = parent.operation;
  io.flags = parent.flags;
  io.buffer = parent.buffer;
  io.bufferOffset = parent.bufferOffset + position;
  // A vector comes only where the whole request goes to one device: limits.maxSegments is 1 elsewhere.
  io.vector = parent.vector;
  io.offset = offset;
  io.position = position;
  io.lengthBytes = lengthBytes;
}

/**
 * The child requests that a device has, at most so many. Who finds none waits in line holding none, so that those who hold one always get on:
 * no deadlock, however few there are.
 */
export class NestedPool {
  readonly #owner: NestedOwner;
  readonly #max: number;
  readonly #made: NestedIo[] = [];
  /** The first `#freeCount` are free. An array, since its elements are in no other queue: it is half the work of one. */
  readonly #free: NestedIo[] = [];
  readonly #freeSync: NestedIo[] = [];
  readonly #waiting = new TailQueue<NestedWork>();
  #freeCount = 0;
  #serving = false;

  constructor(owner: NestedOwner, max: number) {
    this.#owner = owner;
    this.#max = max;
  }

  /** A child request, or null if all are in use. */
  take(): NestedIo | null {
    if (this.#freeCount > 0) {
      this.#freeCount -= 1;
      return this.#free[this.#freeCount] as NestedIo;
    }
    return this.#made.length === this.#max ? null : this.#make();
  }

  /** A child request for the calling thread, which cannot wait for one. */
  takeSync(): NestedIo {
    return this.#freeSync.pop() ?? new NestedIo(this.#owner);
  }

  /** Takes a child request back. Call {@link serve} before the thread does anything else. */
  giveBack(io: NestedIo): void {
    forget(io);
    this.#free[this.#freeCount] = io;
    this.#freeCount += 1;
  }

  giveBackSync(io: NestedIo): void {
    forget(io);
    this.#freeSync.push(io);
  }

  /** Puts work in line that has no child request. */
  await(work: NestedWork): void {
    this.#waiting.insertTail(work);
  }

  /** Takes it out again. False if it is not in line. */
  leave(work: NestedWork): boolean {
    if (work.queue !== this.#waiting) return false;
    this.#waiting.remove(work);
    return true;
  }

  /** Lets those in line have what has come back. */
  serve(): void {
    if (!this.#waiting.isEmpty && !this.#serving) this.#serve();
  }

  /** Calls back with each child request of a parent that is under way. For `abort`, which has the time. */
  eachOf(parent: BlockIo, visit: (io: NestedIo) => void): void {
    for (const io of this.#made) if (io.parent === parent) visit(io);
  }

  #make(): NestedIo {
    const made = new NestedIo(this.#owner);
    this.#made.push(made);
    return made;
  }

  #serve(): void {
    this.#serving = true;
    // What completes here is told later: its callback may throw, and somebody is in the middle of something.
    beginSubmit();
    try {
      while (this.#freeCount > 0) {
        const next = this.#waiting.removeFirst();
        if (next === null) break;
        next.resume();
      }
    } finally {
      endSubmit();
      this.#serving = false;
    }
  }
}

/** Nobody's memory is to be held by a child request that nobody uses. */
function forget(io: NestedIo): void {
  io.parent = null;
  io.transfer = null;
  io.buffer = null;
  io.vector = null;
}
