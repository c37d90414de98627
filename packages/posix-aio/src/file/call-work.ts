import type { AioOp } from '@biodone/aio';
import { BLOCK_READ, BLOCK_WRITE, type BlockIo, biodone } from '@biodone/blockdev';
import { AbortError } from '@biodone/sync';
import { ECANCELED } from '@biodone/uring';
import { ioError } from './file-errors.js';
import { type FileEngine, FileWork } from './file-work.js';

/** A call of FileHandle's, in its place among the reads and writes: it waits for its turn as they do, and a sync waits for it. */
export class CallWork<T> extends FileWork {
  readonly #call: () => Promise<T>;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  /** What settles the promise: one of these, once the call has ended. */
  #settle: ((outcome: never) => void) | null = null;
  /**
   * What with. One closure for both would do, but with one here V8 (of Node 20) collected no file's contents with other young objects, and had to collect everything again
   * and again: a MiB took five times the processor time.
   */
  #outcome: unknown = null;

  constructor(isRead: boolean, call: () => Promise<T>, resolve: (value: T) => void, reject: (error: unknown) => void) {
    super(isRead ? BLOCK_READ : BLOCK_WRITE);
    this.#call = call;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  protected override begin(io: BlockIo, _engine: FileEngine): void {
    this.call(io);
  }

  /** Has FileHandle do it. */
  protected call(io: BlockIo): void {
    this.#call().then(
      (value) => this.succeed(io, value),
      (error) => {
        this.#settle = this.#reject;
        this.#outcome = error;
        // A wrong argument has no errno, and is nothing that a later sync should fail for.
        biodone(io, Math.abs((error as NodeJS.ErrnoException).errno ?? 0));
      },
    );
  }

  /** Ends it with what the call comes to. */
  protected succeed(io: BlockIo, value: T): void {
    this.#settle = this.#resolve;
    this.#outcome = value;
    biodone(io, 0);
  }

  protected override done({ error }: AioOp): void {
    const { signal } = this;
    const outcome = this.#outcome;
    this.#outcome = null;
    if (this.#settle !== null) this.#settle(outcome as never);
    // It was ended before its turn.
    else if (error === ECANCELED && signal?.aborted === true) this.#reject(new AbortError(signal.reason));
    else this.#reject(ioError(error, this.operation === BLOCK_READ ? 'read' : 'write'));
  }

  override refused(error: Error): void {
    this.#reject(error);
  }
}
