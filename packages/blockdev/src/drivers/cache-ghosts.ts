/**
 * Lines that were displaced not long ago, without their contents: as many as the cache has slots. Each has one place that it can be in, so that one
 * may push out another before its time; that costs a hit now and then, never a wrong answer.
 */
export class GhostLines {
  readonly #lines: Float64Array;
  readonly #addedAt: Float64Array;
  readonly #mask: number;
  readonly #capacity: number;
  #count = 0;

  constructor(capacity: number) {
    const places = 2 ** Math.ceil(Math.log2(2 * capacity));
    this.#lines = new Float64Array(places).fill(-1);
    this.#addedAt = new Float64Array(places);
    this.#mask = places - 1;
    this.#capacity = capacity;
  }

  add(line: number): void {
    const place = bucketOf(line, this.#mask);
    this.#count += 1;
    this.#lines[place] = line;
    this.#addedAt[place] = this.#count;
  }

  /** Whether a line was displaced, and not more than `capacity` others since. */
  has(line: number): boolean {
    const place = bucketOf(line, this.#mask);
    return this.#lines[place] === line && this.#count - (this.#addedAt[place] as number) < this.#capacity;
  }
}

/** Fibonacci hashing: neighbours are spread. */
export function bucketOf(line: number, mask: number): number {
  const hash = Math.imul(line | 0, 0x9e37_79b1);
  return (hash ^ (hash >>> 15)) & mask;
}
