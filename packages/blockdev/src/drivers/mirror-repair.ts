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
  /** Whether it could be read, but may be other than on other halves. */
  readonly isEqualizing: boolean;
  offset: number;
  end: number;
}

/** Writes back what a half could not read and another one could: a disk puts another place there for a bad one. */
export class MirrorRepair {
  /** How many places have been written back. */
  repaired = 0;
  readonly #driver: MirrorDriver;
  readonly #set: MirrorSet;
  readonly #copy: MirrorCopy;
  readonly #places: Place[] = [];
  readonly #idle: (() => void)[] = [];
  /** Whether the first place is being copied, and may be waited for. */
  #copying = false;
  /** The half that others are made equal to. */
  #source: MirrorHalf | null = null;

  constructor(driver: MirrorDriver, set: MirrorSet) {
    this.#driver = driver;
    this.#set = set;
    this.#copy = new MirrorCopy(driver);
  }

  /**
   * Makes a range equal on all halves, where they may differ. Until that is done, one of them alone is read. A half of which that cannot be is
   * taken out.
   */
  makeEqual(offset: number, lengthBytes: number): void {
    const { halves } = this.#set;
    this.#source ??= halves.find(({ state }) => state === 'good') ?? null;
    const source = this.#source;
    if (source === null) return;
    this.#driver.reads.unequal = ~source.bit;
    for (const half of [...halves]) {
      if (half === source || !half.inUse) continue;
      if (this.#places.length >= PLACES_MAX) this.#set.takeOut(half, 'too much of it was cancelled');
      else this.#places.push({ half, offset, end: offset + lengthBytes, isEqualizing: true });
    }
    this.#next();
  }

  /** A half is out. If others were to be made equal to it, another one takes its place. */
  lost(half: MirrorHalf): void {
    if (half !== this.#source) return;
    this.#source = this.#set.halves.find(({ state }) => state === 'good') ?? null;
    this.#driver.reads.unequal = this.#source === null ? 0 : ~this.#source.bit;
  }

  add(half: MirrorHalf, offset: number, lengthBytes: number): void {
    const end = offset + lengthBytes;
    if (!half.inUse || this.#places.length === PLACES_MAX) return;
    if (this.#places.some((place) => place.half === half && place.offset <= offset && end <= place.end)) return;
    this.#places.push({ half, offset, end, isEqualizing: false });
    // In the calling thread, runNow() follows.
    if (!this.#set.isInThread) this.#next();
  }

  /** Does in the calling thread what has to wait for nobody. */
  runNow(): void {
    while (!this.#copying) {
      const place = this.#first();
      if (place === undefined) {
        this.#next();
        return;
      }
      const length = Math.min(PIECE_BYTES, place.end - place.offset);
      const result = this.#copy.run(place.half, place.offset, length);
      if (result.error === EBUSY && !result.written) this.#next();
      else this.#copied(place, length, result, this.#source);
    }
  }

  /** Calls back when nothing is being repaired. */
  whenIdle(callback: () => void): void {
    if (this.#places.length === 0) callback();
    else this.#idle.push(callback);
  }

  #next(): void {
    if (this.#copying) return;
    const place = this.#first();
    if (place === undefined) {
      for (const callback of this.#idle.splice(0)) callback();
      return;
    }
    const length = Math.min(PIECE_BYTES, place.end - place.offset);
    this.#copying = true;
    const source = this.#source;
    const done = (error: number, written: boolean): void => {
      this.#copying = false;
      this.#copied(place, length, { error, written }, source);
      this.#next();
    };
    this.#copy.start(place.half, place.offset, length, done);
  }

  #copied(place: Place, length: number, { error, written }: CopyResult, source: MirrorHalf | null): void {
    // The half that it was read from is out: from the next one, then.
    if (error !== 0 && !written && place.isEqualizing && this.#source !== source) return;
    place.offset += length;
    if (error === 0 && !place.isEqualizing && place.offset === place.end) this.repaired += 1;
    if (error !== 0 || place.offset >= place.end) this.#drop();
    // What cannot be read any more stays as it is; a half that cannot be written has failed.
    if (error !== 0 && (written || place.isEqualizing)) this.#set.takeOut(place.half, `a repair failed: errno ${error}`);
  }

  /** The next place; one of the half that others are made equal to now needs nothing. */
  #first(): Place | undefined {
    while (this.#places[0]?.isEqualizing && this.#places[0].half === this.#source) this.#drop();
    return this.#places[0];
  }

  #drop(): void {
    this.#places.shift();
    if (this.#source === null || this.#places.some(({ isEqualizing }) => isEqualizing)) return;
    this.#source = null;
    this.#driver.reads.unequal = 0;
  }
}
