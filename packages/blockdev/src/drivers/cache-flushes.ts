import { EBUSY } from '@biodone/uring';
import { BLOCK_FLUSH, type BlockIo } from '../block-io.js';
import type { CacheCore } from './cache-core.js';
import type { CacheOp, CacheWork } from './cache-op.js';
import type { CacheWriteBack } from './cache-write-back.js';

/** Flushes: what is dirty when one comes is written back, then the device below makes it stable. */
export class CacheFlushes implements CacheWork {
  readonly #core: CacheCore;
  readonly #writeBack: CacheWriteBack;

  constructor(core: CacheCore, writeBack: CacheWriteBack) {
    this.#core = core;
    this.#writeBack = writeBack;
  }

  start(io: BlockIo): void {
    const op = this.#core.take(this, io, 0, 0);
    if (this.#core.store.index.unclean > 0 && this.#core.failure === 0) this.#writeBack.awaitClean(op.waiter);
    else this.resume(op);
  }

  /** Does it in the calling thread. Returns the errno. */
  runSync(io: BlockIo): number {
    const core = this.#core;
    if (core.failure === 0 && core.store.index.unclean > 0) {
      if (this.#writeBack.isActive || core.through.length > 0) return EBUSY;
      this.#writeBack.writeAllSync();
    }
    if (core.failure !== 0) return core.failure;
    const op = core.take(this, io, 0, 0);
    this.#aim(op);
    core.device.strategySync(op.io);
    const { error } = op.io;
    op.parent = null;
    core.end(op, 0, 0);
    return error;
  }

  resume(op: CacheOp): void {
    // What could not be written back is not stable, and the device below does not know of it.
    if (this.#core.failure !== 0) {
      this.#core.end(op, this.#core.failure, 0);
      return;
    }
    this.#aim(op);
    if (op.send(this.#core.device)) this.childDone(op);
  }

  childDone(op: CacheOp): void {
    this.#core.end(op, op.io.error, 0);
  }

  entered(): void {
    // A flush has no range.
  }

  #aim({ io }: CacheOp): void {
    io.operation = BLOCK_FLUSH;
    io.flags = 0;
    io.offset = 0;
    io.lengthBytes = 0;
  }
}
