import { outOfRange } from './errors.js';

/** A range that holds data, or may. */
export const EXTENT_DATA = 0 as const;
/** A range that is not allocated. */
export const EXTENT_HOLE = 1 as const;
/** A range that reads as zeros. A hole mostly does so too. */
export const EXTENT_ZERO = 2 as const;

/**
 * The answer to a `BLOCK_EXTENTS`: ranges in ascending order, without gaps, from the request's offset on. It is made once with room for so
 * many, and filled again by each request.
 */
export class ExtentList {
  /** The most extents that it holds. */
  readonly capacity: number;
  /** How many there are. */
  count = 0;
  readonly #offsets: Float64Array;
  readonly #lengths: Float64Array;
  readonly #kinds: Uint8Array;

  /**
   * @param capacity at least 1
   * @throws RangeError ERR_OUT_OF_RANGE
   */
  constructor(capacity = 64) {
    if (!Number.isInteger(capacity) || capacity < 1) throw outOfRange('capacity', 'an integer >= 1', capacity);
    this.capacity = capacity;
    this.#offsets = new Float64Array(capacity);
    this.#lengths = new Float64Array(capacity);
    this.#kinds = new Uint8Array(capacity);
  }

  /** Where the extent begins, in bytes. */
  offset(index: number): number {
    return this.#offsets[index] as number;
  }

  /** How long it is, in bytes. */
  lengthBytes(index: number): number {
    return this.#lengths[index] as number;
  }

  /** EXTENT_HOLE and EXTENT_ZERO, or EXTENT_DATA. */
  kind(index: number): number {
    return this.#kinds[index] as number;
  }

  /** Forgets all extents. */
  clear(): void {
    this.count = 0;
  }

  /** Adds an extent behind the last one, and joins the two if they are of a kind. False if there is no room for it. */
  add(offset: number, lengthBytes: number, kind: number): boolean {
    if (lengthBytes === 0) return true;
    const last = this.count - 1;
    if (last >= 0 && this.#kinds[last] === kind && this.offset(last) + this.lengthBytes(last) === offset) {
      this.#lengths[last] = this.lengthBytes(last) + lengthBytes;
      return true;
    }
    if (this.count === this.capacity) return false;
    this.#offsets[this.count] = offset;
    this.#lengths[this.count] = lengthBytes;
    this.#kinds[this.count] = kind;
    this.count += 1;
    return true;
  }
}
