import { BLOCK_NO_UNMAP, BLOCK_WRITE_ZEROES, type BlockDevice } from '@biodone/blockdev';
import { request, runSync, writeRequest } from './requests.js';

/** Something that has changed a range, and is not stable yet. */
export interface CachedChange {
  readonly offset: number;
  readonly lengthBytes: number;
  /** What was written, or null for zeros and for what was discarded, which reads as zeros. */
  readonly bytes: Uint8Array | null;
  /** The request's. */
  readonly flags: number;
}

/** The part of a change from `begin` to `end`, which lie in its range. */
function partOf({ offset, bytes, flags }: CachedChange, begin: number, end: number): CachedChange {
  return { offset: begin, lengthBytes: end - begin, bytes: bytes?.subarray(begin - offset, end - offset) ?? null, flags };
}

/** What a volatile cache holds, in the order in which it came. */
export class VolatileCache {
  #changes: CachedChange[] = [];

  get length(): number {
    return this.#changes.length;
  }

  get changes(): readonly CachedChange[] {
    return this.#changes;
  }

  add(change: CachedChange): void {
    this.#changes.push(change);
  }

  clear(): void {
    this.#changes = [];
  }

  /**
   * Puts over what was read below, from `offset` on, what the cache has of it. Returns up to where the device reaches: `reached`, or further
   * where the cache has something behind the end of what is below.
   */
  cover(bytes: Uint8Array, offset: number, reached: number): number {
    let end = reached;
    for (const change of this.#changes) {
      const from = Math.max(change.offset, offset);
      const to = Math.min(change.offset + change.lengthBytes, offset + bytes.length);
      if (from >= to) continue;
      const part = partOf(change, from, to);
      if (part.bytes === null) bytes.fill(0, from - offset, to - offset);
      else bytes.set(part.bytes, from - offset);
      end = Math.max(end, to - offset);
    }
    return end;
  }

  /** Forgets what lies in a range. What came with it and lies outside stays, and is as volatile as it was. */
  drop(offset: number, lengthBytes: number): void {
    const end = offset + lengthBytes;
    this.#changes = this.#changes.flatMap((change) => {
      const changeEnd = change.offset + change.lengthBytes;
      if (change.offset >= end || changeEnd <= offset) return [change];
      const before = change.offset < offset ? [partOf(change, change.offset, offset)] : [];
      const behind = changeEnd > end ? [partOf(change, end, changeEnd)] : [];
      return [...before, ...behind];
    });
  }
}

/** Cuts a change into what is written whole or not at all. */
export function sectorsOf(change: CachedChange, sectorBytes: number): CachedChange[] {
  const sectors: CachedChange[] = [];
  const end = change.offset + change.lengthBytes;
  for (let at = change.offset; at < end; ) {
    const next = Math.min(end, at + sectorBytes - (at % sectorBytes));
    sectors.push(partOf(change, at, next));
    at = next;
  }
  return sectors;
}

/** Takes a change to the device below. Returns the errno, or 0. */
export function destage(device: BlockDevice, { offset, lengthBytes, bytes, flags }: CachedChange): number {
  const zeros = { offset, lengthBytes, flags: flags & BLOCK_NO_UNMAP };
  return runSync(device, bytes === null ? request(BLOCK_WRITE_ZEROES, zeros) : writeRequest(offset, bytes)).error;
}
