import type { AioOp } from '@biodone/aio';
import { BLOCK_READ, BLOCK_WRITE, type BlockIo, biodone } from '@biodone/blockdev';
import { AbortError } from '@biodone/sync';
import { ECANCELED } from '@biodone/uring';
import { ioError } from './file-errors.js';
import { FileWork } from './file-work.js';

/** A call of FileHandle's, in its place among the reads and writes: it waits for its turn as they do, and a sync waits for it. */
export class CallWork<T> extends FileWork {
  readonly #call: () => Promise<T>;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  /** How the call has ended; null before. */
  #settle: (() => void) | null = null;

  constructor(isRead: boolean, call: () => Promise<T>, resolve: (value: T) => void, reject: (error: unknown) => void) {
    super(isRead ? BLOCK_READ : BLOCK_WRITE);
    this.#call = call;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  protected override begin(io: BlockIo): void {
    this.#call().then(
      (value) => {
        this.#settle = () => this.#resolve(value);
        biodone(io, 0);
      },
      (error) => {
        this.#settle = () => this.#reject(error);
        // A wrong argument has no errno, and is nothing that a later sync should fail for.
        biodone(io, Math.abs((error as NodeJS.ErrnoException).errno ?? 0));
      },
    );
  }

  protected override done({ error }: AioOp): void {
    const { signal } = this;
    if (this.#settle !== null) this.#settle();
    // It was ended before its turn.
    else if (error === ECANCELED && signal?.aborted === true) this.#reject(new AbortError(signal.reason));
    else this.#reject(ioError(error, this.operation === BLOCK_READ ? 'read' : 'write'));
  }

  override refused(error: Error): void {
    this.#reject(error);
  }
}
