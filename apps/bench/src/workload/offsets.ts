import type { Workload } from './workload.js';

/**
 * Where the I/Os of a workload go. The same seed gives the same offsets, so that all engines of a repeat read the same blocks in the same
 * order. Making one allocates nothing.
 */
export class Offsets {
  readonly #blockBytes: number;
  readonly #blockCount: number;
  readonly #isRandom: boolean;
  #state: number;
  #next: number;

  constructor({ blockBytes, pattern }: Workload, sizeBytes: number, seed: number) {
    this.#blockBytes = blockBytes;
    this.#blockCount = Math.floor(sizeBytes / blockBytes);
    this.#isRandom = pattern === 'random';
    this.#state = scramble(seed);
    // A sequence begins anywhere: engines that are slow would otherwise only ever see the beginning of the file.
    this.#next = (this.#state >>> 0) % this.#blockCount;
  }

  /** The offset of the next I/O, in bytes. */
  next(): number {
    if (this.#isRandom) return this.#random() * this.#blockBytes;
    const block = this.#next;
    this.#next = block + 1 === this.#blockCount ? 0 : block + 1;
    return block * this.#blockBytes;
  }

  /** Marsaglia's xorshift32: not good, but far better than a disk can tell, and almost free. */
  #random(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % this.#blockCount;
  }
}

/** Spreads small seeds over all bits, and never gives 0, from which xorshift would not move (the finalizer of MurmurHash3). */
function scramble(seed: number): number {
  let state = (seed + 1) | 0;
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  state ^= state >>> 16;
  return state === 0 ? 1 : state;
}
