import { type AbortVerdict, BLOCK_FLUSH, BLOCK_FUA, BLOCK_READ, biodone } from '@biodone/blockdev';
import {
  cancelSync,
  EAGAIN,
  EBADF,
  ECANCELED,
  EINTR,
  EINVAL,
  ENOENT,
  type FileTarget,
  IOSQE_ASYNC,
  type IoBuffer,
  POLLIN,
  POLLOUT,
  prepareFdatasync,
  prepareFsync,
  preparePollAdd,
  prepareRead,
  prepareReadv,
  prepareWrite,
  prepareWritev,
  RingRequest,
  RWF_DSYNC,
  type ThreadRing,
  TRANSFER_MAX_BYTES,
} from '@biodone/uring';
import type { DescriptorEngine } from './descriptor-engine.js';
import { type DescriptorOp, INLINE_MAX_BYTES, letGo, markFailed } from './descriptor-op.js';

/** Requests on descriptors through the thread's io_uring: the kernel has each before {@link start} returns, or {@link release}. */
export class UringEngine implements DescriptorEngine {
  readonly name = 'uring';
  readonly inFlightMax = 65536;
  readonly holdsAll = false;
  readonly ring: ThreadRing;
  #gathering = false;
  readonly #gathered: DescriptorRequest[] = [];

  constructor(ring: ThreadRing) {
    this.ring = ring;
  }

  start(op: DescriptorOp): void {
    let request = op.engineRequest as DescriptorRequest | null;
    if (request === null || request.engine !== this) {
      request = new DescriptorRequest(op, this);
      op.engineRequest = request;
    }
    op.begun = true;
    request.begin();
  }

  /** Hands a request that is prepared to the kernel. */
  hand(request: DescriptorRequest): void {
    if (this.#gathering) {
      this.#gathered.push(request);
      return;
    }
    this.ring.start(request);
    // One on a file that is held would wait for the end of the turn.
    if (request.file !== null) this.ring.flush();
  }

  abort(op: DescriptorOp): AbortVerdict {
    const request = op.engineRequest as DescriptorRequest;
    request.ending = true;
    if (request.slot < 0) {
      this.ring.cancel(request);
      return 'in-progress';
    }
    this.ring.flush();
    const result = cancelSync(this.ring, { request }, 0);
    // Before Linux 6.0: the request tells what became of it.
    if (result === -EINVAL) this.ring.cancel(request);
    // What has written a part before completes with that.
    return result === 0 && op.transferredBytes === 0 ? 'cancelled' : result === -ENOENT ? 'done' : 'in-progress';
  }

  poll(): number {
    return this.ring.poll();
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.ring.wait(timeoutMs);
  }

  beforeSleep(): number {
    return this.ring.tellByDoor() ? Number.POSITIVE_INFINITY : 0;
  }

  gather(): void {
    this.#gathering = true;
  }

  release(): void {
    this.#gathering = false;
    const requests = this.#gathered;
    if (requests.length === 0) return;
    try {
      this.ring.startAll(requests);
      // Those on files that are held, and on none, are still to be handed over.
      this.ring.flush();
    } catch {
      for (const request of requests) if (!request.started) request.refuse(EBADF);
    } finally {
      requests.length = 0;
    }
  }
}

/** The ring's side of an operation, which keeps it for its next use. */
class DescriptorRequest extends RingRequest {
  readonly engine: UringEngine;
  /** Whether somebody wants it to end: then it does not go on where the kernel has left off. */
  ending = false;
  readonly #op: DescriptorOp;
  /** Whether it waits until a stream that does not block has something, or room: the kernel polls those of most kinds by itself. */
  #polling = false;
  /** Which transfer of one part of memory the fields say already, on a bare descriptor; -1 for none. */
  #prepared = -1;

  constructor(op: DescriptorOp, engine: UringEngine) {
    super();
    this.#op = op;
    this.engine = engine;
  }

  begin(): void {
    const op = this.#op;
    this.ending = false;
    this.#polling = false;
    const isLikeLast = op.operation === this.#prepared && op.held === null && op.vector === null && op.flags === 0;
    // Behind a drain of somebody else's the ring has given it a duplicate, which is closed by now.
    if (isLikeLast && this.file === null) this.#prepareAgain(op);
    else this.#prepare(op);
    this.#start();
  }

  override complete(result: number): void {
    const op = this.#op;
    const polled = this.#polling;
    if (op.isStream && !this.ending && this.#goesOn(op, result)) {
      this.#start();
    } else if (polled) {
      // What a poll comes to is no count of bytes.
      this.#finish(op, result < 0 ? result : -ECANCELED);
    } else {
      if (result > 0) op.transferredBytes += result;
      this.#finish(op, result);
    }
  }

  /** Whether there is more to do for a stream, which is prepared then. */
  #goesOn(op: DescriptorOp, result: number): boolean {
    if (this.#polling) {
      this.#polling = false;
      if (result < 0) return false;
      this.#prepare(op);
      return true;
    }
    if (result === -EINTR) {
      this.#prepare(op);
      return true;
    }
    if (result === -EAGAIN && op.isNonBlocking && op.held !== null) {
      this.#polling = true;
      this.#prepared = -1;
      preparePollAdd(this, op.held, op.operation === BLOCK_READ ? POLLIN : POLLOUT);
      return true;
    }
    if (result <= 0 || !op.isWhole || op.transferredBytes + result >= op.lengthBytes) return false;
    op.transferredBytes += result;
    this.#prepare(op);
    return true;
  }

  /** Ends it without the kernel, later. */
  refuse(error: number): void {
    const op = this.#op;
    letGo(op);
    biodone(op, error);
  }

  #finish(op: DescriptorOp, result: number): void {
    if (result < 0 && op.operation === BLOCK_FLUSH && result !== -ECANCELED) markFailed(op);
    if (op.held !== null) letGo(op);
    // Whoever let go of the memory must not wait for the next use of this request.
    this.memory = null;
    // A call that the kernel has interrupted for the cancel.
    let error = result >= 0 ? 0 : result === -EINTR && this.ending ? ECANCELED : -result;
    // A part was written: that is what write(2) tells, and the error comes with the next one.
    if (error !== 0 && op.transferredBytes > 0) error = 0;
    biodone(op, error);
  }

  #start(): void {
    try {
      this.engine.hand(this);
    } catch (error) {
      // Somebody has closed the thread's ring: nothing can be started any more, and that is the operation's error.
      if ((error as NodeJS.ErrnoException).code !== 'EBADF') throw error;
      this.refuse(EBADF);
    }
  }

  /** A transfer like the last one needs but these fields, which the generic layer has checked. */
  #prepareAgain(op: DescriptorOp): void {
    this.fd = op.fd;
    this.offset = op.isStream ? -1 : op.offset;
    this.address = (op.buffer as IoBuffer).address + op.bufferOffset;
    this.lengthBytes = op.lengthBytes > TRANSFER_MAX_BYTES ? TRANSFER_MAX_BYTES : op.lengthBytes;
    this.memory = op.buffer;
    this.ioPriority = op.ioPriority;
  }

  #prepare(op: DescriptorOp): void {
    const target: FileTarget = op.held ?? op.fd;
    this.#prepared = -1;
    if (op.operation === BLOCK_FLUSH) {
      (op.dataOnly ? prepareFdatasync : prepareFsync)(this, target);
      return;
    }
    const offset = op.isStream ? -1 : op.offset;
    const moved = op.transferredBytes;
    const isRead = op.operation === BLOCK_READ;
    const rwFlags = (op.flags & BLOCK_FUA) === 0 ? 0 : RWF_DSYNC;
    if (op.vector !== null) {
      if (isRead) prepareReadv(this, target, op.vector, offset);
      else prepareWritev(this, target, op.vector, offset, rwFlags);
    } else {
      const buffer = op.buffer as IoBuffer;
      const lengthBytes = Math.min(op.lengthBytes - moved, TRANSFER_MAX_BYTES);
      if (isRead) prepareRead(this, target, buffer, op.bufferOffset, lengthBytes, offset);
      else prepareWrite(this, target, buffer, op.bufferOffset + moved, lengthBytes, offset, rwFlags);
      if (rwFlags === 0 && op.held === null) this.#prepared = op.operation;
    }
    this.ioPriority = op.ioPriority;
    if (!op.isStream && op.lengthBytes > INLINE_MAX_BYTES && op.held !== null) this.flags = IOSQE_ASYNC;
  }
}
