import { fdatasync, fsync, read, readv, write, writev } from 'node:fs';
import { TailQueue } from '@biodone/sync';
import { EAGAIN, ECANCELED, ENOTSUP, IoBuffer, type Libc, libc } from '@biodone/uring';
import { biodone } from '../biodone.js';
import {
  type AbortVerdict,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_NOWAIT,
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockIo,
} from '../block-io.js';
import { BLKDISCARD } from './block-ioctl.js';
import { type FileEngine, isOver, nextLength, type OpenFile } from './file-engine.js';
import { findExtents } from './file-extents.js';
import { isFullSync } from './file-flags.js';
import { DISCARD_SECTORS, spaceLength, spaceOffset, spaceSteps } from './file-space.js';
import { callStep, hasRwFlags, hasSpaceCalls, putRange, resultOf, runSync, viewsOf } from './file-sync.js';

/**
 * File I/O through Node's own callbacks, where io_uring is not to be had. libuv's pool of threads does the work, so it is slower, and
 * only the event loop can complete a request.
 */
export function createFsEngine(file: OpenFile): FileEngine {
  const space = new SpaceCalls(file);
  return {
    name: 'fs',
    progress: 'event-loop',
    fua: 'emulate',
    nowait: hasRwFlags(),
    // It waits, and Node's calls do not know it.
    atomic: false,
    space: hasSpaceCalls(),
    start: (io) => {
      if ((io.flags & BLOCK_NOWAIT) !== 0) {
        // What does not wait needs no other thread, and Node's calls have no flag for it.
        runSync(io, file);
        biodone(io, io.error);
      } else if (io.operation === BLOCK_READ || io.operation === BLOCK_WRITE) {
        transfer(io, file);
      } else if (io.operation === BLOCK_FLUSH) {
        (isFullSync(io) ? fsync : fdatasync)(file.fd, (error) => biodone(io, error === null ? 0 : -resultOf(error)));
      } else if (io.operation === BLOCK_EXTENTS) {
        findExtents(io, file);
        biodone(io, io.error);
      } else {
        space.start(io);
      }
    },
    abort: (io) => space.abort(io),
    poll: () => 0,
    wait: () => 0,
  };
}

function transfer(io: BlockIo, file: OpenFile): void {
  const isRead = io.operation === BLOCK_READ;
  const moved = (result: number): void => {
    if (isOver(io, file, result, isRead)) biodone(io, io.error);
    else transfer(io, file);
  };
  let refusal: number;
  try {
    move(io, file, isRead, (error, count) => moved(error === null ? count : resultOf(error)));
    return;
  } catch (error) {
    // Trusted memory has been transferred away since the request was checked.
    refusal = resultOf(error as NodeJS.ErrnoException);
  }
  moved(refusal);
}

function move(
  io: BlockIo,
  { fd }: OpenFile,
  isRead: boolean,
  done: (error: NodeJS.ErrnoException | null, count: number) => void,
): void {
  const { transferredBytes, buffer } = io;
  const offset = io.offset + transferredBytes;
  if (io.vector !== null) {
    io.vector.check();
    (isRead ? readv : writev)(fd, viewsOf(io), offset, done);
  } else if (buffer !== null) {
    const memoryOffset = io.bufferOffset + transferredBytes;
    if (isRead) read(fd, buffer.bytes, memoryOffset, nextLength(io), offset, done);
    else write(fd, buffer.bytes, memoryOffset, nextLength(io), offset, done);
  }
}

/**
 * Discards and zeros, which Node does not know: calls of the C library in Node's pool of threads, one at a time. That keeps the pool's other
 * threads for reads and writes, and the interface to the C library has room for only so many.
 */
class SpaceCalls {
  readonly #file: OpenFile;
  readonly #waiting = new TailQueue<BlockIo>();
  #range: IoBuffer | null = null;
  #io: BlockIo | null = null;
  #offset = 0;
  #lengthBytes = 0;
  #steps: readonly number[] = [];
  #step = 0;

  constructor(file: OpenFile) {
    this.#file = file;
  }

  start(io: BlockIo): void {
    if (spaceLength(io, this.#file) === 0) {
      io.transferredBytes = io.lengthBytes;
      biodone(io, 0);
    } else if (spaceSteps(io, this.#file).length === 0) {
      biodone(io, ENOTSUP);
    } else if (this.#io === null) {
      this.#begin(io);
    } else {
      this.#waiting.insertTail(io);
    }
  }

  abort(io: BlockIo): AbortVerdict {
    if (io.queue !== this.#waiting) return 'in-progress';
    this.#waiting.remove(io);
    biodone(io, ECANCELED);
    return 'cancelled';
  }

  #begin(io: BlockIo): void {
    this.#io = io;
    this.#offset = spaceOffset(io, this.#file);
    this.#lengthBytes = spaceLength(io, this.#file);
    this.#steps = spaceSteps(io, this.#file);
    this.#step = 0;
    this.#try();
  }

  #try(): void {
    const { fallocateAsync, ioctlAsync }: Libc = libc();
    const { fd } = this.#file;
    const step = this.#steps[this.#step] as number;
    const done = (error: Error | null, result: number): void => this.#tried(error, result);
    try {
      if (step !== DISCARD_SECTORS) {
        fallocateAsync?.(fd, step, this.#offset, this.#lengthBytes, done);
        return;
      }
      this.#range ??= IoBuffer.allocate(16, 8);
      putRange(this.#range, this.#offset, this.#lengthBytes);
      ioctlAsync(fd, BLKDISCARD, this.#range.address, done);
    } catch {
      // The interface has as many calls under way as it can: the layer tries again. Not from here, where one after the other might fail.
      setImmediate(() => this.#finish(-EAGAIN));
    }
  }

  #tried(error: Error | null, returned: number): void {
    const step = this.#steps[this.#step] as number;
    // The errno has stayed in the other thread. What has failed is not slow: it is asked for again, here.
    const failed = error !== null || returned !== 0;
    const result = failed ? callStep(this.#file.fd, step, this.#offset, this.#lengthBytes) : 0;
    if (result === -ENOTSUP && this.#step + 1 < this.#steps.length) {
      this.#step += 1;
      this.#try();
    } else {
      this.#finish(result);
    }
  }

  #finish(result: number): void {
    const io = this.#io as BlockIo;
    this.#io = null;
    const next = this.#waiting.removeFirst();
    if (next !== null) this.#begin(next);
    if (result === 0) io.transferredBytes = io.lengthBytes;
    biodone(io, Math.abs(result));
  }
}
