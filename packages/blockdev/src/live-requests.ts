import { TailQueue } from '@biodone/sync';
import type { BlockIo } from './block-io.js';

/** The requests that a device has taken and not given back: whatever order they end in, each comes and goes in constant time. */
export class LiveRequests {
  /** Those that wait here for a quiesced device to be resumed have not been started. */
  readonly held: TailQueue<BlockIo> = new TailQueue<BlockIo>();
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

  /** Whether one of them, that has been started, is so. */
  some(isSo: (io: BlockIo) => boolean): boolean {
    for (let index = 0; index < this.#count; index++) {
      const io = this.#requests[index] as BlockIo;
      if (io.queue !== this.held && isSo(io)) return true;
    }
    return false;
  }
}
