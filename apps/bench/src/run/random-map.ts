/** Bits in a word, and log2 of them. */
const WORD_BITS = 32;
const WORD_SHIFT = 5;

/**
 * Which blocks a random pass has touched, so that it touches each once. A bit stands for a block, and a bit of the level above for 32 that are
 * all set, so finding a free block takes a few steps however few are left.
 */
export class RandomMap {
  /** The largest number of blocks: 2^31. */
  static readonly COUNT_MAX: number = 2 ** 31;

  readonly #count: number;
  readonly #levels: Int32Array[] = [];
  #free = 0;

  constructor(count: number) {
    if (count < 1 || count > RandomMap.COUNT_MAX) throw new RangeError(`a map of ${count} blocks is not possible`);
    this.#count = count;
    let words = count;
    do {
      words = Math.ceil(words / WORD_BITS);
      this.#levels.push(new Int32Array(words));
    } while (words > 1);
    this.clear();
  }

  /** How many blocks are free. */
  get free(): number {
    return this.#free;
  }

  /** Frees all of them. */
  clear(): void {
    let count = this.#count;
    for (const level of this.#levels) {
      level.fill(0);
      const rest = count % WORD_BITS;
      // What is behind the end is never free.
      if (rest > 0) level[level.length - 1] = -1 << rest;
      count = level.length;
    }
    this.#free = this.#count;
  }

  /** Takes the first free block from `start` on, beginning anew behind the end. There must be one. */
  takeFrom(start: number): number {
    let block = this.#find(0, start);
    if (block < 0) block = this.#find(0, 0);
    this.#take(block);
    this.#free -= 1;
    return block;
  }

  #find(depth: number, from: number): number {
    const level = this.#levels[depth];
    if (level === undefined) return -1;
    const word = from >>> WORD_SHIFT;
    if (word >= level.length) return -1;
    const here = ~(level[word] as number) & (-1 << (from & (WORD_BITS - 1)));
    if (here !== 0) return word * WORD_BITS + lowestBit(here);
    const next = this.#find(depth + 1, word + 1);
    return next < 0 ? -1 : next * WORD_BITS + lowestBit(~(level[next] as number));
  }

  #take(block: number): void {
    let index = block;
    for (let depth = 0; depth < this.#levels.length; depth++) {
      const level = this.#levels[depth] as Int32Array;
      const word = index >>> WORD_SHIFT;
      const bits = (level[word] as number) | (1 << (index & (WORD_BITS - 1)));
      level[word] = bits;
      if (bits !== -1) return;
      index = word;
    }
  }
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
