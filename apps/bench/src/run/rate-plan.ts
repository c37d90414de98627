import type { Random } from './random.js';

/** When the I/Os of one direction are due, whatever has become of those before: an open loop. */
export class RatePlan {
  readonly #nsPerByte: number;
  readonly #nsPerIo: number;
  readonly #random: Random | null;
  #dueNs = 0;

  /**
   * @param bytesPerSecond 0 if `iopsMax` is given
   * @param random for arrivals as Poisson has them; null for a steady rate
   */
  constructor(bytesPerSecond: number, iopsMax: number, random: Random | null) {
    this.#nsPerByte = bytesPerSecond > 0 ? 1e9 / bytesPerSecond : 0;
    this.#nsPerIo = iopsMax > 0 ? 1e9 / iopsMax : 0;
    this.#random = random;
  }

  begin(nowNs: number): void {
    this.#dueNs = nowNs;
  }

  /** When the next I/O is due. */
  get dueNs(): number {
    return this.#dueNs;
  }

  /** Counts the I/O that is due, and plans the one after it. */
  take(lengthBytes: number): void {
    const intervalNs = this.#nsPerIo + this.#nsPerByte * lengthBytes;
    const random = this.#random;
    this.#dueNs += random === null ? intervalNs : -Math.log(1 - random.fraction()) * intervalNs;
  }
}
