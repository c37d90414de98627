import type { BlockIo } from './block-io.js';
import type { RangeLock } from './range-lock.js';

/** The requests that a device has taken and not given back: whatever order they end in, each comes and goes in constant time. */
export class LiveRequests {
  readonly #requests: (BlockIo | null)[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(io: BlockIo): void {
    io.liveIndex = this.#count;
    this.#requests[this.#count] = io;
    this.#count += 1;
  }

  remove(io: BlockIo): void {
    const { liveIndex } = io;
    this.#count -= 1;
    const last = this.#requests[this.#count] as BlockIo;
    this.#requests[liveIndex] = last;
    last.liveIndex = liveIndex;
    // Nobody's request is to be held by a place that nobody uses.
    this.#requests[this.#count] = null;
    io.liveIndex = -1;
  }

  /** A copy of the list, for what may change it. */
  all(): BlockIo[] {
    return this.#requests.slice(0, this.#count) as BlockIo[];
  }

  /** Whether one of them is a write to the range of `io`. */
  isTouched(ranges: RangeLock, io: BlockIo): boolean {
    return ranges.isTouched(io, this.#requests, this.#count);
  }
}
