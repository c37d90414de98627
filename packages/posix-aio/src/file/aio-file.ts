import { EventEmitter } from 'node:events';
import type {
  BigIntStats,
  Mode,
  ObjectEncodingOptions,
  ReadStream,
  ReadVResult,
  StatOptions,
  Stats,
  TimeLike,
  WriteStream,
  WriteVResult,
} from 'node:fs';
import type { CreateReadStreamOptions, CreateWriteStreamOptions } from 'node:fs/promises';
import { createInterface, type Interface } from 'node:readline';
import type { ReadableStream } from 'node:stream/web';
import { closeIfCollected, forgetCollection } from './collected-file.js';
import { closedError } from './file-errors.js';
import type { AioReadResult, AioWriteResult, FileMemory } from './file-memory.js';
import { createReadStream, createWriteStream } from './file-streams.js';
import type { OpenFile } from './open-file.js';
import type { PartOptions } from './transfer-arguments.js';
import { read, readv, write, writev } from './transfers.js';
import { checkStreamable, type WebStreamOptions, webStreamOf } from './web-stream.js';
import { readFile, writeFile } from './whole-files.js';
import { isCustomIterable, writeChunks } from './write-chunks.js';

/** Options of {@link AioFile.writeFile}. */
type FileContentOptions = (ObjectEncodingOptions & { signal?: AbortSignal | undefined; flush?: boolean }) | BufferEncoding | null;

/** What a file can be written with. */
type FileContent =
  | string
  | NodeJS.ArrayBufferView
  | Iterable<string | NodeJS.ArrayBufferView>
  | AsyncIterable<string | NodeJS.ArrayBufferView>;

/**
 * An open file with the methods of Node's FileHandle, whose reads, writes and syncs go through io_uring: get one from {@link open}.
 *
 * Arguments, results, errors and their codes are FileHandle's, but for what follows.
 *
 * - Whatever goes by the file's own position (no position, or null), and each append, takes its turn in the order of the calls. Reads and writes at
 *   positions run in parallel, as with FileHandle.
 * - `sync` and `datasync` cover what was called before them, also where nobody has awaited it, and are rejected with its error if it fails. Once
 *   fsync(2) itself has failed, all later ones fail with the same error: what it was to make stable is lost (rule 8).
 * - `close` lets nothing more in, and waits for what is under way: what is called after it is rejected with EBADF, where FileHandle would still
 *   take it until the last operation is over.
 * - A read and a write take a `signal`, a `priority` and `trusted`, and memory of an `IoBuffer`.
 * - An O_DIRECT file takes any memory for up to 1 MiB, which is copied; `position` and `length` have to be aligned all the same.
 * - Node's own functions that take a FileHandle in place of a path or a descriptor (`fs.promises.readFile` and its like, `fs.createReadStream`) do not
 *   take it: its methods do the same. It has no `getAsyncId`.
 * - It cannot be transferred to another thread. {@link readableWebStream} is always a stream of bytes, as since Node 24.
 *
 * FileHandle itself does what is rare (stat, truncate, chmod, chown, utimes), whole files that are not regular, transfers of more than 32 KiB of memory that would have
 * to be copied, and every call whose arguments are wrong or unusual.
 *
 * It belongs to the thread that opened it. If it is collected while open, it is closed, with a warning `BIODONE_FILE_COLLECTED`.
 */
export class AioFile extends EventEmitter {
  readonly #open: OpenFile;
  #isLocked = false;

  /** For {@link open} alone. @internal */
  constructor(open: OpenFile) {
    super();
    this.#open = open;
    closeIfCollected(this, open);
  }

  /** The descriptor, whoever uses it besides must not close it; -1 once it is closed. */
  get fd(): number {
    return this.#open.fd;
  }

  /**
   * Reads into memory, as read(2) and pread(2) do, short at the end of the file and where those are.
   *
   * @throws (rejects) what FileHandle rejects with; AbortError ABORT_ERR if `signal` has ended it; EFAULT if the memory was transferred away
   */
  read<T extends FileMemory>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: number | null,
  ): Promise<AioReadResult<T>>;
  read<T extends FileMemory>(buffer: T, options?: PartOptions): Promise<AioReadResult<T>>;
  read<T extends FileMemory = Buffer>(options?: PartOptions & { buffer?: T | undefined }): Promise<AioReadResult<T>>;
  read(buffer?: unknown, offset?: unknown, length?: unknown, position?: unknown): Promise<AioReadResult<never>> {
    if (this.#open.closing) return Promise.reject(closedError('read'));
    return read(this.#open, buffer, offset, length, position) as Promise<AioReadResult<never>>;
  }

  /**
   * Writes memory or text, as write(2) and pwrite(2) do: `bytesWritten` may be less than asked for. Completion is not durability: see {@link datasync}.
   *
   * @throws (rejects) as {@link read}
   */
  write<T extends FileMemory>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: number | null,
  ): Promise<AioWriteResult<T>>;
  write<T extends FileMemory>(buffer: T, options?: PartOptions): Promise<AioWriteResult<T>>;
  write(data: string, position?: number | null, encoding?: BufferEncoding | null): Promise<AioWriteResult<string>>;
  write(buffer: unknown, offset?: unknown, length?: unknown, position?: unknown): Promise<AioWriteResult<never>> {
    if (this.#open.closing) return Promise.reject(closedError('write'));
    return write(this.#open, buffer, offset, length, position) as Promise<AioWriteResult<never>>;
  }

  /** Reads into memory in several parts, one after the other. Rejects as {@link read}. */
  readv<T extends readonly NodeJS.ArrayBufferView[]>(buffers: T, position?: number | null): Promise<ReadVResult<T>> {
    if (this.#open.closing) return Promise.reject(closedError('readv'));
    return readv(this.#open, buffers, position) as unknown as Promise<ReadVResult<T>>;
  }

  /** Writes memory in several parts, one after the other. Rejects as {@link read}. */
  writev<T extends readonly NodeJS.ArrayBufferView[]>(buffers: T, position?: number | null): Promise<WriteVResult<T>> {
    if (this.#open.closing) return Promise.reject(closedError('writev'));
    return writev(this.#open, buffers, position) as unknown as Promise<WriteVResult<T>>;
  }

  /**
   * Reads from the file's own position to the end, in its turn: as many bytes as the file has when its turn comes, at most. `signal` ends it before its turn, and
   * what has been read is nobody's then.
   *
   * @throws (rejects) what FileHandle rejects with
   */
  readFile(
    options?: ({ encoding?: null | undefined } & { signal?: AbortSignal | undefined }) | null,
  ): Promise<Buffer<ArrayBuffer>>;
  readFile(options: ({ encoding: BufferEncoding } & { signal?: AbortSignal | undefined }) | BufferEncoding): Promise<string>;
  readFile(
    options?: (ObjectEncodingOptions & { signal?: AbortSignal | undefined }) | BufferEncoding | null,
  ): Promise<string | Buffer<ArrayBuffer>>;
  readFile(options?: object | BufferEncoding | null): Promise<never> {
    if (this.#open.closing) return Promise.reject(closedError('readFile'));
    return readFile(this.#open, options) as Promise<never>;
  }

  /**
   * Writes all of the data at the file's own position, in its turn, without truncating the file; what comes in chunks has a turn for each.
   *
   * @throws (rejects) what FileHandle rejects with
   */
  writeFile(data: FileContent, options?: FileContentOptions): Promise<void> {
    if (this.#open.closing) return Promise.reject(closedError('writeFile'));
    if (!isCustomIterable(data)) return writeFile(this.#open, data, options);
    return this.#open.manage(() => writeChunks(this.#open, data, options as null));
  }

  /** As {@link writeFile}: of an open file, only its flags say whether it is appended to. */
  appendFile(data: FileContent, options?: FileContentOptions): Promise<void> {
    return this.writeFile(data, options);
  }

  /** As fdatasync(2): the file's data is stable, and what it takes to read it. Covers, and rejects with, what was called before. */
  datasync(): Promise<void> {
    if (this.#open.closing) return Promise.reject(closedError('fdatasync'));
    return this.#open.sync(true);
  }

  /** As fsync(2): {@link datasync} with all metadata. */
  sync(): Promise<void> {
    if (this.#open.closing) return Promise.reject(closedError('fsync'));
    return this.#open.sync(false);
  }

  /** As fstat(2). By FileHandle, as what follows. */
  stat(options?: StatOptions & { bigint?: false | undefined }): Promise<Stats>;
  stat(options: StatOptions & { bigint: true }): Promise<BigIntStats>;
  stat(options?: StatOptions): Promise<Stats | BigIntStats>;
  stat(options?: StatOptions): Promise<never> {
    return this.#manage('fstat', () => this.#open.handle.stat(options)) as Promise<never>;
  }

  /** As ftruncate(2). It is not ordered with reads and writes that are under way. @param len in bytes */
  truncate(len?: number): Promise<void> {
    return this.#manage('ftruncate', () => this.#open.handle.truncate(len));
  }

  /** As fchmod(2). */
  chmod(mode: Mode): Promise<void> {
    return this.#manage('fchmod', () => this.#open.handle.chmod(mode));
  }

  /** As fchown(2). */
  chown(uid: number, gid: number): Promise<void> {
    return this.#manage('fchown', () => this.#open.handle.chown(uid, gid));
  }

  /** As futimes(3). */
  utimes(atime: TimeLike, mtime: TimeLike): Promise<void> {
    return this.#manage('futimes', () => this.#open.handle.utimes(atime, mtime));
  }

  /**
   * A stream of the file from `start` to `end`, both included, or from its own position on. It closes the file at its end, unless `autoClose` is
   * false, and is closed with it.
   *
   * @throws what FileHandle throws; RangeError ERR_OUT_OF_RANGE once the file is closed; Error ERR_METHOD_NOT_IMPLEMENTED for the option `fs`
   */
  createReadStream(options?: CreateReadStreamOptions): ReadStream {
    return createReadStream(this, this.#open, options);
  }

  /** A stream into the file, from `start` or its own position on. Otherwise as {@link createReadStream}. */
  createWriteStream(options?: CreateWriteStreamOptions): WriteStream {
    return createWriteStream(this, this.#open, options);
  }

  /**
   * A web stream of bytes from the file's own position on. A file has one, in its life. The file is closed with it if `autoClose` says so, and it is
   * closed with the file.
   *
   * @throws Error ERR_INVALID_STATE if there has been one before, or the file is closed; TypeError ERR_INVALID_ARG_TYPE
   */
  readableWebStream(options?: WebStreamOptions): ReadableStream {
    checkStreamable(this.#open, this.#isLocked);
    const stream = webStreamOf(this, this.#open, options);
    this.#isLocked = true;
    return stream;
  }

  /** The lines of the file, to be iterated over. @param options as those of {@link createReadStream} */
  readLines(options?: CreateReadStreamOptions): Interface {
    return createInterface({ input: this.createReadStream(options), crlfDelay: Number.POSITIVE_INFINITY });
  }

  /**
   * Lets nothing more in, waits for what is under way, and closes the descriptor. It cancels nothing: who waits for a pipe cancels that by its
   * `signal`. Every call returns a promise of the same end. Emits `'close'` at once.
   *
   * @throws (rejects) what close(2) fails with
   */
  close = (): Promise<void> => {
    const isFirst = !this.#open.closing;
    const closed = this.#open.close();
    if (isFirst) {
      forgetCollection(this);
      this.emit('close');
    }
    return closed;
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #manage<T>(syscall: string, call: () => Promise<T>): Promise<T> {
    if (this.#open.closing) return Promise.reject(closedError(syscall));
    return this.#open.manage(call);
  }
}
