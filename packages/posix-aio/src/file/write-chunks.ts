import type { ObjectEncodingOptions } from 'node:fs';
import { AbortError } from '@biodone/sync';
import type { OpenFile } from './open-file.js';
import { write } from './transfers.js';

/** What FileHandle's writeFile takes chunk by chunk. */
export function isCustomIterable(data: unknown): data is AsyncIterable<unknown> | Iterable<unknown> {
  if (typeof data !== 'object' || data === null || ArrayBuffer.isView(data)) return false;
  return typeof (data as never)[Symbol.asyncIterator] === 'function' || typeof (data as never)[Symbol.iterator] === 'function';
}

/**
 * FileHandle's writeFile of an iterable. Each chunk has its turn by itself: what makes the chunks may use the same file, and would wait for ever
 * for the turn of the whole.
 */
export async function writeChunks(
  open: OpenFile,
  chunks: AsyncIterable<unknown> | Iterable<unknown>,
  options: (ObjectEncodingOptions & { signal?: AbortSignal }) | BufferEncoding | null | undefined,
): Promise<void> {
  // It checks the options, and writes nothing.
  await open.handle.writeFile([] as never, options);
  const { encoding, signal } = typeof options === 'string' ? { encoding: options } : (options ?? {});
  for await (const chunk of chunks) {
    throwIfAborted(signal);
    const bytes = ArrayBuffer.isView(chunk)
      ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      : Buffer.from(chunk as string, (encoding as BufferEncoding) ?? 'utf8');
    for (let written = 0; written < bytes.byteLength; ) {
      const { bytesWritten } = await write(open, bytes, written, bytes.byteLength - written, null);
      written += bytesWritten as number;
      throwIfAborted(signal);
    }
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new AbortError(signal.reason);
}
