import type { AioOp } from '@biodone/aio';
import { BLOCK_FLUSH, type BlockIo } from '@biodone/blockdev';
import { ioError } from './file-errors.js';
import { type FileEngine, FileWork } from './file-work.js';

/** An fsync or fdatasync, for all that was queued before it. */
export class SyncWork extends FileWork {
  readonly #dataOnly: boolean;
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;

  constructor(dataOnly: boolean, resolve: () => void, reject: (error: Error) => void) {
    super(BLOCK_FLUSH);
    this.#dataOnly = dataOnly;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  protected override begin(io: BlockIo, engine: FileEngine): void {
    engine.sync(io, this.#dataOnly);
  }

  protected override done({ error }: AioOp): void {
    if (error === 0) this.#resolve();
    else this.#reject(ioError(error, this.#dataOnly ? 'fdatasync' : 'fsync'));
  }

  override refused(error: Error): void {
    this.#reject(error);
  }
}
