import type { AioOp } from '@biodone/aio';
import { BLOCK_READ, BLOCK_WRITE, type BlockIo, biodone } from '@biodone/blockdev';
import { AbortError } from '@biodone/sync';
import { ECANCELED, EFAULT, type IoBuffer } from '@biodone/uring';
import { giveBounce, takeBounce } from './bounce.js';
import { ioError } from './file-errors.js';
import { type FileEngine, FileWork } from './file-work.js';
import type { MemoryParts } from './memory-parts.js';

/** What a read or a write comes to: FileHandle's object, without a prototype. */
export interface TransferResult {
  bytesRead?: number;
  bytesWritten?: number;
  buffer?: unknown;
  buffers?: unknown;
}

/** A read or a write. */
export class TransferWork extends FileWork {
  atOwnPosition = false;
  /** The memory that is copied: a part of a view, `lengthBytes` from `viewOffset` on. */
  view: Uint8Array | null = null;
  viewOffset = 0;
  /** Memory in several parts, all of which is copied. */
  parts: MemoryParts | null = null;
  /** What the caller has passed as its memory, and gets back. */
  readonly given: unknown;
  readonly #resolve: (result: TransferResult) => void;
  readonly #reject: (error: Error) => void;
  #bounce: IoBuffer | null = null;

  constructor(isRead: boolean, given: unknown, resolve: (result: TransferResult) => void, reject: (error: Error) => void) {
    super(isRead ? BLOCK_READ : BLOCK_WRITE);
    this.given = given;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  protected override begin(io: BlockIo, engine: FileEngine): void {
    const error = this.view === null && this.parts === null ? 0 : this.#borrow(io);
    if (error === 0) engine.transfer(io, this.atOwnPosition);
    else biodone(io, error);
  }

  protected override done(op: AioOp): void {
    const { error, transferredBytes } = op;
    const bounce = this.#bounce;
    if (bounce !== null) {
      const isLost = error === 0 && this.operation === BLOCK_READ && !this.#copyBack(bounce, transferredBytes);
      giveBounce(bounce);
      if (isLost) {
        this.#reject(ioError(EFAULT, 'read'));
        return;
      }
    }
    if (error === 0) this.#resolve(this.#result(transferredBytes));
    else this.#fail(error);
  }

  override refused(error: Error): void {
    this.#reject(error);
  }

  #fail(error: number): void {
    const { signal } = this;
    if (error === ECANCELED && signal?.aborted === true) this.#reject(new AbortError(signal.reason));
    else this.#reject(ioError(error, this.operation === BLOCK_READ ? 'read' : 'write'));
  }

  #result(count: number): TransferResult {
    // An object literal with a null prototype takes three times as long.
    const result: TransferResult = Object.create(null);
    if (this.operation === BLOCK_READ) result.bytesRead = count;
    else result.bytesWritten = count;
    if (this.parts === null) result.buffer = this.given;
    else result.buffers = this.given;
    return result;
  }

  /**
   * Takes memory to copy through, and for a write copies into it. The call may be long past: what the caller's memory was then is asked again.
   *
   * @returns a positive errno, or 0
   */
  #borrow(io: BlockIo): number {
    const isWrite = this.operation === BLOCK_WRITE && this.lengthBytes > 0;
    if (isWrite && !this.#isThere()) return EFAULT;
    const bounce = takeBounce(this.lengthBytes);
    this.#bounce = bounce;
    io.buffer = bounce;
    io.bufferOffset = 0;
    if (isWrite) this.#copyInto(bounce);
    return 0;
  }

  /** Whether all of the memory is still there: it may have been transferred away, or have shrunk. */
  #isThere(): boolean {
    const { view, viewOffset, parts, lengthBytes } = this;
    return view !== null ? viewOffset + lengthBytes <= view.length : (parts as MemoryParts).isThere;
  }

  #copyInto({ bytes }: IoBuffer): void {
    const { view, viewOffset, parts, lengthBytes } = this;
    if (view === null) {
      parts?.copyInto(bytes, lengthBytes);
      return;
    }
    const isWhole = viewOffset === 0 && lengthBytes === view.length;
    bytes.set(isWhole ? view : view.subarray(viewOffset, viewOffset + lengthBytes));
  }

  /** False if the memory has been taken away meanwhile. */
  #copyBack({ bytes }: IoBuffer, count: number): boolean {
    const { view, viewOffset, parts } = this;
    if (count === 0) return true;
    if (view === null) return (parts as MemoryParts).copyFrom(bytes, count);
    if (viewOffset + count > view.length) return false;
    view.set(count === bytes.length ? bytes : bytes.subarray(0, count), viewOffset);
    return true;
  }
}
