import { type BlockIo, biodone } from '@biodone/blockdev';
import { ECANCELED } from '@biodone/uring';
import { CallWork } from './call-work.js';
import type { FileEngine } from './file-work.js';

/**
 * A whole file, read or written in one turn at the file's own position: as many transfers as that takes, one after the other, and then `io` ends. What there
 * is no reason to do here FileHandle does, in the same turn.
 *
 * A signal is looked at before each transfer, and first when the caller has gone on: whoever aborts it right after the call finds the position where it was.
 */
export abstract class WholeWork<T> extends CallWork<T> {
  #engine: FileEngine | null = null;
  #hasBegun = false;

  protected override begin(io: BlockIo, engine: FileEngine): void {
    this.#engine = engine;
    if (this.signal === null) this.#goOn(io);
    else queueMicrotask(() => this.#goOn(io));
  }

  override transferred(io: BlockIo, error: number): void {
    if (error === 0) this.#goOn(io);
    else biodone(io, error);
  }

  /** Begins the first transfer, or ends it. */
  protected abstract first(io: BlockIo, engine: FileEngine): void;

  /** A transfer has moved `io.transferredBytes`: ends it, or begins another one. */
  protected abstract next(io: BlockIo, engine: FileEngine): void;

  /** There is nobody to catch what is thrown here, as in `start`. */
  #goOn(io: BlockIo): void {
    const isFirst = !this.#hasBegun;
    this.#hasBegun = true;
    try {
      if (this.signal?.aborted === true) biodone(io, ECANCELED);
      else if (isFirst) this.first(io, this.#engine as FileEngine);
      else this.next(io, this.#engine as FileEngine);
    } catch (error) {
      this.fail(io, error as Error);
    }
  }
}
