import type { Layout } from '../nested-io.js';

/** 0: striped, no redundancy. 1: the same on two devices. 5: striped, with rotating parity. */
export type RaidLevel = 0 | 1 | 5;

/**
 * Where the bytes of a raid are: left-symmetric, as raidframe and Linux have it by default. A row (a stripe across all components) holds
 * `dataCount` pieces of `stripeBytes` and, on levels 1 and 5, their parity, which is on the last component in row 0 and moves to the one before
 * with each row. The data follows the parity, so that a sequential reader has all components at work. On level 1 the parity of one piece of
 * data is that piece.
 */
export class RaidGeometry implements Layout {
  readonly level: RaidLevel;
  /** How many components there are, and how many of a row hold data. */
  readonly count: number;
  readonly dataCount: number;
  readonly stripeBytes: number;
  readonly rows: number;
  /** What offsets and lengths are multiples of. */
  readonly blockSizeBytes: number;
  /** How much data a row has. */
  readonly rowBytes: number;
  /** Of {@link locate}: which component, where there, and how much belongs together. */
  index = 0;
  offset = 0;
  lengthBytes = 0;
  row = 0;
  /** Which of the row's data it is. */
  column = 0;
  /** Of a power of two, a multiplication by this is as exact as the division, and takes a third of its time. */
  readonly #stripesPerByte: number;

  constructor(level: RaidLevel, count: number, stripeBytes: number, rows: number, blockSizeBytes: number) {
    this.level = level;
    this.count = count;
    this.dataCount = level === 0 ? count : count - 1;
    this.stripeBytes = stripeBytes;
    this.rows = rows;
    this.blockSizeBytes = blockSizeBytes;
    this.rowBytes = this.dataCount * stripeBytes;
    this.#stripesPerByte = Number.isInteger(Math.log2(stripeBytes)) ? 1 / stripeBytes : 0;
  }

  get sizeBytes(): number {
    return this.rows * this.rowBytes;
  }

  locate(offset: number): void {
    const { stripeBytes, dataCount, count } = this;
    const stripe = Math.floor(this.#stripesPerByte > 0 ? offset * this.#stripesPerByte : offset / stripeBytes);
    const within = offset - stripe * stripeBytes;
    const row = Math.floor(stripe / dataCount);
    const column = stripe - row * dataCount;
    let index = column;
    if (dataCount < count) {
      index += count - (row - Math.floor(row / count) * count);
      if (index >= count) index -= count;
    }
    this.row = row;
    this.column = column;
    this.index = index;
    this.offset = row * stripeBytes + within;
    this.lengthBytes = stripeBytes - within;
  }

  /** Which component has a column of a row; the column after the data is the parity. */
  componentOf(row: number, column: number): number {
    const { count, dataCount } = this;
    if (dataCount === count) return column;
    const index = column + count - (row % count);
    // Column `dataCount` is count - 1: the parity's component is count - 1 - row % count.
    return index >= count ? index - count : index;
  }

  /** Which column of a row a component has. */
  columnOf(row: number, component: number): number {
    const { count, dataCount } = this;
    if (dataCount === count) return component;
    const column = component + (row % count);
    return column >= count ? column - count : column;
  }
}
