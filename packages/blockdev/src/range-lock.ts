import { TailQueue } from '@biodone/sync';
import {
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockIo,
  type BlockOperation,
  IO_STARTED,
} from './block-io.js';

/** The width of a unit of 1: what changes part of a unit touches all of it. */
interface Units {
  readonly transferUnitBytes: number;
}

/**
 * Keeps writes out of the ranges in which something is read first and written then. Mostly nothing is locked, and it costs one look at a
 * number a request.
 */
export class RangeLock {
  readonly #locked: BlockIo[] = [];
  /** A request like that for which another channel has locked its range; null if none has. */
  foreign: BlockIo | null = null;
  readonly #blocked = new TailQueue<BlockIo>();
  readonly #limits: () => Units;

  constructor(limits: () => Units) {
    this.#limits = limits;
  }

  /** Whether nothing is locked and nobody waits. */
  get idle(): boolean {
    return this.#locked.length === 0 && this.foreign === null && this.#blocked.isEmpty;
  }

  /** Whether one is locked here. */
  get hasLocked(): boolean {
    return this.#locked.length > 0;
  }

  /** Those that wait for a range. */
  get blocked(): TailQueue<BlockIo> {
    return this.#blocked;
  }

  /** Whether a request has to wait for one that has locked its range, or waits for a lock of it. */
  mustWait(io: BlockIo): boolean {
    if (this.isKeptByOther(io)) return true;
    for (const other of this.#locked) if (other !== io && this.#conflict(io, other)) return true;
    for (let other = this.#blocked.first; other !== null && other !== io; other = this.#blocked.next(other)) {
      // One that has waited longer.
      if (this.#conflict(io, other)) return true;
    }
    return false;
  }

  /** Whether another channel keeps a request out of its range. */
  isKeptByOther(io: BlockIo): boolean {
    return this.foreign !== null && this.#conflict(io, this.foreign);
  }

  /** Where a range begins and ends, in whole units. */
  begin({ offset }: BlockIo): number {
    return offset - (offset % this.#limits().transferUnitBytes);
  }

  end({ offset, lengthBytes }: BlockIo): number {
    const unit = this.#limits().transferUnitBytes;
    return Math.ceil((offset + lengthBytes) / unit) * unit;
  }

  /** Whether another request is under way in the range that `io` wants for itself. Those that wait here are not, nor those that are done. */
  isTouchedBy(other: BlockIo, io: BlockIo): boolean {
    return other !== io && other.state === IO_STARTED && other.queue !== this.#blocked && this.#conflict(io, other);
  }

  lock(io: BlockIo): void {
    this.#locked.push(io);
  }

  unlock(io: BlockIo): void {
    this.#locked.splice(this.#locked.indexOf(io), 1);
  }

  /** Two writes, or a comparison with its write and a read, which must not see half of that. */
  #conflict(one: BlockIo, other: BlockIo): boolean {
    const writes = isModification(one.operation) && isModification(other.operation);
    return (writes || isSeen(one, other) || isSeen(other, one)) && this.#overlap(one, other);
  }

  #overlap(one: BlockIo, other: BlockIo): boolean {
    return this.begin(one) < this.end(other) && this.begin(other) < this.end(one);
  }
}

function isSeen(one: BlockIo, other: BlockIo): boolean {
  return one.operation === BLOCK_COMPARE_AND_WRITE && other.operation === BLOCK_READ;
}

function isModification(operation: BlockOperation): boolean {
  switch (operation) {
    case BLOCK_WRITE:
    case BLOCK_DISCARD:
    case BLOCK_WRITE_ZEROES:
    case BLOCK_COMPARE_AND_WRITE:
      return true;
    default:
      return false;
  }
}
