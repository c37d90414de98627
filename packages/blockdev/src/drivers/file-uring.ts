import {
  EBADF,
  ECANCELED,
  EINTR,
  EINVAL,
  ENOTSUP,
  type IoBuffer,
  prepareDiscard,
  prepareFallocate,
  prepareFdatasync,
  prepareFsync,
  prepareRead,
  prepareReadv,
  prepareWrite,
  prepareWritev,
  RingRequest,
  type ThreadRing,
  TRANSFER_MAX_BYTES,
} from '@biodone/uring';
import { biodone } from '../biodone.js';
import { type AbortVerdict, BLOCK_EXTENTS, BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import { find, place } from '../memory-parts.js';
import { type FileEngine, isOver, nextLength, type OpenFile } from './file-engine.js';
import { findExtents } from './file-extents.js';
import { isFullSync, rwFlagsOf } from './file-flags.js';
import { DISCARD_SECTORS, spaceLength, spaceOffset, spaceSteps, wantsSync } from './file-space.js';

/** File I/O through the thread's io_uring. */
export class UringEngine implements FileEngine {
  readonly name = 'uring';
  readonly progress = 'any';
  readonly fua = 'native';
  readonly nowait = true;
  readonly atomic = true;
  readonly space = true;
  readonly #file: OpenFile;
  readonly #ring: ThreadRing;

  constructor(file: OpenFile, ring: ThreadRing) {
    this.#file = file;
    this.#ring = ring;
  }

  start(io: BlockIo): void {
    const { below } = io;
    const ring = this.#ring;
    if (io.operation === BLOCK_EXTENTS) answerExtents(io, this.#file);
    else if ((below as FileRequest | null)?.ring === ring) (below as FileRequest).begin(this.#file);
    else makeBelow(io, ring).begin(this.#file);
  }

  abort(io: BlockIo): AbortVerdict {
    if (io.below instanceof FileRequest) io.below.end();
    // What the kernel has started it may finish: the request tells what became of it.
    return 'in-progress';
  }

  poll(): number {
    return this.#ring.poll();
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.#ring.wait(timeoutMs);
  }

  beforeSleep(): number {
    return this.#ring.tellByDoor() ? Number.POSITIVE_INFINITY : 0;
  }
}

function answerExtents(io: BlockIo, file: OpenFile): void {
  findExtents(io, file);
  biodone(io, io.error);
}

function makeBelow(io: BlockIo, ring: ThreadRing): FileRequest {
  const made = new FileRequest(io, ring);
  io.below = made;
  return made;
}

const NO_STEPS: readonly number[] = [];

/**
 * The ring's side of a BlockIo, which keeps it for its next use: whatever file that is on, and at less expense where it is the same operation on
 * the same file.
 */
class FileRequest extends RingRequest {
  readonly ring: ThreadRing;
  readonly #io: BlockIo;
  #file: OpenFile | null = null;
  /** What is tried for a discard or for zeros, and which of it is under way. */
  #steps = NO_STEPS;
  #step = 0;
  /** Whether that is done, and is made stable now. */
  #syncing = false;
  /** Whether somebody wants it to end: then it does not go on where the kernel has left off. */
  #ending = false;
  /** Which transfer of one part of memory the request's fields say, of no flags and of this file; -1 for none. */
  #prepared = -1;

  constructor(io: BlockIo, ring: ThreadRing) {
    super();
    this.#io = io;
    this.ring = ring;
  }

  begin(file: OpenFile): void {
    const io = this.#io;
    if (io.operation === this.#prepared && file === this.#file && this.#prepareAgain(io)) {
      if (!this.#start(io)) this.#finish(io);
      return;
    }
    this.#file = file;
    this.#ending = false;
    this.#syncing = false;
    this.#goOn(io);
  }

  /** Asks the kernel to stop it. */
  end(): void {
    this.#ending = true;
    this.ring.cancel(this);
  }

  override complete(result: number): void {
    const io = this.#io;
    if (result === io.lengthBytes && io.transferredBytes === 0 && io.operation <= BLOCK_WRITE) {
      // All of it at once, as mostly.
      io.transferredBytes = result;
      this.#finish(io, 0);
    } else if (this.#isOver(io, result)) this.#finish(io);
    else if (this.#ending) this.#finish(io, ECANCELED);
    else this.#goOn(io);
  }

  #isOver(io: BlockIo, result: number): boolean {
    const { operation } = io;
    if (operation === BLOCK_READ || operation === BLOCK_WRITE)
      return isOver(io, this.#file as OpenFile, result, operation === BLOCK_READ);
    if (!this.#syncing && this.#isRefused(result) && this.#step + 1 < this.#steps.length) {
      this.#step += 1;
      return false;
    }
    if (result >= 0 && !this.#syncing && wantsSync(io)) {
      this.#syncing = true;
      return false;
    }
    // A call that the kernel has interrupted for the cancel.
    io.error = result === -EINTR && this.#ending ? ECANCELED : Math.abs(Math.min(result, 0));
    if (io.error === 0) io.transferredBytes = operation === BLOCK_FLUSH ? 0 : io.lengthBytes;
    return true;
  }

  /** Whether this way is none on this file. A kernel that does not know the discard of sectors calls it invalid. */
  #isRefused(result: number): boolean {
    return result === -ENOTSUP || (result === -EINVAL && this.#steps[this.#step] === DISCARD_SECTORS);
  }

  #finish(io: BlockIo, error = io.error): void {
    if (this.#steps !== NO_STEPS) this.#steps = NO_STEPS;
    // Whoever let go of the memory must not wait for the next use of this request.
    this.memory = null;
    biodone(io, error);
  }

  /** Hands the request, or the rest of it, to the ring; completes it if there is nothing to hand over. */
  #goOn(io: BlockIo): void {
    let ready = false;
    try {
      ready = this.#prepare(io);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_OUT_OF_RANGE') throw error;
      // Trusted memory has been transferred away since the request was checked.
      io.error = EINVAL;
    }
    if (ready && this.#start(io)) return;
    this.#finish(io);
  }

  #start(io: BlockIo): boolean {
    try {
      this.ring.start(this);
      return true;
    } catch (error) {
      // Somebody has closed the thread's ring before this device: nothing can be started any more, and that is the request's error.
      if ((error as NodeJS.ErrnoException).code !== 'EBADF') throw error;
      io.error = EBADF;
      return false;
    }
  }

  /**
   * A transfer like the last one needs but these four fields, of which the generic layer has checked all but this: trusted memory can have
   * been transferred away while the request waited. False if it is not so much like it.
   */
  #prepareAgain(io: BlockIo): boolean {
    const buffer = io.buffer as IoBuffer;
    const { bufferOffset, lengthBytes } = io;
    if (this.#ending || io.vector !== null || io.flags !== 0 || lengthBytes > TRANSFER_MAX_BYTES) return false;
    if (!buffer.isShared && bufferOffset > buffer.bytes.length - lengthBytes) return false;
    this.offset = io.offset;
    this.address = buffer.address + bufferOffset;
    this.lengthBytes = lengthBytes;
    this.memory = buffer;
    return true;
  }

  #prepare(io: BlockIo): boolean {
    const { target } = this.#file as OpenFile;
    this.#prepared = -1;
    if (io.operation === BLOCK_READ || io.operation === BLOCK_WRITE) {
      this.#prepareTransfer(io);
      return true;
    }
    if (io.operation !== BLOCK_FLUSH && !this.#syncing) return this.#prepareSpace(io);
    if (isFullSync(io)) prepareFsync(this, target);
    else prepareFdatasync(this, target);
    return true;
  }

  #prepareTransfer(io: BlockIo): void {
    const { target } = this.#file as OpenFile;
    const moved = io.transferredBytes;
    const { vector } = io;
    const isRead = io.operation === BLOCK_READ;
    const rwFlags = rwFlagsOf(io);
    if (vector !== null && moved === 0) {
      if (isRead) prepareReadv(this, target, vector, io.offset, rwFlags);
      else prepareWritev(this, target, vector, io.offset, rwFlags);
      return;
    }
    let buffer = io.buffer as IoBuffer;
    let memoryOffset = io.bufferOffset + moved;
    let lengthBytes = nextLength(io);
    if (vector !== null) {
      // The rest of a vector goes part by part.
      find(io, moved);
      buffer = place.buffer as IoBuffer;
      memoryOffset = place.offset;
      lengthBytes = Math.min(lengthBytes, place.lengthBytes);
    }
    if (isRead) prepareRead(this, target, buffer, memoryOffset, lengthBytes, io.offset + moved, rwFlags);
    else prepareWrite(this, target, buffer, memoryOffset, lengthBytes, io.offset + moved, rwFlags);
    // A request on a bare descriptor may have had a duplicate of it, and is prepared anew.
    if (rwFlags === 0 && typeof target !== 'number') this.#prepared = io.operation;
  }

  /** False if there is nothing to do, or nothing to do it with: then the error is in the request. */
  #prepareSpace(io: BlockIo): boolean {
    const file = this.#file as OpenFile;
    const offset = spaceOffset(io, file);
    const lengthBytes = spaceLength(io, file);
    if (lengthBytes === 0) {
      io.transferredBytes = io.lengthBytes;
      return false;
    }
    if (this.#steps === NO_STEPS) {
      this.#steps = spaceSteps(io, file);
      this.#step = 0;
    }
    const step = this.#steps[this.#step];
    if (step === undefined) io.error = ENOTSUP;
    else if (step === DISCARD_SECTORS) prepareDiscard(this, file.target, offset, lengthBytes);
    else prepareFallocate(this, file.target, step, offset, lengthBytes);
    return step !== undefined;
  }
}
