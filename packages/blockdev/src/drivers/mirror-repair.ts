import { EBUSY } from '@biodone/uring';
import { type CopyResult, MirrorCopy } from './mirror-copy.js';
import type { MirrorDriver } from './mirror-driver.js';
import type { MirrorHalf } from './mirror-half.js';
import type { MirrorSet } from './mirror-set.js';

/** How much is written back at a time. */
const PIECE_BYTES = 65536;

/** How many places wait for their repair at most. One that is left out is found again when it is read again. */
const PLACES_MAX = 64;

interface Place {
  readonly half: MirrorHalf;
  /** Halves that are not read for it, as bits. */
  readonly excluded: number;
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
  /** Whether the first place is being copied, and may be waited for. */
  #copying = false;

  constructor(driver: MirrorDriver, set: MirrorSet) {
    this.#set = set;
    this.#copy = new MirrorCopy(driver);
  }

  /** Makes a half equal to those that are not in `excluded`, where they may differ. If that cannot be, the half is taken out. */
  makeEqual(half: MirrorHalf, offset: number, lengthBytes: number, excluded: number): void {
    if (this.#places.length === PLACES_MAX) {
      this.#set.takeOut(half, 'too much of it was cancelled');
      return;
    }
    this.#places.push({ half, offset, end: offset + lengthBytes, excluded });
    if (!this.#set.isInThread) this.#next();
  }

  add(half: MirrorHalf, offset: number, lengthBytes: number): void {
    const end = offset + lengthBytes;
    if (!half.inUse || this.#places.length === PLACES_MAX) return;
    if (this.#places.some((place) => place.half === half && place.offset <= offset && end <= place.end)) return;
    this.#places.push({ half, offset, end, excluded: half.bit });
    // In the calling thread, runNow() follows.
    if (!this.#set.isInThread) this.#next();
  }

  /** Does in the calling thread what has to wait for nobody. */
  runNow(): void {
    while (!this.#copying) {
      const [place] = this.#places;
      if (place === undefined) {
        this.#next();
        return;
      }
      const length = Math.min(PIECE_BYTES, place.end - place.offset);
      const result = this.#copy.run(place.half, place.offset, length, place.excluded);
      if (result.error === EBUSY && !result.written) this.#next();
      else this.#copied(place, length, result);
    }
  }

  /** Calls back when nothing is being repaired. */
  whenIdle(callback: () => void): void {
    if (this.#places.length === 0) callback();
    else this.#idle.push(callback);
  }

  #next(): void {
    if (this.#copying) return;
    const [place] = this.#places;
    if (place === undefined) {
      for (const callback of this.#idle.splice(0)) callback();
      return;
    }
    const length = Math.min(PIECE_BYTES, place.end - place.offset);
    this.#copying = true;
    const done = (error: number, written: boolean): void => {
      this.#copying = false;
      this.#copied(place, length, { error, written });
      this.#next();
    };
    this.#copy.start(place.half, place.offset, length, done, place.excluded);
  }

  #copied(place: Place, length: number, { error, written }: CopyResult): void {
    place.offset += length;
    const hadFailed = place.excluded === place.half.bit;
    if (error === 0 && hadFailed && place.offset === place.end) this.repaired += 1;
    if (error !== 0 || place.offset >= place.end) this.#places.shift();
    // What cannot be read any more stays as it is; a half that cannot be written has failed.
    if (error !== 0 && (written || !hadFailed)) this.#set.takeOut(place.half, `a repair failed: errno ${error}`);
  }
}
