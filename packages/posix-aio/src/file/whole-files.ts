import { read, write } from 'node:fs';
import { EFAULT, TRANSFER_MAX_BYTES } from '@biodone/uring';
import { readStatus, status } from '../descriptor/file-status.js';
import { IMMEDIATE_MAX_BYTES, readCached } from '../immediate-read.js';
import { BOUNCE_MAX_BYTES } from './bounce.js';
import { FileContents } from './file-contents.js';
import { ioError } from './file-errors.js';
import { memoryOf, unseenMemoryOf } from './memory-of.js';
import { IN_TURN, type OpenFile } from './open-file.js';
import { ReadFileWork } from './read-file-work.js';
import { bytesOf } from './transfer-arguments.js';
import { WriteFileWork } from './write-file-work.js';

/** FileHandle refuses files that are longer, and says so (ERR_FS_FILE_TOO_LARGE). */
const FILE_MAX_BYTES = 2 ** 31 - 1;
/** Longer text FileHandle decodes in pieces, which needs no memory for the bytes of all of it. */
const TEXT_MAX_BYTES = 2 ** 27;

/** FileHandle's readFile. What is no regular file, or has options that are unusual or wrong, is for that. */
export function readFile(open: OpenFile, options: unknown): Promise<string | Buffer> {
  const byHandle = (): Promise<string | Buffer> => open.handle.readFile(options as BufferEncoding);
  const plain = plainOptions(options);
  if (plain === null) return open.call(true, IN_TURN, byHandle);
  const { encoding, signal } = plain;
  if (!open.isPlain) return open.call(true, { ...IN_TURN, signal }, byHandle);
  const sizeNow = (): number => {
    // 0 where it cannot be asked any more: the read says why.
    const sizeBytes = readStatus(open.fd) ? status.sizeBytes : 0;
    return sizeBytes > (encoding === null ? FILE_MAX_BYTES : TEXT_MAX_BYTES) ? -1 : sizeBytes;
  };
  if (signal === null && open.isUnused) {
    const sizeBytes = sizeNow();
    return open.call(true, IN_TURN, sizeBytes < 0 ? byHandle : () => readAlone(open.fd, sizeBytes, encoding));
  }
  return new Promise((resolve, reject) => {
    open.whole(true, new ReadFileWork(sizeNow, encoding, byHandle, resolve, reject), signal);
  });
}

/** FileHandle's writeFile of what is no iterable; as {@link readFile}. */
export function writeFile(open: OpenFile, data: unknown, options: unknown): Promise<void> {
  const byHandle = (): Promise<void> => open.handle.writeFile(data as string, options as BufferEncoding);
  const plain = plainOptions(options);
  const isText = typeof data === 'string';
  if (plain === null || !(isText || ArrayBuffer.isView(data))) return open.call(false, IN_TURN, byHandle);
  const { signal } = plain;
  // FileHandle writes half a MiB at a time, and looks at the signal in between.
  if (signal !== null || open.direct) return open.call(false, { ...IN_TURN, signal }, byHandle);
  const view = isText ? Buffer.from(data, plain.encoding ?? 'utf8') : bytesOf(data);
  const { length } = view;
  // Text that is short is encoded into memory that others use parts of.
  const isUnseen = isText && length > 0 && length === view.buffer.byteLength;
  if (open.isUnused) {
    const safe = isUnseen || length > BOUNCE_MAX_BYTES ? view : Buffer.from(view);
    return open.call(false, IN_TURN, () => writeAtOnce(open, safe, length));
  }
  if (!open.isPlain) return open.call(false, IN_TURN, byHandle);
  const memory = isUnseen ? unseenMemoryOf(view) : length === 0 ? null : memoryOf(view, open.trusted);
  if (memory === null && length > BOUNCE_MAX_BYTES) return open.call(false, IN_TURN, () => writeAtOnce(open, view, length));
  return new Promise((resolve, reject) => {
    open.whole(false, new WriteFileWork(view, memory, byHandle, resolve, reject), null);
  });
}

interface PlainOptions {
  readonly encoding: BufferEncoding | null;
  readonly signal: AbortSignal | null;
}

/** Null for options that FileHandle is to look at. */
function plainOptions(options: unknown): PlainOptions | null {
  if (options === undefined || options === null) return NO_OPTIONS;
  if (typeof options === 'string') return Buffer.isEncoding(options) ? { encoding: options, signal: null } : null;
  if (typeof options !== 'object') return null;
  for (const name in options) if (name !== 'encoding' && name !== 'signal') return null;
  const { encoding = null, signal } = options as { encoding?: unknown; signal?: unknown };
  if (encoding !== null && !(typeof encoding === 'string' && Buffer.isEncoding(encoding))) return null;
  if (signal !== undefined && !(signal instanceof AbortSignal)) return null;
  return { encoding, signal: signal ?? null };
}

const NO_OPTIONS: PlainOptions = { encoding: null, signal: null };

/** Reads what the page cache has at once, if that is little, and the rest in one of Node's threads. */
function readAlone(fd: number, sizeBytes: number, encoding: BufferEncoding | null): Promise<string | Buffer> {
  return new Promise((resolve, reject) => {
    const contents = new FileContents(sizeBytes);
    const end = (): void => {
      try {
        resolve(contents.result(encoding));
      } catch (error) {
        // Text may be too long.
        reject(error);
      }
    };
    const next = (): void => {
      const { memory, count } = contents;
      read(fd, memory, count, memory.length - count, null, done);
    };
    const done = (error: NodeJS.ErrnoException | null, count: number): void => {
      if (error !== null) reject(error);
      else if (contents.take(count)) end();
      else next();
    };
    const cached = sizeBytes > 0 && sizeBytes <= IMMEDIATE_MAX_BYTES ? readCached(fd, contents.memory) : -1;
    if (cached > 0) contents.skip(cached);
    if (cached === 0 || cached === sizeBytes) end();
    else next();
  });
}

/** Has Node's threads write all of it at the file's own position, as much at a time as one system call takes. */
function writeAtOnce({ fd }: OpenFile, view: Uint8Array, length: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let written = 0;
    const next = (): void => {
      // It may have been transferred away, or have shrunk, since the call.
      if (view.length !== length) reject(ioError(EFAULT, 'write'));
      else if (written === length) resolve();
      else write(fd, view, written, Math.min(length - written, TRANSFER_MAX_BYTES), null, done);
    };
    const done = (error: NodeJS.ErrnoException | null, count: number): void => {
      written += count;
      if (error === null) next();
      else reject(error);
    };
    next();
  });
}
