import { ECANCELED, SystemError } from '@biodone/uring';
import type { BlockTimers } from '../batch-clock.js';
import { BLOCK_FLUSH, BlockIo } from '../block-io.js';
import { MirrorCopy } from './mirror-copy.js';
import type { MirrorDriver } from './mirror-driver.js';
import type { MirrorHalf } from './mirror-half.js';
import type { MirrorSet } from './mirror-set.js';

/** Options of a rebuild. */
export interface RebuildOptions {
  /** How much is copied at a time. Writes to it wait meanwhile. @default 1048576 */
  pieceBytes?: number;
  /** How much is copied in a second at most, so that the mirror has time for others. @default Infinity */
  bytesPerSecond?: number;
  /** Is told after each piece. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Ends it early: the half stays what it is, and is not read. */
  signal?: AbortSignal;
}

/**
 * Copies all of a mirror to one of its halves, while the mirror is in use. Between two pieces the event loop has its turn.
 */
export class MirrorRebuild {
  readonly half: MirrorHalf;
  readonly promise: Promise<void>;
  doneBytes = 0;
  readonly #set: MirrorSet;
  readonly #copy: MirrorCopy;
  readonly #timers: BlockTimers;
  readonly #options: RebuildOptions;
  readonly #pieceBytes: number;
  #settle: (error: Error | null) => void = () => {};
  #cancelled = false;
  #ended = false;
  /** Whether a piece is on its way: it is waited for. */
  #copying = false;
  #cancelTimer: (() => void) | null = null;

  constructor(driver: MirrorDriver, set: MirrorSet, half: MirrorHalf, timers: BlockTimers, options: RebuildOptions) {
    const { pieceBytes = 1048576, signal } = options;
    const { blockSizeBytes } = driver.limits;
    this.half = half;
    this.#set = set;
    this.#timers = timers;
    this.#options = options;
    this.#pieceBytes = Math.ceil(pieceBytes / blockSizeBytes) * blockSizeBytes;
    this.#copy = new MirrorCopy(driver);
    this.promise = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === null ? resolve() : reject(error));
    });
    signal?.addEventListener('abort', () => this.cancel(), { once: true });
    if (signal?.aborted) this.#cancelled = true;
  }

  /** Begins, as soon as nothing is under way to the half that was so when it failed: it could be written after what is copied now. */
  begin(): void {
    if (this.half.state !== 'failed') this.#later(0);
    else this.half.whenIdle(() => this.#take());
  }

  #take(): void {
    if (this.#ended) return;
    this.half.state = 'rebuilding';
    this.half.reason = null;
    this.#set.change();
    if (!this.#ended) this.#later(0);
  }

  /** Whether it is to end early, or has. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** Ends it, after the piece that is on its way. */
  cancel(): void {
    this.#cancelled = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (!this.#copying) this.#end(cancelled());
  }

  #next(): void {
    const { dataBytes } = this.#set.identity;
    if (this.#cancelled) {
      this.#end(cancelled());
    } else if (this.half.state === 'good') {
      // It was to be made equal to a half that has failed meanwhile, and the others follow this one now.
      this.#end(null);
    } else if (this.doneBytes === dataBytes) {
      this.#copying = true;
      this.#makeStable();
    } else {
      const length = Math.min(this.#pieceBytes, dataBytes - this.doneBytes);
      this.#copying = true;
      this.#copy.start(this.half, this.doneBytes, length, (error, written) => this.#copied(length, error, written));
    }
  }

  #copied(length: number, error: number, written: boolean): void {
    this.#copying = false;
    if (error !== 0) {
      const what = written ? 'the half could not be written' : 'no other half could be read';
      const cancelled = this.#cancelled;
      this.#end(new SystemError(error, 'rebuild', undefined, what));
      // Another rebuild of the half may have begun since this one was cancelled.
      if (written && !cancelled) this.#set.takeOut(this.half, `${what}: errno ${error}`);
      return;
    }
    this.doneBytes += length;
    this.#later((length / (this.#options.bytesPerSecond ?? Number.POSITIVE_INFINITY)) * 1000);
    this.#options.onProgress?.(this.doneBytes, this.#set.identity.dataBytes);
  }

  /** The half counts as good only when all of it is stable, and the labels say so. */
  #makeStable(): void {
    const io = new BlockIo();
    io.operation = BLOCK_FLUSH;
    io.claim = this.half.claim;
    this.half.send(io, (error) => {
      if (error !== 0) this.#copied(0, error, true);
      else if (!this.half.inUse) this.#copied(0, ECANCELED, true);
      else this.#becomeGood();
    });
  }

  #becomeGood(): void {
    this.half.state = 'good';
    this.half.reason = null;
    this.#set.change();
    this.#set.whenSaved((error) => {
      this.#copying = false;
      if (error !== 0) this.#end(new SystemError(error, 'rebuild', undefined, 'the labels could not be written'));
      else this.#end(this.half.inUse ? null : cancelled());
    });
  }

  #later(delayMs: number): void {
    this.#cancelTimer = this.#timers.after(
      delayMs,
      () => {
        this.#cancelTimer = null;
        this.#next();
      },
      true,
    );
  }

  #end(error: Error | null): void {
    this.#ended = true;
    this.#settle(error);
  }
}

function cancelled(): SystemError {
  return new SystemError(
    ECANCELED,
    'rebuild',
    undefined,
    'it was cancelled: the half is not used until another rebuild has ended',
  );
}
