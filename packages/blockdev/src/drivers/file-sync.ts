import { fdatasyncSync, fsyncSync, readvSync, writevSync } from 'node:fs';
import { EINVAL, EIO, ENOTSUP, IoBuffer, type IoVector, type Libc, libc } from '@biodone/uring';
import { biodone } from '../biodone.js';
import { BLOCK_EXTENTS, BLOCK_FLUSH, BLOCK_FUA, BLOCK_READ, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import { find, place } from '../memory-parts.js';
import { BLKDISCARD } from './block-ioctl.js';
import { type FileEngine, isOver, nextLength, type OpenFile } from './file-engine.js';
import { findExtents } from './file-extents.js';
import { isFullSync, rwFlagsOf } from './file-flags.js';
import { DISCARD_SECTORS, spaceLength, spaceOffset, spaceSteps, wantsSync } from './file-space.js';
import { native, putWord64 } from './native.js';

/** File I/O in the calling thread, also of asynchronous requests: they are done when `strategy` returns, which blocks as long as they take. */
export function createSyncEngine(file: OpenFile): FileEngine {
  const calls = native();
  return {
    name: 'sync',
    progress: 'none',
    fua: calls?.pwritev2 ? 'native' : 'emulate',
    nowait: hasRwFlags(),
    atomic: hasRwFlags(),
    space: hasSpaceCalls(),
    start: (io) => {
      runSync(io, file);
      biodone(io, io.error);
    },
    poll: () => 0,
    wait: () => 0,
  };
}

/** Whether this platform knows flags of single transfers: preadv2(2). */
export function hasRwFlags(): boolean {
  const calls = native();
  return calls !== null && calls.preadv2 !== null && calls.pwritev2 !== null;
}

/** Whether this platform knows discards, zeros and holes. */
export function hasSpaceCalls(): boolean {
  return (native()?.fallocate ?? null) !== null;
}

/** Runs a request in the calling thread, and leaves its error in it. */
export function runSync(io: BlockIo, file: OpenFile): void {
  const { operation } = io;
  if (operation === BLOCK_READ || operation === BLOCK_WRITE) transfer(io, file);
  else if (operation === BLOCK_FLUSH) io.error = Math.abs(sync(file.fd, isFullSync(io)));
  else if (operation === BLOCK_EXTENTS) findExtents(io, file);
  else changeSpace(io, file);
}

/** Goes on with a read of which pread(2) has just returned `moved`, which is not all of it. */
export function goOnReading(io: BlockIo, file: OpenFile, moved: number): void {
  const result = moved < 0 ? -libc().errno() : moved;
  if (!isOver(io, file, result, true)) transfer(io, file);
}

/** One try of a discard or of zeros: see file-space.ts. Returns 0 or a negative errno. */
export function callStep(fd: number, step: number, offset: number, lengthBytes: number): number {
  const { fallocate, ioctl, errno }: Libc = libc();
  if (step !== DISCARD_SECTORS) return fallocate?.(fd, step, offset, lengthBytes) === 0 ? 0 : -errno();
  discardRange ??= IoBuffer.allocate(16, 8);
  putRange(discardRange, offset, lengthBytes);
  return ioctl(fd, BLKDISCARD, discardRange.address) === 0 ? 0 : -errno();
}

/** Fills in two 64-bit numbers: BLKDISCARD's start and length, or the address and length of a `struct iovec`. */
export function putRange({ bytes }: IoBuffer, first: number, second: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, 4);
  putWord64(words, 0, first);
  putWord64(words, 2, second);
}

let discardRange: IoBuffer | null = null;

function transfer(io: BlockIo, file: OpenFile): void {
  const isRead = io.operation === BLOCK_READ;
  const calls = native();
  try {
    // What is trusted may have been transferred away, and its address be somebody else's.
    io.vector?.check();
  } catch {
    io.error = EINVAL;
    return;
  }
  // Without a foreign function interface there is no address, and Node's own calls do the same a little slower.
  while (!isOver(io, file, calls === null ? nodeMove(io, file.fd, isRead) : nativeMove(calls, io, file.fd, isRead), isRead));
}

function nativeMove(calls: Libc, io: BlockIo, fd: number, isRead: boolean): number {
  const moved = io.transferredBytes;
  const offset = io.offset + moved;
  let result: number;
  if (io.flags !== 0) return flaggedMove(calls, io, fd, isRead);
  if (io.vector !== null && moved === 0) {
    const { address, count } = io.vector;
    result = isRead ? calls.preadv(fd, address, count, offset) : calls.pwritev(fd, address, count, offset);
  } else {
    find(io, moved);
    const address = (place.buffer?.address ?? 0) + place.offset;
    result = isRead ? calls.pread(fd, address, place.lengthBytes, offset) : calls.pwrite(fd, address, place.lengthBytes, offset);
  }
  return result < 0 ? -calls.errno() : result;
}

/** The only part of a vector that is made here. The calls that it is for are over when they return. */
let onePart: IoBuffer | null = null;

/** A transfer with flags: a write that is on the medium when it returns, or is atomic; or what is not to wait. */
function flaggedMove(calls: Libc, io: BlockIo, fd: number, isRead: boolean): number {
  const moved = io.transferredBytes;
  let address = 0;
  let count = 1;
  if (io.vector !== null && moved === 0) {
    ({ address, count } = io.vector as IoVector);
  } else {
    find(io, moved);
    onePart ??= IoBuffer.allocate(16, 8);
    putRange(onePart, (place.buffer?.address ?? 0) + place.offset, place.lengthBytes);
    address = onePart.address;
  }
  const call = isRead ? calls.preadv2 : calls.pwritev2;
  if (call !== null) {
    const result = call(fd, address, count, io.offset + moved, rwFlagsOf(io));
    return result < 0 ? -calls.errno() : result;
  }
  // Without these calls there are stable writes alone.
  const result = calls.pwritev(fd, address, count, io.offset + moved);
  if (result < 0) return -calls.errno();
  return (io.flags & BLOCK_FUA) !== 0 && sync(fd, isFullSync(io)) < 0 ? -calls.errno() : result;
}

function nodeMove(io: BlockIo, fd: number, isRead: boolean): number {
  const moved = io.transferredBytes;
  const views = viewsOf(io);
  return attempt(() => (isRead ? readvSync(fd, views, io.offset + moved) : writevSync(fd, views, io.offset + moved)));
}

/** The memory that is next, as Node's vectored calls take it: all parts of a vector, or else the rest of one part. */
export function viewsOf(io: BlockIo): Uint8Array[] {
  const moved = io.transferredBytes;
  if (io.vector !== null && moved === 0) {
    return io.vector.segments.map(({ memory, memoryOffset, lengthBytes }) =>
      memory.bytes.subarray(memoryOffset, memoryOffset + lengthBytes),
    );
  }
  find(io, moved);
  const length = Math.min(place.lengthBytes, nextLength(io));
  return place.buffer === null ? [] : [place.buffer.bytes.subarray(place.offset, place.offset + length)];
}

function changeSpace(io: BlockIo, file: OpenFile): void {
  const offset = spaceOffset(io, file);
  const lengthBytes = spaceLength(io, file);
  let result = lengthBytes === 0 ? 0 : -ENOTSUP;
  if (lengthBytes > 0) {
    for (const step of spaceSteps(io, file)) {
      result = callStep(file.fd, step, offset, lengthBytes);
      if (result !== -ENOTSUP) break;
    }
  }
  if (result === 0 && lengthBytes > 0 && wantsSync(io)) result = sync(file.fd, isFullSync(io));
  io.error = Math.abs(result);
  if (result === 0) io.transferredBytes = io.lengthBytes;
}

/** @param full whether all that describes the file is to be stable: fsync(2) */
function sync(fd: number, full: boolean): number {
  const calls = native();
  if (calls !== null) return (full ? calls.fsync(fd) : calls.fdatasync(fd)) === 0 ? 0 : -calls.errno();
  return attempt(() => {
    (full ? fsyncSync : fdatasyncSync)(fd);
    return 0;
  });
}

/** The errno of an error of node:fs, negative; that of wrong arguments, such as memory that is gone, has none. */
export function resultOf(error: NodeJS.ErrnoException): number {
  if (error.errno !== undefined) return -Math.abs(error.errno);
  return error.code?.startsWith('ERR_') ? -EINVAL : -EIO;
}

function attempt(call: () => number): number {
  try {
    return call();
  } catch (error) {
    return resultOf(error as NodeJS.ErrnoException);
  }
}
