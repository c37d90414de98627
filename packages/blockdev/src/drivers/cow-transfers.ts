import { EIO, ENOSPC, IoBuffer } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_READ, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import type { OverlayMap } from './overlay-map.js';
import type { StepOp, Stepper } from './step-op.js';

/** What an overlay lies over, and how it is cut. */
export interface CowParts {
  readonly base: BlockDevice;
  /** By what right they are used: the base's changes while the overlay is committed. */
  readonly claims: { base: BlockClaim | null; store: BlockClaim | null };
  readonly map: OverlayMap;
  readonly blockBytes: number;
  readonly sizeBytes: number;
}

/** What the request below is, in a write. */
const NOTHING = 0;
const IN_PLACE = 1;
const NEW_BLOCKS = 2;
const OLD_BLOCK = 3;
const CHANGED_BLOCK = 4;

/** Reads: what is in the overlay from there, the rest from the base, in as long parts as lie together. */
export class CowReads implements Stepper {
  readonly #parts: CowParts;

  constructor(parts: CowParts) {
    this.#parts = parts;
  }

  step(op: StepOp): number {
    const parent = op.parent as BlockIo;
    if (op.phase !== NOTHING) {
      op.position += op.io.transferredBytes;
      const error = errorOf(op.io);
      if (error !== 0) return error;
    }
    if (op.position === parent.lengthBytes) return 0;
    const { base, blockBytes, claims, map } = this.#parts;
    const offset = parent.offset + op.position;
    const left = parent.lengthBytes - op.position;
    const block = Math.floor(offset / blockBytes);
    const within = offset - block * blockBytes;
    op.phase = IN_PLACE;
    if (!map.has(block)) {
      const length = Math.min(left, runOf(map, blockBytes, block, within + left, false) - within);
      aim(op, BLOCK_READ, offset, parent.buffer, parent.bufferOffset + op.position, length);
      return op.send(base, claims.base);
    }
    const length = Math.min(left, runOf(map, blockBytes, block, within + left, true) - within);
    aim(op, BLOCK_READ, map.offsetOf(block) + within, parent.buffer, parent.bufferOffset + op.position, length);
    return op.send(map.store, claims.store);
  }
}

/**
 * Writes: what is in the overlay is written over there, whole blocks that are not are written to it, and of others what is not written is copied
 * from the base. A block counts as there when all of it is.
 */
export class CowWrites implements Stepper {
  readonly #parts: CowParts;

  constructor(parts: CowParts) {
    this.#parts = parts;
  }

  step(op: StepOp): number {
    const error = op.phase === NOTHING ? 0 : this.#absorb(op);
    if (error !== 0) return error;
    const parent = op.parent as BlockIo;
    if (op.phase === OLD_BLOCK) return this.#change(op, parent);
    return op.position === parent.lengthBytes ? 0 : this.#next(op, parent);
  }

  /** Takes what the request below has come to. */
  #absorb(op: StepOp): number {
    const { map } = this.#parts;
    const error = errorOf(op.io);
    if (op.phase === IN_PLACE) {
      op.position += op.io.transferredBytes;
      return error;
    }
    if (error !== 0) {
      for (let index = 0; index < op.count; index++) map.cancel(op.block + index);
      return error;
    }
    if (op.phase === OLD_BLOCK) return 0;
    for (let index = 0; index < op.count; index++) map.add(op.block + index);
    const { offset, lengthBytes } = op.parent as BlockIo;
    op.position = Math.min(lengthBytes, (op.block + op.count) * this.#parts.blockBytes - offset);
    return 0;
  }

  #next(op: StepOp, parent: BlockIo): number {
    const { base, blockBytes, claims, map } = this.#parts;
    const offset = parent.offset + op.position;
    const left = parent.lengthBytes - op.position;
    const block = Math.floor(offset / blockBytes);
    const within = offset - block * blockBytes;
    const memory = parent.bufferOffset + op.position;
    if (map.has(block)) {
      const length = Math.min(left, runOf(map, blockBytes, block, within + left, true) - within);
      op.phase = IN_PLACE;
      aim(op, BLOCK_WRITE, map.offsetOf(block) + within, parent.buffer, memory, length);
      return op.send(map.store, claims.store);
    }
    if (!map.reserve(block)) return ENOSPC;
    op.block = block;
    op.count = 1;
    if (within > 0 || left < this.#lengthOf(block)) {
      op.phase = OLD_BLOCK;
      const lengthBytes = this.#lengthOf(block);
      aim(op, BLOCK_READ, block * blockBytes, op.staging(blockBytes), 0, lengthBytes);
      return op.send(base, claims.base);
    }
    const lengthBytes = this.#reserveMore(op, left);
    op.phase = NEW_BLOCKS;
    aim(op, BLOCK_WRITE, map.offsetOf(block), parent.buffer, memory, lengthBytes);
    return op.send(map.store, claims.store);
  }

  /** Reserves places for the whole blocks behind the first, as long as they lie together. Returns how long all of them are. */
  #reserveMore(op: StepOp, left: number): number {
    const { blockBytes, map } = this.#parts;
    let lengthBytes = this.#lengthOf(op.block);
    for (;;) {
      const next = op.block + op.count;
      if (left - lengthBytes <= 0 || left - lengthBytes < this.#lengthOf(next)) return lengthBytes;
      if (map.has(next) || !map.reserve(next)) return lengthBytes;
      if (map.offsetOf(next) !== map.offsetOf(op.block) + op.count * blockBytes) {
        map.cancel(next);
        return lengthBytes;
      }
      lengthBytes += this.#lengthOf(next);
      op.count += 1;
    }
  }

  /** Writes the block that has been read, with what is to be written over it. */
  #change(op: StepOp, parent: BlockIo): number {
    const { blockBytes, claims, map } = this.#parts;
    const staging = op.staging(blockBytes);
    const within = parent.offset + op.position - op.block * blockBytes;
    const length = Math.min(this.#lengthOf(op.block) - within, parent.lengthBytes - op.position);
    IoBuffer.copy(staging, within, parent.buffer as IoBuffer, parent.bufferOffset + op.position, length);
    op.phase = CHANGED_BLOCK;
    aim(op, BLOCK_WRITE, map.offsetOf(op.block), staging, 0, this.#lengthOf(op.block));
    return op.send(map.store, claims.store);
  }

  #lengthOf(block: number): number {
    return Math.min(this.#parts.blockBytes, this.#parts.sizeBytes - block * this.#parts.blockBytes);
  }
}

/** Fills in a request below. */
export function aim(
  { io }: StepOp,
  operation: typeof BLOCK_READ | typeof BLOCK_WRITE,
  offset: number,
  buffer: IoBuffer | null,
  bufferOffset: number,
  lengthBytes: number,
): void {
  io.operation = operation;
  io.flags = 0;
  io.offset = offset;
  io.buffer = buffer;
  io.bufferOffset = bufferOffset;
  io.lengthBytes = lengthBytes;
}

/** What a request below has ended with; one that is short has found the device to be shorter than it was. */
export function errorOf({ error, transferredBytes, lengthBytes }: BlockIo): number {
  return error !== 0 ? error : transferredBytes < lengthBytes ? EIO : 0;
}

/** How far, from the beginning of a block on, and up to `limit`, blocks are alike, and lie together if they are in the overlay. */
function runOf(map: OverlayMap, blockBytes: number, block: number, limit: number, present: boolean): number {
  let length = blockBytes;
  for (let next = block + 1; length < limit && map.has(next) === present; next++) {
    if (present && map.offsetOf(next) !== map.offsetOf(block) + length) break;
    length += blockBytes;
  }
  return length;
}
