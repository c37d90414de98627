import { invalidType, outOfRange } from '../errors.js';
import { nearestName } from '../nearest-name.js';
import { TokenBucket } from './token-bucket.js';

/** How much a throttled device lets through in a second. What is not set, or null, is not limited. */
export interface ThrottleLimits {
  /** Requests of all kinds but flushes and extents, together. More than 0, as all of these. */
  iops?: number | null;
  readIops?: number | null;
  /** Writes, zeros, discards, and compare-and-writes. */
  writeIops?: number | null;
  /** Bytes of reads and writes together. Zeros that the device below makes itself, and discards, move none. */
  bytesPerSecond?: number | null;
  readBytesPerSecond?: number | null;
  writeBytesPerSecond?: number | null;
}

/** The two directions. */
export const READS = 0;
export const WRITES = 1;

const NAMES = ['iops', 'readIops', 'writeIops', 'bytesPerSecond', 'readBytesPerSecond', 'writeBytesPerSecond'] as const;

/** The buckets of one direction: its own, and those that it shares with the other. */
interface DirectionBuckets {
  readonly iops: readonly [TokenBucket, TokenBucket];
  readonly bytes: readonly [TokenBucket, TokenBucket];
}

/** The buckets of a throttled device. */
export class ThrottleBuckets {
  /** For how long buckets save up what nobody takes. */
  readonly burstMs: number;
  readonly #buckets = NAMES.map(() => new TokenBucket());
  readonly #directions: readonly [DirectionBuckets, DirectionBuckets];

  constructor(burstMs: number) {
    this.burstMs = burstMs;
    const [iops, readIops, writeIops, bytes, readBytes, writeBytes] = this.#buckets as [
      TokenBucket,
      TokenBucket,
      TokenBucket,
      TokenBucket,
      TokenBucket,
      TokenBucket,
    ];
    this.#directions = [
      { iops: [iops, readIops], bytes: [bytes, readBytes] },
      { iops: [iops, writeIops], bytes: [bytes, writeBytes] },
    ];
  }

  /** The limits that there are. */
  get limits(): ThrottleLimits {
    const set = NAMES.map((name, index) => [name, (this.#buckets[index] as TokenBucket).perSecond] as const);
    return Object.fromEntries(set.filter(([, rate]) => rate !== Number.POSITIVE_INFINITY));
  }

  /** Changes the limits that are named; null lifts one. @throws RangeError ERR_OUT_OF_RANGE, and nothing is changed then */
  setLimits(limits: ThrottleLimits, nowMs: number): void {
    if (typeof limits !== 'object' || limits === null) throw invalidType('limits', 'an object of limits', limits);
    for (const name of Object.keys(limits)) {
      if (!(NAMES as readonly string[]).includes(name)) {
        const nearest = nearestName(name, NAMES);
        const advice = nearest === null ? '' : `, such as ${nearest}`;
        throw outOfRange('limits', `made of ${NAMES.join(', ')}${advice}`, name);
      }
    }
    for (const name of NAMES) {
      const rate = limits[name];
      const isRate = rate === undefined || rate === null || (typeof rate === 'number' && rate > 0);
      if (!isRate) throw outOfRange(`limits.${name}`, '> 0, or null for no limit', rate);
    }
    for (const [index, name] of NAMES.entries()) {
      const rate = limits[name];
      if (rate !== undefined) (this.#buckets[index] as TokenBucket).setRate(rate ?? Number.POSITIVE_INFINITY, nowMs);
    }
  }

  /** From when on a request of a direction may pass, by all of its buckets; in the past if it may now. */
  readyAtMs(direction: number, bytes: number): number {
    const { iops, bytes: buckets } = this.#direction(direction);
    const ready = Math.max(iops[0].readyAtMs, iops[1].readyAtMs);
    return bytes === 0 ? ready : Math.max(ready, buckets[0].readyAtMs, buckets[1].readyAtMs);
  }

  /** Lets a request pass. One that is larger than what there is leaves a debt, for which those behind it wait. */
  take(direction: number, bytes: number, nowMs: number): void {
    const { iops, bytes: buckets } = this.#direction(direction);
    iops[0].take(1, nowMs, this.burstMs);
    iops[1].take(1, nowMs, this.burstMs);
    if (bytes === 0) return;
    buckets[0].take(bytes, nowMs, this.burstMs);
    buckets[1].take(bytes, nowMs, this.burstMs);
  }

  #direction(direction: number): DirectionBuckets {
    return direction === READS ? this.#directions[READS] : this.#directions[WRITES];
  }
}
