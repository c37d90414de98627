/**
 * Taps of linear feedback shift registers with the longest period, by their bits from 2 on (Xilinx application note XAPP 052, table 3).
 */
const TAPS: readonly (readonly number[])[] = [
  [2, 1],
  [3, 2],
  [4, 3],
  [5, 3],
  [6, 5],
  [7, 6],
  [8, 6, 5, 4],
  [9, 5],
  [10, 7],
  [11, 9],
  [12, 6, 4, 1],
  [13, 4, 3, 1],
  [14, 5, 3, 1],
  [15, 14],
  [16, 15, 13, 4],
  [17, 14],
  [18, 11],
  [19, 6, 2, 1],
  [20, 17],
  [21, 19],
  [22, 21],
  [23, 18],
  [24, 23, 22, 17],
  [25, 22],
  [26, 6, 2, 1],
  [27, 5, 2, 1],
  [28, 25],
  [29, 27],
  [30, 6, 4, 1],
  [31, 28],
];

/** Each number below a count once, in an order that looks random, again and again, without a map of those that have been: `random_generator=lfsr`. */
export class ShiftRegister {
  /** The largest count. */
  static readonly COUNT_MAX: number = 2 ** 31 - 1;

  readonly #count: number;
  readonly #mask: number;
  #state: number;

  /** @param count from 1 to {@link COUNT_MAX} */
  constructor(count: number, seed: number) {
    if (count < 1 || count > ShiftRegister.COUNT_MAX) throw new RangeError(`a register for ${count} numbers is not possible`);
    let bits = 2;
    // A register has all states but 0.
    while (2 ** bits - 1 < count) bits += 1;
    this.#count = count;
    this.#mask = (TAPS[bits - 2] as readonly number[]).reduce((mask, tap) => mask + 2 ** (tap - 1), 0);
    this.#state = 1 + (seed % (2 ** bits - 1));
  }

  /** The next one. */
  next(): number {
    let state = this.#state;
    do {
      state = (state & 1) === 0 ? state >>> 1 : (state >>> 1) ^ this.#mask;
    } while (state > this.#count);
    this.#state = state;
    return state - 1;
  }
}
