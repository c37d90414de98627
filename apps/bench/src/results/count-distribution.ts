/** Counts from here on are not told apart. */
const LAST = 1024;
const SUM = LAST + 1;

/** How often each count occurred, in rising order: what is saved, and sent between threads. */
export type CountData = readonly (readonly [value: number, times: number])[];

/** Counts how often a small whole number occurs: I/Os in flight, or submitted at a time. Exact below 1024. Recording allocates nothing. */
export class CountDistribution {
  /** How many numbers one takes. */
  static readonly LENGTH: number = LAST + 2;

  readonly #numbers: Float64Array;

  /** @param numbers where its numbers are: zeros for a new one. Memory of its own by default, possibly shared otherwise. */
  constructor(numbers: Float64Array = new Float64Array(CountDistribution.LENGTH)) {
    if (numbers.length !== CountDistribution.LENGTH)
      throw new RangeError(`a distribution takes ${CountDistribution.LENGTH} numbers`);
    this.#numbers = numbers;
  }

  /** @param value a whole number, not negative */
  record(value: number): void {
    const numbers = this.#numbers;
    const at = value < LAST ? value : LAST;
    numbers[at] = (numbers[at] as number) + 1;
    numbers[SUM] = (numbers[SUM] as number) + value;
  }

  add(other: CountDistribution): void {
    for (let at = 0; at < CountDistribution.LENGTH; at++) {
      this.#numbers[at] = (this.#numbers[at] as number) + (other.#numbers[at] as number);
    }
  }

  clear(): void {
    this.#numbers.fill(0);
  }

  /** What it has counted, in rising order; those of 1024 and more together, as their mean. */
  toData(): CountData {
    const data: [number, number][] = [];
    let below = 0;
    for (let value = 0; value < LAST; value++) {
      const times = this.#numbers[value] as number;
      if (times > 0) data.push([value, times]);
      below += value * times;
    }
    const large = this.#numbers[LAST] as number;
    if (large > 0) data.push([Math.round(((this.#numbers[SUM] as number) - below) / large), large]);
    return data;
  }
}

/** The mean of what was counted, 0 if nothing was. */
export function meanOfCounts(data: CountData): number {
  let times = 0;
  let sum = 0;
  for (const [value, often] of data) {
    times += often;
    sum += value * often;
  }
  return times === 0 ? 0 : sum / times;
}
