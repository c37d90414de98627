import { fdatasync, read, write } from 'node:fs';
import { biodone } from '../biodone.js';
import { BLOCK_FLUSH, BLOCK_READ, type BlockIo } from '../block-io.js';
import { type FileEngine, isOver, nextLength, type OpenFile } from './file-engine.js';

/**
 * File I/O through Node's own callbacks, where io_uring is not to be had. libuv's pool of threads does the work, so it is slower, and
 * only the event loop can complete a request.
 */
export function createFsEngine(): FileEngine {
  return { name: 'fs', progress: 'event-loop', start, poll: () => 0, wait: () => 0 };
}

function start(io: BlockIo, file: OpenFile): void {
  if (io.operation === BLOCK_FLUSH || io.buffer === null) {
    fdatasync(file.fd, (error) => biodone(io, errnoOf(error)));
    return;
  }
  const isRead = io.operation === BLOCK_READ;
  const moved = io.transferredBytes;
  const continued = (error: NodeJS.ErrnoException | null, count: number): void => {
    if (isOver(io, file, error === null ? count : -errnoOf(error), isRead)) biodone(io, io.error);
    else start(io, file);
  };
  const { bytes } = io.buffer;
  if (isRead) read(file.fd, bytes, io.bufferOffset + moved, nextLength(io), io.offset + moved, continued);
  else write(file.fd, bytes, io.bufferOffset + moved, nextLength(io), io.offset + moved, continued);
}

function errnoOf(error: NodeJS.ErrnoException | null): number {
  return error === null ? 0 : Math.abs(error.errno ?? 5);
}
