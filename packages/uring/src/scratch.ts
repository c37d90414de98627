const UNIT_BYTES = 65536;
const UNITS = 4;

/** How much of it a buffer has. */
export const SCRATCH_BYTES: number = UNITS * UNIT_BYTES;

/**
 * Memory that programs of WebAssembly write their results to: it lies in the same memory as a buffer's bytes, behind them, since a program sees but
 * one memory. It belongs to the thread that has allocated the buffer.
 *
 * @internal
 */
export class Scratch<Buffer> {
  /** As memory for I/O. */
  readonly buffer: Buffer;
  /** Where it begins, seen from the buffer whose scratch it is. */
  readonly begin: number;
  #taken = 0;

  constructor(buffer: Buffer, begin: number) {
    this.buffer = buffer;
    this.begin = begin;
  }

  /** Takes so many bytes, side by side. Returns where in {@link buffer} they begin; -1 if there are not as many left. */
  take(lengthBytes: number): number {
    const units = Math.ceil(lengthBytes / UNIT_BYTES);
    for (let first = 0; first + units <= UNITS; first++) {
      const bits = ((1 << units) - 1) << first;
      if ((this.#taken & bits) !== 0) continue;
      this.#taken |= bits;
      return first * UNIT_BYTES;
    }
    return -1;
  }

  /** Gives back what {@link take} has given. */
  giveBack(offset: number, lengthBytes: number): void {
    this.#taken &= ~(((1 << Math.ceil(lengthBytes / UNIT_BYTES)) - 1) << (offset / UNIT_BYTES));
  }
}
