import type { IoUnit } from './io-unit.js';

/** I/Os that have completed, and of which the loop has not taken notice yet: in the order in which they came. It allocates nothing after it was made. */
export class Arrivals {
  readonly #units: IoUnit[];
  #first = 0;
  #count = 0;

  /** @param units all that can be in flight, each of them here once at most */
  constructor(units: readonly IoUnit[]) {
    this.#units = [...units];
  }

  get count(): number {
    return this.#count;
  }

  /** @param result a count of bytes, or a negative errno */
  add(unit: IoUnit, result: number): void {
    const units = this.#units;
    let at = this.#first + this.#count;
    if (at >= units.length) at -= units.length;
    unit.result = result;
    units[at] = unit;
    this.#count += 1;
  }

  /** Takes the one that came first. There must be one. */
  take(): IoUnit {
    const units = this.#units;
    const unit = units[this.#first] as IoUnit;
    this.#first += 1;
    if (this.#first === units.length) this.#first = 0;
    this.#count -= 1;
    return unit;
  }
}
