import { write } from 'node:fs';
import { EFAULT } from '@biodone/uring';
import { BOUNCE_MAX_BYTES } from './bounce.js';
import { TRANSFER_MAX_BYTES } from './file-driver.js';
import { ioError } from './file-errors.js';
import { memoryOf, unseenMemoryOf } from './memory-of.js';
import { IN_TURN, type OpenFile } from './open-file.js';
import { ReadFileWork } from './read-file-work.js';
import { bytesOf } from './transfer-arguments.js';
import { WriteFileWork } from './write-file-work.js';

/** FileHandle's readFile. What is no regular file, or has options that are unusual or wrong, is for that. */
export function readFile(open: OpenFile, options: unknown): Promise<string | Buffer> {
  const byHandle = (): Promise<string | Buffer> => open.handle.readFile(options as BufferEncoding);
  const plain = open.isPlain ? plainOptions(options) : null;
  if (plain === null) return open.call(true, IN_TURN, byHandle);
  return new Promise((resolve, reject) => {
    open.whole(true, new ReadFileWork(open.fd, plain.encoding, byHandle, resolve, reject), plain.signal);
  });
}

/** FileHandle's writeFile of what is no iterable; as {@link readFile}. */
export function writeFile(open: OpenFile, data: unknown, options: unknown): Promise<void> {
  const byHandle = (): Promise<void> => open.handle.writeFile(data as string, options as BufferEncoding);
  const plain = open.direct ? null : plainOptions(options);
  const isText = typeof data === 'string';
  if (plain === null || !(isText || ArrayBuffer.isView(data))) return open.call(false, IN_TURN, byHandle);
  const { signal } = plain;
  const view = isText ? Buffer.from(data, plain.encoding ?? 'utf8') : bytesOf(data);
  const { length } = view;
  // Text that is short is encoded into memory that others use parts of.
  const isUnseen = isText && length > 0 && length === view.buffer.byteLength;
  if (signal === null && open.isUnused) {
    const safe = isUnseen || length > BOUNCE_MAX_BYTES ? view : Buffer.from(view);
    return open.call(false, IN_TURN, () => writeAtOnce(open, safe, length));
  }
  if (!open.isPlain) return open.call(false, IN_TURN, byHandle);
  const memory = isUnseen ? unseenMemoryOf(view) : length === 0 ? null : memoryOf(view, open.trusted);
  if (memory === null && length > BOUNCE_MAX_BYTES) {
    // FileHandle's own writeFile writes half a MiB at a time, and looks at the signal in between.
    return open.call(false, { ...IN_TURN, signal }, signal === null ? () => writeAtOnce(open, view, length) : byHandle);
  }
  return new Promise((resolve, reject) => {
    open.whole(false, new WriteFileWork(view, memory, byHandle, resolve, reject), signal);
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
