import type { ReadStream, WriteStream } from 'node:fs';
import * as fs from 'node:fs';
import type { CreateReadStreamOptions, CreateWriteStreamOptions } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { notImplemented } from './file-errors.js';
import type { OpenFile } from './open-file.js';
import type { TransferResult } from './transfer-work.js';
import { readUnseen, write, writev } from './transfers.js';

/** What a stream needs of the AioFile that it is made of. */
export interface StreamedFile {
  readonly fd: number;
  close(): Promise<void>;
  on(event: 'close', listener: () => void): unknown;
  off(event: 'close', listener: () => void): unknown;
}

type Done = (error: Error | null, count?: number, memory?: unknown) => void;

/** FileHandle's createReadStream: a ReadStream of Node's, which reads by the file. */
export function createReadStream(file: StreamedFile, open: OpenFile, options?: CreateReadStreamOptions): ReadStream {
  refuseOtherFs(options);
  // With a descriptor of its own, Node does not look at the path.
  return tie(file, open, (own) => fs.createReadStream('', { ...options, ...own } as Parameters<typeof fs.createReadStream>[1]));
}

/** FileHandle's createWriteStream. */
export function createWriteStream(file: StreamedFile, open: OpenFile, options?: CreateWriteStreamOptions): WriteStream {
  refuseOtherFs(options);
  return tie(file, open, (own) => fs.createWriteStream('', { ...options, ...own } as Parameters<typeof fs.createWriteStream>[1]));
}

/** @throws Error ERR_METHOD_NOT_IMPLEMENTED for calls of somebody's own, as FileHandle */
function refuseOtherFs(options: object | undefined): void {
  if ((options as { fs?: unknown } | undefined)?.fs) throw notImplemented('AioFile with fs');
}

/** Makes a stream that ends with the file, and the file with it. The file stays open for what the stream has to do until then. */
function tie<T extends ReadStream | WriteStream>(file: StreamedFile, open: OpenFile, make: (own: object) => T): T {
  let isHeld = false;
  const close = (_fd: number, done: (error?: Error | null) => void): void => {
    if (isHeld) open.release();
    isHeld = false;
    file.close().then(() => done(), done);
  };
  // A file that is closing is none any more for a new stream: it says what it says of a closed one.
  const stream = make({ fd: open.closing ? -1 : file.fd, fs: { ...callsOf(open), close } });
  open.hold();
  isHeld = true;
  const end = (): void => {
    stream.close();
  };
  file.on('close', end);
  (stream as Readable | Writable).once('close', () => file.off('close', end));
  return stream;
}

/** The calls that a stream makes, without the check of whether the file is being closed: the stream holds it. */
function callsOf(open: OpenFile): object {
  return {
    // A ReadStream makes the memory for each read, and reads into all of it.
    read: (_fd: number, buffer: Uint8Array, _offset: number, _length: number, position: number | undefined, done: Done) =>
      settle(readUnseen(open, buffer, position ?? null), buffer, done),
    write: (_fd: number, buffer: Uint8Array, offset: number, length: number, position: number | undefined, done: Done) =>
      settle(write(open, buffer, offset, length, position ?? null), buffer, done),
    writev: (_fd: number, buffers: Uint8Array[], position: number | undefined, done: Done) =>
      settle(writev(open, buffers, position), buffers, done),
    fsync: (_fd: number, done: (error?: Error | null) => void) => {
      open.sync(false).then(() => done(), done);
    },
  };
}

function settle(transfer: Promise<TransferResult>, memory: unknown, done: Done): void {
  transfer.then(
    ({ bytesRead, bytesWritten }) => done(null, bytesRead ?? bytesWritten, memory),
    (error) => done(error, 0, memory),
  );
}
