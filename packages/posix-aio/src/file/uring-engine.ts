import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockIo } from '@biodone/blockdev';
import {
  EAGAIN,
  EBADF,
  ECANCELED,
  EFAULT,
  EINTR,
  IOSQE_ASYNC,
  type IoBuffer,
  libc,
  POLLIN,
  POLLOUT,
  prepareFdatasync,
  prepareFsync,
  preparePollAdd,
  prepareRead,
  prepareWrite,
  RingFile,
  RingRequest,
  type ThreadRing,
  threadRing,
} from '@biodone/uring';
import { flagsOf, O_APPEND } from '../descriptor/file-status.js';
import { isTerminalNow, reopenTerminal } from '../descriptor/terminal.js';
import type { FileEngine, FileWork } from './file-work.js';

const SEEK_SET = 0;
const SEEK_CUR = 1;
const SEEK_END = 2;

/** What the kernel takes as the offset of a transfer at the file's own position. */
const OWN_POSITION = -1;

/**
 * From here on a transfer by the page cache is a kernel thread's from the beginning: otherwise the kernel copies what it finds cached within the call that
 * submits, and the event loop stands still meanwhile. Shorter ones are copied in less time than it takes to wake a thread (bench/from-fs.mjs).
 */
const ASYNC_MIN_BYTES = 2 ** 17;

/** The requests of an open file through the thread's io_uring. */
export class UringEngine implements FileEngine {
  readonly name = 'uring';
  readonly progress = 'any';
  readonly #ring: ThreadRing = threadRing();
  readonly #file: RingFile;
  readonly #hasPositions: boolean;
  readonly #isCached: boolean;
  /** Whether the file does not block, so that a transfer that finds nothing, or no room, has to be polled. */
  readonly #isPolled: boolean;

  /**
   * @param fd stays open, and the same file, until {@link close} has resolved
   * @param hasPositions whether it is a regular file or a block device
   * @param isCached whether it is read and written by the page cache
   */
  constructor(fd: number, path: string, hasPositions: boolean, isCached: boolean) {
    const terminal = !hasPositions && isTerminalNow(fd) ? reopenTerminal(fd) : -1;
    this.#hasPositions = hasPositions;
    this.#isCached = isCached;
    this.#isPolled = terminal >= 0;
    this.#file = this.#isPolled ? RingFile.adopt(terminal, { path }) : RingFile.borrow(fd, path, { untilClose: true });
  }

  transfer(io: BlockIo, atOwnPosition: boolean): void {
    const request = this.#requestOf(io);
    request.atOwnPosition = atOwnPosition;
    const offset = atOwnPosition ? OWN_POSITION : io.offset;
    try {
      const prepare = io.operation === BLOCK_READ ? prepareRead : prepareWrite;
      prepare(request, this.#file, io.buffer as IoBuffer, io.bufferOffset, io.lengthBytes, offset);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_OUT_OF_RANGE') throw error;
      // Trusted memory has been transferred away since the request was checked.
      (io.private as FileWork).transferred(io, EFAULT);
      return;
    }
    const isTold = atOwnPosition && this.#hasPositions && io.operation === BLOCK_WRITE;
    request.positionBefore = isTold ? libc().lseek(this.#file.fd, 0, SEEK_CUR) : -1;
    if (this.#isCached && io.lengthBytes >= ASYNC_MIN_BYTES) request.flags |= IOSQE_ASYNC;
    request.begin(this.#ring);
  }

  /**
   * Moves the file's own position to the end of a write at it that was short, as it is where the disk is full: the kernel (io_uring/rw.c, kiocb_done() of 6.18) tries
   * the rest by itself, and where that fails it tells of the first part and leaves the position.
   */
  moveBehind(positionBefore: number, count: number): void {
    const { fd } = this.#file;
    const { lseek } = libc();
    if ((flagsOf(fd) & O_APPEND) !== 0) lseek(fd, 0, SEEK_END);
    else lseek(fd, positionBefore + count, SEEK_SET);
  }

  /** Polls for a transfer whose turn has not come. False if the file blocks by itself. */
  awaitTurn(io: BlockIo, request: FileRequest): boolean {
    if (!this.#isPolled) return false;
    preparePollAdd(request, this.#file, io.operation === BLOCK_READ ? POLLIN : POLLOUT);
    request.begin(this.#ring);
    return true;
  }

  sync(io: BlockIo, dataOnly: boolean): void {
    const request = this.#requestOf(io);
    request.positionBefore = -1;
    (dataOnly ? prepareFdatasync : prepareFsync)(request, this.#file);
    request.begin(this.#ring);
  }

  abort(io: BlockIo): void {
    if (io.below instanceof FileRequest) io.below.end(this.#ring);
  }

  poll(): number {
    return this.#ring.poll();
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.#ring.wait(timeoutMs);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #requestOf(io: BlockIo): FileRequest {
    const { below } = io;
    if (below instanceof FileRequest) {
      // The operation may have been another file's.
      below.engine = this;
      return below;
    }
    const made = new FileRequest(io, this);
    io.below = made;
    return made;
  }
}

/** The ring's side of a request, which keeps it for its next use. */
class FileRequest extends RingRequest {
  atOwnPosition = false;
  /** The file's own position before a write at it; -1 for other transfers. */
  positionBefore = -1;
  engine: UringEngine;
  readonly #io: BlockIo;
  /** Whether somebody wants it to end. */
  #ending = false;
  /** Whether it waits for something to come, or for room. */
  #polling = false;

  constructor(io: BlockIo, engine: UringEngine) {
    super();
    this.#io = io;
    this.engine = engine;
  }

  begin(ring: ThreadRing): void {
    this.#ending = false;
    try {
      ring.start(this);
    } catch (error) {
      // Somebody has closed the thread's ring: nothing can be started any more, and that is the request's error.
      if ((error as NodeJS.ErrnoException).code !== 'EBADF') throw error;
      this.#end(EBADF);
    }
  }

  end(ring: ThreadRing): void {
    this.#ending = true;
    ring.cancel(this);
  }

  override complete(result: number): void {
    const io = this.#io;
    // Whoever let go of the memory must not wait for the next use of this request.
    this.memory = null;
    if (!this.#ending && this.#goesOn(result)) return;
    if (this.#polling) {
      // What a poll comes to is no count of bytes.
      this.#polling = false;
      this.#end(result < 0 ? -result : ECANCELED);
    } else if (result >= 0) {
      io.transferredBytes = result;
      if (this.positionBefore >= 0 && result > 0 && result < io.lengthBytes) this.engine.moveBehind(this.positionBefore, result);
      this.#end(0);
    } else {
      // A call that the kernel has interrupted for the cancel.
      this.#end(result === -EINTR && this.#ending ? ECANCELED : -result);
    }
  }

  #end(error: number): void {
    (this.#io.private as FileWork).transferred(this.#io, error);
  }

  /** Whether the transfer is to be tried again, or waited for, which has begun then. */
  #goesOn(result: number): boolean {
    const io = this.#io;
    if (this.#polling) {
      if (result < 0) return false;
      this.#polling = false;
    } else if (result === -EAGAIN) {
      this.#polling = this.engine.awaitTurn(io, this);
      return this.#polling;
    } else if (result !== -EINTR || io.operation === BLOCK_FLUSH) {
      return false;
    }
    this.engine.transfer(io, this.atOwnPosition);
    return true;
  }
}
