import { MirrorCopy } from './mirror-copy.js';
import type { MirrorDriver } from './mirror-driver.js';
import type { MirrorHalf } from './mirror-half.js';
import type { MirrorSet } from './mirror-set.js';

/** How much is written back at a time. */
const PIECE_BYTES = 65536;

/** How many places wait for their repair at most. One that is left out is found again when it is read again. */
const PLACES_MAX = 64;

interface Place {
  readonly half: MirrorHalf;
  offset: number;
  end: number;
}

/** Writes back what a half could not read and another one could: a disk puts another place there for a bad one. */
export class MirrorRepair {
  /** How many places have been written back. */
  repaired = 0;
  readonly #set: MirrorSet;
  readonly #copy: MirrorCopy;
  readonly #places: Place[] = [];
  readonly #idle: (() => void)[] = [];

  constructor(driver: MirrorDriver, set: MirrorSet) {
    this.#set = set;
    this.#copy = new MirrorCopy(driver);
  }

  add(half: MirrorHalf, offset: number, lengthBytes: number): void {
    const end = offset + lengthBytes;
    if (!half.inUse || this.#places.length === PLACES_MAX) return;
    if (this.#places.some((place) => place.half === half && place.offset <= offset && end <= place.end)) return;
    this.#places.push({ half, offset, end });
    if (this.#places.length === 1) this.#next();
  }

  /** Calls back when nothing is being repaired. */
  whenIdle(callback: () => void): void {
    if (this.#places.length === 0) callback();
    else this.#idle.push(callback);
  }

  #next(): void {
    const [place] = this.#places;
    if (place === undefined) {
      for (const callback of this.#idle.splice(0)) callback();
      return;
    }
    const length = Math.min(PIECE_BYTES, place.end - place.offset);
    this.#copy.start(place.half, place.offset, length, (error, written) => this.#copied(place, length, error, written));
  }

  #copied(place: Place, length: number, error: number, written: boolean): void {
    place.offset += length;
    if (error === 0 && place.offset === place.end) this.repaired += 1;
    // What cannot be read any more stays as it is; a half that cannot be written has failed.
    if (error !== 0 && written) this.#set.takeOut(place.half, `a repair failed: errno ${error}`);
    if (error !== 0 || place.offset >= place.end) this.#places.shift();
    this.#next();
  }
}
