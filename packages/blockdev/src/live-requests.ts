import { TailQueue } from '@biodone/sync';
import type { BlockIo } from './block-io.js';

/**
 * The requests that a device has taken and not given back. Each has a place in a table, and leaves it as it was: nothing else is touched when
 * a request comes or goes, and the place that was left last, which is most likely in the processor's cache, is the next one's.
 */
export class LiveRequests {
  /** Those that wait here for a quiesced device to be resumed have not been started. */
  readonly held: TailQueue<BlockIo> = new TailQueue<BlockIo>();
  readonly #requests: (BlockIo | null)[] = [];
  /** Places that nobody has: the first `#requests.length - #count` of these. */
  readonly #free: number[] = [];
  #count = 0;
  /** The most there have been. */
  #most = 0;

  get count(): number {
    return this.#count;
  }

  get most(): number {
    return this.#most;
  }

  /** Forgets the most there have been. */
  resetMost(): void {
    this.#most = this.#count;
  }

  /** Returns how many there are now. */
  add(io: BlockIo): number {
    const count = this.#count + 1;
    this.#count = count;
    if (count > this.#most) this.#most = count;
    const place = this.#requests.length < count ? this.#grow() : (this.#free[this.#requests.length - count] as number);
    io.liveIndex = place;
    this.#requests[place] = io;
    return count;
  }

  /** Returns how many there are left. */
  remove(io: BlockIo): number {
    const count = this.#count - 1;
    const place = io.liveIndex;
    // Nobody's request is to be held by a place that nobody uses.
    this.#requests[place] = null;
    this.#free[this.#requests.length - count - 1] = place;
    this.#count = count;
    io.liveIndex = -1;
    return count;
  }

  /** A copy of the list, for what may change it: in the order of their places. */
  all(): BlockIo[] {
    return this.#requests.filter((io) => io !== null);
  }

  /** Whether one of them, that has been started, is so. */
  some(isSo: (io: BlockIo) => boolean): boolean {
    for (let place = 0; place < this.#requests.length; place++) {
      const io = this.#requests[place] as BlockIo | null;
      if (io !== null && io.queue !== this.held && isSo(io)) return true;
    }
    return false;
  }

  #grow(): number {
    this.#free.push(0);
    return this.#requests.push(null) - 1;
  }
}
