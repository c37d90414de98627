import type { IoBuffer } from '@biodone/uring';

/** Memory of a read or a write. That of an IoBuffer, and any on a SharedArrayBuffer, is used as it is; other memory is copied. */
export type FileMemory = NodeJS.ArrayBufferView | IoBuffer;

/** What a read comes to. */
export interface AioReadResult<T> {
  /** 0 at the end of the file. */
  bytesRead: number;
  buffer: T;
}

/** What a read into several parts comes to. */
export interface AioReadvResult<T> {
  /** Of all parts together; 0 at the end of the file. */
  bytesRead: number;
  buffers: T;
}

/** What a write of several parts comes to. */
export interface AioWritevResult<T> {
  bytesWritten: number;
  buffers: T;
}

/** What a write comes to. */
export interface AioWriteResult<T> {
  bytesWritten: number;
  buffer: T;
}
