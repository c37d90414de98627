import { IORING_REGISTER_BUFFERS_UPDATE, IORING_REGISTER_BUFFERS2, IORING_RSRC_REGISTER_SPARSE } from './abi.js';
import { EBUSY, EINVAL, ENOMEM } from './errno.js';
import { SystemError } from './errors.js';
import type { IoBuffer } from './memory.js';
import { checkPlace, ResourceUpdate, sparseTable, type TableRing, tagOf } from './resource-table.js';
import { checkRange } from './ring-options.js';
import type { RingRequest } from './ring-request.js';

/** A place in a ring's table of registered buffers, and the memory there. It can be used on that ring only. */
export class FixedBuffer {
  readonly memory: IoBuffer;
  /** The index in the table; -1 when the place has been given up, so that requests complete with EFAULT. */
  index: number;
  /** The ring. */
  readonly owner: object;
  readonly #clear: (index: number) => void;

  /** @internal */
  constructor(owner: object, memory: IoBuffer, index: number, clear: (index: number) => void) {
    this.owner = owner;
    this.memory = memory;
    this.index = index;
    this.#clear = clear;
  }

  /** Gives the place up. Requests that the kernel has looked up go on; later members of a chain, and what is behind a drain, complete with EFAULT. */
  clear(): void {
    if (this.index < 0) return;
    const { index } = this;
    this.index = -1;
    this.#clear(index);
  }
}

/**
 * A ring's table of registered buffers: memory that the kernel has pinned and looked up once, for `prepareReadFixed`,
 * `prepareWriteFixed` and their kin of vectors. It counts against the limit on locked memory. Opened with `bufferTableEntries`, all places empty (Linux 5.19).
 */
export class BufferTable {
  /** How many places there are. */
  readonly length: number;
  readonly #ring: TableRing;
  readonly #places: (FixedBuffer | null)[];
  readonly #update = new ResourceUpdate(2);

  /** @internal */
  constructor(ring: TableRing, length: number) {
    this.#ring = ring;
    this.length = length;
    this.#places = new Array<FixedBuffer | null>(length).fill(null);
    if (length === 0) return;
    const result = ring.register(IORING_REGISTER_BUFFERS2, sparseTable(length, IORING_RSRC_REGISTER_SPARSE), 32);
    if (result < 0) throw new SystemError(-result, 'io_uring_register', undefined, result === -EINVAL ? NEEDS : undefined);
  }

  /**
   * Pins a buffer, at most 1 GiB, and puts it into a place, instead of the one that is there.
   *
   * @param index 0 to `length - 1`
   * @param onRelease completes, with 0, when the kernel lets go of the memory again: after it has left the table and its last request is
   * done
   * @throws RangeError ERR_OUT_OF_RANGE, also where the ring was opened without `bufferTableEntries`; SystemError ENOMEM beyond the limit on locked memory, EFAULT for memory that cannot be pinned
   * @throws Error ERR_INVALID_STATE if `onRelease` is under way
   */
  set(index: number, memory: IoBuffer, onRelease: RingRequest | null = null): FixedBuffer {
    checkPlace(index, this.length, 'bufferTableEntries');
    checkRange('memory.lengthBytes', memory.lengthBytes, 1, 2 ** 30);
    if (onRelease !== null) this.#ring.tag(onRelease);
    try {
      this.#places[index]?.clear();
      this.#put(index, memory.address, memory.lengthBytes, tagOf(onRelease));
    } catch (error) {
      if (onRelease !== null) this.#ring.untag(onRelease);
      throw error;
    }
    const fixed = new FixedBuffer(this.#ring, memory, index, (place) => this.#clear(place));
    this.#places[index] = fixed;
    return fixed;
  }

  /** The buffer in a place. */
  get(index: number): FixedBuffer | null {
    return this.#places[index] ?? null;
  }

  /** Gives all places up. */
  clear(): void {
    for (const fixed of this.#places) fixed?.clear();
  }

  #clear(index: number): void {
    this.#places[index] = null;
    if (this.#ring.closed) return;
    // Requests that are prepared with the index must not find another buffer there.
    if (!this.#ring.submitAll())
      throw new SystemError(EBUSY, 'io_uring_register', undefined, 'the kernel does not take the requests before');
    this.#put(index, 0, 0, 0n);
  }

  #put(index: number, address: number, lengthBytes: number, tag: bigint): void {
    this.#update.setBuffer(index, address, lengthBytes, tag);
    const result = this.#ring.register(IORING_REGISTER_BUFFERS_UPDATE, this.#update.words, ResourceUpdate.BYTES);
    const advice = result === -ENOMEM ? 'raise the limit on locked memory (ulimit -l)' : undefined;
    if (result < 0) throw new SystemError(-result, 'io_uring_register', undefined, advice);
  }
}

const NEEDS = 'a table of registered buffers needs Linux 5.19';
