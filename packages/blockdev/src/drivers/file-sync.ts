import { fdatasyncSync, readSync, writeSync } from 'node:fs';
import { libc } from '@biodone/uring';
import { BLOCK_FLUSH, BLOCK_READ, type BlockIo } from '../block-io.js';
import { isOver, nextLength, type OpenFile } from './file-engine.js';

/** Runs a request in the calling thread, by pread(2), pwrite(2) or fdatasync(2). */
export function runSync(io: BlockIo, file: OpenFile): void {
  if (io.operation === BLOCK_FLUSH || io.buffer === null) {
    const result = attempt(() => {
      fdatasyncSync(file.fd);
      return 0;
    });
    io.error = Math.abs(result);
    return;
  }
  const isRead = io.operation === BLOCK_READ;
  // Without a foreign function interface there is no address, and Node's own calls do the same a little slower.
  const move = io.buffer.address === 0 ? (isRead ? nodeRead : nodeWrite) : isRead ? nativeRead : nativeWrite;
  while (!isOver(io, file, move(io, file.fd), isRead));
}

function nativeRead(io: BlockIo, fd: number): number {
  const { pread, errno } = libc();
  const moved = io.transferredBytes;
  const result = pread(fd, addressOf(io), io.lengthBytes - moved, io.offset + moved);
  return result < 0 ? -errno() : result;
}

function nativeWrite(io: BlockIo, fd: number): number {
  const { pwrite, errno } = libc();
  const moved = io.transferredBytes;
  const result = pwrite(fd, addressOf(io), io.lengthBytes - moved, io.offset + moved);
  return result < 0 ? -errno() : result;
}

function nodeRead(io: BlockIo, fd: number): number {
  const moved = io.transferredBytes;
  return attempt(() => readSync(fd, bytesOf(io), io.bufferOffset + moved, nextLength(io), io.offset + moved));
}

function nodeWrite(io: BlockIo, fd: number): number {
  const moved = io.transferredBytes;
  return attempt(() => writeSync(fd, bytesOf(io), io.bufferOffset + moved, nextLength(io), io.offset + moved));
}

function addressOf(io: BlockIo): number {
  return (io.buffer?.address ?? 0) + io.bufferOffset + io.transferredBytes;
}

function bytesOf(io: BlockIo): Uint8Array {
  return io.buffer?.bytes ?? new Uint8Array(0);
}

function attempt(call: () => number): number {
  try {
    return call();
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -5;
  }
}
