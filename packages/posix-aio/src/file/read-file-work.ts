import type { AioOp } from '@biodone/aio';
import { type BlockIo, biodone } from '@biodone/blockdev';
import { AbortError } from '@biodone/sync';
import { EBADF } from '@biodone/uring';
import { readStatus, status } from '../descriptor/file-status.js';
import type { FileEngine } from './file-work.js';
import { unseenMemoryOf } from './memory-of.js';
import { WholeWork } from './whole-work.js';

/** FileHandle refuses files that are longer, and says so (ERR_FS_FILE_TOO_LARGE). */
const FILE_MAX_BYTES = 2 ** 31 - 1;
/** Longer text FileHandle decodes in pieces, which needs no memory for the bytes of all of it. */
const TEXT_MAX_BYTES = 2 ** 27;
/** FileHandle's read of a file up to this long ends with the first read, however short. */
const SINGLE_READ_MAX_BYTES = 2 ** 19;
/** How much is read at a time of a file that says that it is empty, as those of /proc do. */
const CHUNK_BYTES = 2 ** 16;

/**
 * FileHandle's readFile of a regular file: from the file's own position on, as many bytes as the file has at the beginning, or to its end if that comes first.
 *
 * It reads into memory that nobody else has seen yet, mostly all at once.
 */
export class ReadFileWork extends WholeWork<string | Buffer> {
  readonly #fd: number;
  readonly #encoding: BufferEncoding | null;
  /** 0 for a file that does not say how long it is. */
  #sizeBytes = 0;
  #memory: Buffer<ArrayBuffer> = EMPTY;
  /** How much of {@link #memory} has been read. */
  #count = 0;
  /** What has been read before, of a file that does not say how long it is. */
  #chunks: Buffer[] = [];

  constructor(
    fd: number,
    encoding: BufferEncoding | null,
    byHandle: () => Promise<string | Buffer>,
    resolve: (value: string | Buffer) => void,
    reject: (error: unknown) => void,
  ) {
    super(true, byHandle, resolve, reject);
    this.#fd = fd;
    this.#encoding = encoding;
  }

  protected override first(io: BlockIo, engine: FileEngine): void {
    if (!readStatus(this.#fd)) {
      biodone(io, EBADF);
      return;
    }
    const { sizeBytes } = status;
    if (sizeBytes > (this.#encoding === null ? FILE_MAX_BYTES : TEXT_MAX_BYTES)) {
      this.call(io);
      return;
    }
    this.#sizeBytes = sizeBytes;
    this.#read(io, engine, Buffer.allocUnsafeSlow(sizeBytes === 0 ? CHUNK_BYTES : sizeBytes));
  }

  protected override next(io: BlockIo, engine: FileEngine): void {
    const size = this.#sizeBytes;
    const count = io.transferredBytes;
    this.#count += count;
    const isOver = count === 0 || this.#count === size || (size !== 0 && size <= SINGLE_READ_MAX_BYTES);
    if (isOver) {
      const result = this.#result();
      this.#memory = EMPTY;
      this.#chunks = [];
      io.buffer = null;
      this.succeed(io, result);
    } else if (size === 0) {
      this.#chunks.push(this.#memory.subarray(0, this.#count));
      this.#read(io, engine, Buffer.allocUnsafeSlow(CHUNK_BYTES));
    } else {
      this.#readOn(io, engine);
    }
  }

  /** Who has aborted it wants no data any more, though it came. */
  protected override done(op: AioOp): void {
    const { signal } = this;
    if (op.error === 0 && signal?.aborted === true) this.refused(new AbortError(signal.reason));
    else super.done(op);
  }

  #read(io: BlockIo, engine: FileEngine, memory: Buffer<ArrayBuffer>): void {
    this.#memory = memory;
    this.#count = 0;
    io.buffer = unseenMemoryOf(memory);
    this.#readOn(io, engine);
  }

  #readOn(io: BlockIo, engine: FileEngine): void {
    io.bufferOffset = this.#count;
    io.lengthBytes = this.#memory.length - this.#count;
    engine.transfer(io, true);
  }

  #result(): string | Buffer {
    const last = this.#count === this.#memory.length ? this.#memory : this.#memory.subarray(0, this.#count);
    const all = this.#chunks.length === 0 ? last : Buffer.concat([...this.#chunks, last]);
    return this.#encoding === null ? all : all.toString(this.#encoding);
  }
}

const EMPTY: Buffer<ArrayBuffer> = Buffer.alloc(0);
