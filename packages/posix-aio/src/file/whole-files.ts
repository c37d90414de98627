import type { FileHandle } from 'node:fs/promises';
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
  const plain = open.isPlain ? plainOptions(options) : null;
  const isText = typeof data === 'string';
  if (plain === null || !(isText || ArrayBuffer.isView(data))) return open.call(false, IN_TURN, byHandle);
  const view = isText ? Buffer.from(data, plain.encoding ?? 'utf8') : bytesOf(data);
  // Text that is short is encoded into memory that others use parts of.
  const isUnseen = isText && view.length > 0 && view.length === view.buffer.byteLength;
  const memory = isUnseen ? unseenMemoryOf(view) : view.length === 0 ? null : memoryOf(view, open.trusted);
  if (memory === null && view.length > BOUNCE_MAX_BYTES) {
    // FileHandle's own writeFile writes half a MiB at a time, and looks at the signal in between.
    const { length } = view;
    const call = plain.signal === null ? () => writeAtOnce(open.handle, view, length) : byHandle;
    return open.call(false, { ...IN_TURN, signal: plain.signal }, call);
  }
  return new Promise((resolve, reject) => {
    open.whole(false, new WriteFileWork(view, memory, byHandle, resolve, reject), plain.signal);
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

/** As much at a time as one system call takes. */
async function writeAtOnce(handle: FileHandle, view: Uint8Array, length: number): Promise<void> {
  // It has been transferred away, or has shrunk, since the call.
  if (view.length !== length) throw ioError(EFAULT, 'write');
  for (let written = 0; written < length; ) {
    const { bytesWritten } = await handle.write(view, written, Math.min(length - written, TRANSFER_MAX_BYTES), null);
    written += bytesWritten;
  }
}
