import { ECANCELED, EIO, IoBuffer } from '@biodone/uring';
import type { BlockIo } from '../block-io.js';
import type { CacheCore } from './cache-core.js';
import { NO_SLOT } from './cache-index.js';
import { part } from './cache-lines.js';
import type { CacheOp, CacheWork } from './cache-op.js';

/** Reads of what is not in the cache, or not all of it: what is missing is read from below in whole lines, and kept. */
export class CacheReads implements CacheWork {
  readonly #core: CacheCore;

  constructor(core: CacheCore) {
    this.#core = core;
  }

  start(io: BlockIo): void {
    const op = this.#core.takeFor(this, io);
    // Two reads of the same lines are one read below, and one from the cache.
    if (this.#core.ranges.enter(op)) this.#advance(op);
  }

  /** Reads in the calling thread. Returns the errno. */
  runSync(io: BlockIo): number {
    const op = this.#core.takeFor(this, io);
    // Where others are at work, what is read here may be old in a moment: it is not kept.
    const keeps = !this.#core.ranges.isTaken(op);
    let error = 0;
    while (error === 0 && op.position < io.lengthBytes) {
      if (this.#copyLine(op, io)) continue;
      this.#aim(op, io);
      this.#core.device.strategySync(op.io);
      const { offset, transferredBytes, lengthBytes } = op.io;
      error = op.io.error !== 0 ? op.io.error : transferredBytes < lengthBytes ? EIO : 0;
      if (error === 0 && keeps) this.#core.install(op);
      op.position = this.#give(op, io, Math.max(0, offset + transferredBytes - io.offset));
    }
    io.transferredBytes = op.position;
    op.parent = null;
    this.#core.end(op, 0, 0);
    return error;
  }

  entered(op: CacheOp): void {
    this.#advance(op);
  }

  resume(op: CacheOp): void {
    this.#advance(op);
  }

  childDone(op: CacheOp): void {
    if (this.#absorb(op)) this.#advance(op);
  }

  #advance(op: CacheOp): void {
    const parent = op.parent as BlockIo;
    while (op.position < parent.lengthBytes && !op.aborted) {
      if (this.#copyLine(op, parent)) continue;
      this.#aim(op, parent);
      if (!op.send(this.#core.device) || !this.#absorb(op)) return;
    }
    this.#core.end(op, op.position < parent.lengthBytes ? ECANCELED : 0, op.position);
  }

  /** Copies the next line, if it is there. */
  #copyLine(op: CacheOp, parent: BlockIo): boolean {
    const { store } = this.#core;
    const line = store.lineAt(parent.offset + op.position);
    const slot = store.index.find(line);
    if (slot === NO_SLOT) return false;
    store.partOf(parent, line);
    store.copyOut(slot, part.within, parent.buffer as IoBuffer, parent.bufferOffset + part.position, part.lengthBytes);
    store.index.touch(slot);
    op.position = part.position + part.lengthBytes;
    return true;
  }

  /** Aims at the lines that are missing from here on, up to the next that is there. */
  #aim(op: CacheOp, { offset }: BlockIo): void {
    const { store } = this.#core;
    const first = store.lineAt(offset + op.position);
    let behind = first + 1;
    while (behind < op.end && store.index.find(behind) === NO_SLOT) behind += 1;
    this.#core.aimRead(op, first, behind - first);
  }

  /** Takes what has been read. False if that has ended the operation. */
  #absorb(op: CacheOp): boolean {
    const parent = op.parent as BlockIo;
    const { error, transferredBytes, lengthBytes, offset } = op.io;
    if (error !== 0 || transferredBytes < lengthBytes) {
      const moved = this.#give(op, parent, Math.max(0, offset + transferredBytes - parent.offset));
      this.#core.end(op, error || EIO, moved);
      return false;
    }
    this.#core.install(op);
    op.position = this.#give(op, parent, offset + lengthBytes - parent.offset);
    return true;
  }

  /** Copies what has been read, up to a position of the request. Returns up to where the request has got. */
  #give(op: CacheOp, parent: BlockIo, upTo: number): number {
    const { store } = this.#core;
    const end = Math.min(parent.lengthBytes, upTo);
    if (end <= op.position) return op.position;
    const from = parent.offset + op.position - op.line * store.lineBytes;
    const { buffer, bufferOffset } = parent;
    IoBuffer.copy(buffer as IoBuffer, bufferOffset + op.position, op.staging(0), from, end - op.position);
    return end;
  }
}
