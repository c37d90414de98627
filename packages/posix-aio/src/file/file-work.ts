import type { AioOp, AioPriority, OrderingKey } from '@biodone/aio';
import { type BlockIo, type BlockOperation, biodone } from '@biodone/blockdev';
import { EIO, IoBuffer } from '@biodone/uring';
import { LONG_BOUNCE_MAX_BYTES } from './bounce.js';

/** Who does what is asked of an open file: io_uring, or Node's own callbacks. It tells of each end by {@link FileWork.transferred}. */
export interface FileEngine {
  readonly name: 'uring' | 'fs';
  readonly progress: 'any' | 'event-loop';
  /** One read(2) or write(2), at the file's own position, or pread(2) or pwrite(2) at `io.offset`; short where they are. */
  transfer(io: BlockIo, atOwnPosition: boolean): void;
  /** One fsync(2) or fdatasync(2). */
  sync(io: BlockIo, dataOnly: boolean): void;
  /** Asks for the end of what has been started (rule 10). */
  abort(io: BlockIo): void;
  poll(): number;
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME';
  /** Lets go of the file, which no request holds any more. */
  close(): Promise<void>;
}

/**
 * What the block layer sees instead of memory where there is none yet, or none is needed: nobody reads or writes it. So memory to copy through
 * is taken when the operation starts, for no more operations than there are with the kernel.
 */
const STAND_IN: IoBuffer = IoBuffer.over(new Uint8Array(new SharedArrayBuffer(LONG_BOUNCE_MAX_BYTES)));

/** Something that is asked of an open file, as its pool and its engine see it: the `private` of an operation. */
export abstract class FileWork {
  readonly operation: BlockOperation;
  buffer: IoBuffer = STAND_IN;
  bufferOffset = 0;
  offset = 0;
  lengthBytes = 0;
  /** Whose turn it has to wait for: at the file's own position, and for appends. */
  turns: OrderingKey | null = null;
  signal: AbortSignal | null = null;
  priority: AioPriority = 1;

  constructor(operation: BlockOperation) {
    this.operation = operation;
  }

  /** What has been thrown where nothing may be; null for nothing. */
  #thrown: Error | null = null;

  /** Its turn has come. Nothing that is thrown here escapes: there is nobody to catch it, and the request would never end. */
  start(io: BlockIo, engine: FileEngine): void {
    try {
      this.begin(io, engine);
    } catch (error) {
      this.fail(io, error as Error);
    }
  }

  /** Ends it with what has been thrown. */
  protected fail(io: BlockIo, error: Error): void {
    this.#thrown = error;
    biodone(io, EIO);
  }

  /** The engine is done, with `io.transferredBytes` or a positive errno. Work of several transfers begins the next one instead of ending. */
  transferred(io: BlockIo, error: number): void {
    biodone(io, error);
  }

  /** It is over. */
  end(op: AioOp): void {
    if (this.#thrown === null) this.done(op);
    else this.refused(this.#thrown);
  }

  /** Hands it to the engine, or does it. */
  protected abstract begin(io: BlockIo, engine: FileEngine): void;

  /** Settles its promise. */
  protected abstract done(op: AioOp): void;

  /** It ends with this error: it was never submitted, and never will be, or could not be begun. */
  abstract refused(error: Error): void;
}
