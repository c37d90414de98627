import type { BlockDevice } from '../block-device.js';
import type { BlockClaim } from '../claims.js';
import { NO_SLOT } from './cache-index.js';
import type { CacheLines } from './cache-lines.js';

/** What a cache has done since its opening, and what it holds. */
export interface CacheStatistics extends Readonly<CacheCounters> {
  /** Lines that had to go for others. */
  readonly evictions: number;
  /** What the device below does not have yet, and all that the cache holds, in whole lines. */
  readonly dirtyBytes: number;
  readonly usedBytes: number;
}

/** What a cache counts. */
export interface CacheCounters {
  /** Reads that were answered from the cache, and those that were not, at least in part. */
  readHits: number;
  readMisses: number;
  /** Writes that were done when they were in the cache, and those that went to the device below before. */
  writesBack: number;
  writesThrough: number;
  /** Requests by which dirty lines were written back, and the bytes of those. */
  writeBacks: number;
  writtenBackBytes: number;
  /** Bytes that were read before anybody asked for them. */
  readAheadBytes: number;
  /** How often a write had to wait for room, because too much was dirty. */
  waits: number;
}

/** Lines from one up to another. */
export interface LineRange {
  readonly begin: number;
  readonly end: number;
}

/** What all parts of a cache's driver look at, wherever its lines lie. */
export class CacheState<Lines extends CacheLines> {
  readonly store: Lines;
  /** The device below. */
  readonly device: BlockDevice;
  readonly claim: BlockClaim | null;
  /** Those who work on their range below, where nothing may be written back meanwhile. */
  readonly through: LineRange[] = [];
  readonly counters: CacheCounters = {
    readHits: 0,
    readMisses: 0,
    writesBack: 0,
    writesThrough: 0,
    writeBacks: 0,
    writtenBackBytes: 0,
    readAheadBytes: 0,
    waits: 0,
  };
  /** Told of each operation that has ended: others may go on. */
  ended: () => void = () => {};
  /** How many slots are being filled for lines that will be dirty. */
  reserved = 0;
  /** Whether something was written below, and is nowhere else, since the device below was flushed. */
  unstableBelow = false;
  /** The errno of the first write-back that failed; 0 if all went well. */
  failure = 0;
  /** Whether new lines can be put where the cache has them. */
  takesLines = true;
  /** Whether a write that there is no slot for waits for one, besides the room for what is dirty. */
  readonly waitsForSlots: boolean = true;

  constructor(store: Lines, device: BlockDevice, claim: BlockClaim | null) {
    this.store = store;
    this.device = device;
    this.claim = claim;
  }

  /** Whether somebody works on a line, so that it cannot be written back now. */
  isThrough(line: number): boolean {
    for (let index = 0; index < this.through.length; index++) {
      const range = this.through[index] as LineRange;
      if (line >= range.begin && line < range.end) return true;
    }
    return false;
  }

  /** Whether a line of the range is on its way to the device below. */
  isWriting(firstLine: number, behindLine: number): boolean {
    const { index } = this.store;
    if (index.unclean === 0) return false;
    for (let line = firstLine; line < behindLine; line++) {
      const slot = index.find(line);
      if (slot !== NO_SLOT && index.isWriting(slot)) return true;
    }
    return false;
  }
}
