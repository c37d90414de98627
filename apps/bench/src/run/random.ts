/**
 * Random numbers that come again with the same seed: xoshiro128** by Blackman and Vigna, seeded by MurmurHash3's finalizer. Drawing one
 * allocates nothing.
 */
export class Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  /** @param seed any number; its low 32 bits and what is above them both count */
  constructor(seed: number) {
    const low = seed >>> 0;
    const high = Math.floor(seed / 2 ** 32) >>> 0;
    this.#a = scramble(low + 1);
    this.#b = scramble(low ^ 0x9e3779b9);
    this.#c = scramble(high ^ 0x7f4a7c15);
    // Not all may be 0, or nothing would ever move.
    this.#d = scramble(high + low) | 1;
  }

  /** 32 random bits, as an unsigned number. */
  bits(): number {
    const b = this.#b;
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    this.#c ^= this.#a;
    this.#d ^= b;
    this.#b = b ^ this.#c;
    this.#a ^= this.#d;
    this.#c ^= b << 9;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result >>> 0;
  }

  /** A whole number from 0 to `count - 1`. */
  below(count: number): number {
    if (count <= 2 ** 32) return Math.floor((this.bits() * count) / 2 ** 32);
    return Math.floor(this.fraction() * count);
  }

  /** A number from 0, below 1, of 53 bits. */
  fraction(): number {
    return (this.bits() * 2 ** 21 + (this.bits() >>> 11)) / 2 ** 53;
  }
}

/** Spreads small seeds over all bits. */
function scramble(seed: number): number {
  let state = seed | 0;
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return state ^ (state >>> 16);
}
