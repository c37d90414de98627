import {
  CQE_BYTES,
  EAGAIN,
  EBADF,
  EBUSY,
  EINTR,
  EINVAL,
  ETIME,
  IORING_CQ_EVENTFD_DISABLED,
  IORING_ENTER_EXT_ARG,
  IORING_ENTER_GETEVENTS,
  IORING_FEAT_EXT_ARG,
  IORING_FEAT_NODROP,
  IORING_FEAT_SINGLE_MMAP,
  IORING_OFF_SQ_RING,
  IORING_OFF_SQES,
  IORING_REGISTER_EVENTFD,
  IORING_SETUP_CLAMP,
  IORING_SETUP_CQSIZE,
  IORING_SETUP_SUBMIT_ALL,
  IORING_SQ_CQ_OVERFLOW,
  IORING_SQ_TASKRUN,
  MAP_POPULATE,
  MAP_SHARED,
  PARAMS_BYTES,
  PARAMS_CQ_ENTRIES,
  PARAMS_CQ_OFF,
  PARAMS_FEATURES,
  PARAMS_FLAGS,
  PARAMS_SQ_ENTRIES,
  PARAMS_SQ_OFF,
  PROT_READ,
  PROT_WRITE,
  SQE_BYTES,
  SYS_io_uring_enter,
  SYS_io_uring_register,
  SYS_io_uring_setup,
} from './abi.js';
import { SystemError } from './errors.js';
import type { RingRequest } from './ring-request.js';
import { type Libc, libc } from './syscalls.js';

/** Options of {@link Ring}. */
export interface RingOptions {
  /**
   * Requests that one system call can submit; the kernel rounds up to a power of two.
   * @default 256, or `cqEntries` if that is less
   */
  sqEntries?: number;
  /**
   * Requests that can be in flight; the kernel rounds up to a power of two.
   * @default 4096
   */
  cqEntries?: number;
}

const FEATURES_NEEDED = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;

/**
 * An io_uring(7): the submission and completion queues that this thread shares with the kernel.
 *
 * This is the mechanism alone: {@link prepare} fills a submission queue entry, {@link submit} hands all prepared ones to the kernel in
 * one system call, {@link reap} delivers what has completed, {@link wait} blocks. When to do which is decided by ThreadRing. No request
 * is prepared beyond the size of the completion queue, so that no completion can be lost.
 *
 * A ring belongs to the thread that opened it, and keeps the user and group that the process had then (CVE-2024-22017): drop
 * privileges first.
 */
export class Ring {
  /** The ring's descriptor. */
  readonly fd: number;
  /** IORING_FEAT_ bits of this kernel. */
  readonly features: number;
  readonly sqEntries: number;
  readonly cqEntries: number;

  readonly #libc: Libc;
  readonly #ringAddress: unknown;
  readonly #ringBytes: number;
  readonly #sqesAddress: unknown;
  #words: Int32Array;
  #sqes: Uint32Array;
  readonly #sqTail: number;
  readonly #sqMask: number;
  readonly #sqFlags: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqMask: number;
  readonly #cqFlags: number;
  readonly #cqes: number;
  #tail: number;
  #head: number;
  #queued = 0;

  /** The requests that are prepared or in the kernel, by the slot number that is their user_data, and a stack of the free slots. */
  readonly #requests: (RingRequest | null)[];
  readonly #freeSlots: Int32Array;
  #freeCount: number;

  /** `struct io_uring_getevents_arg`, and the `struct __kernel_timespec` that it points to. */
  readonly #waitArgument = new BigUint64Array(3);
  readonly #waitTime = new BigInt64Array(2);
  readonly #waitAddress: number;
  #closed = false;

  /**
   * @throws SystemError with the errno of io_uring_setup(2): ENOSYS, EPERM, ENOMEM, EMFILE; EINVAL on a kernel before 5.11
   * @throws RangeError ERR_OUT_OF_RANGE
   */
  constructor(options: RingOptions = {}) {
    const { cqEntries = 4096, sqEntries = Math.min(256, cqEntries) } = options;
    checkEntries('cqEntries', cqEntries, 1);
    checkEntries('sqEntries', sqEntries, 1, cqEntries);
    this.#libc = libc();
    const params = new Uint32Array(PARAMS_BYTES / 4);
    this.fd = this.#setup(sqEntries, cqEntries, params);
    this.features = word(params, PARAMS_FEATURES);
    this.sqEntries = word(params, PARAMS_SQ_ENTRIES);
    this.cqEntries = word(params, PARAMS_CQ_ENTRIES);
    if ((this.features & FEATURES_NEEDED) !== FEATURES_NEEDED) {
      this.#libc.close(this.fd);
      throw new SystemError(EINVAL, 'io_uring_setup', undefined, 'this kernel is too old, io_uring needs Linux 5.11 here');
    }
    const sq = params.subarray(PARAMS_SQ_OFF, PARAMS_SQ_OFF + 10);
    const cq = params.subarray(PARAMS_CQ_OFF, PARAMS_CQ_OFF + 10);
    const sqArray = word(sq, 6) >> 2;
    const cqes = word(cq, 5);
    // IORING_FEAT_SINGLE_MMAP: one mapping holds both rings.
    this.#ringBytes = Math.max((sqArray + this.sqEntries) * 4, cqes + this.cqEntries * CQE_BYTES);
    this.#ringAddress = this.#map(this.#ringBytes, IORING_OFF_SQ_RING);
    try {
      this.#sqesAddress = this.#map(this.sqEntries * SQE_BYTES, IORING_OFF_SQES);
    } catch (error) {
      this.#libc.munmap(this.#ringAddress, this.#ringBytes);
      throw error;
    }
    this.#words = new Int32Array(this.#libc.view(this.#ringAddress, this.#ringBytes));
    this.#sqes = new Uint32Array(this.#libc.view(this.#sqesAddress, this.sqEntries * SQE_BYTES));
    this.#sqTail = word(sq, 1) >> 2;
    this.#sqMask = this.sqEntries - 1;
    this.#sqFlags = word(sq, 4) >> 2;
    this.#cqHead = word(cq, 0) >> 2;
    this.#cqTail = word(cq, 1) >> 2;
    this.#cqMask = this.cqEntries - 1;
    this.#cqFlags = word(cq, 6) >> 2;
    this.#cqes = cqes >> 2;
    for (let index = 0; index < this.sqEntries; index++) this.#words[sqArray + index] = index;
    this.#tail = Atomics.load(this.#words, this.#sqTail);
    this.#head = Atomics.load(this.#words, this.#cqHead);

    this.#requests = new Array<RingRequest | null>(this.cqEntries).fill(null);
    this.#freeSlots = Int32Array.from({ length: this.cqEntries }, (_, index) => this.cqEntries - 1 - index);
    this.#freeCount = this.cqEntries;
    this.#waitArgument[2] = BigInt(this.#libc.address(this.#waitTime));
    this.#waitAddress = this.#libc.address(this.#waitArgument);
  }

  /** How many requests are prepared or in the kernel. */
  get inFlight(): number {
    return this.cqEntries - this.#freeCount;
  }

  /** How many completions have been delivered, as a 32-bit number that wraps around: for differences. */
  get delivered(): number {
    return this.#head;
  }

  /** How many requests are prepared, and not yet in the kernel. */
  get queued(): number {
    return this.#queued;
  }

  /** Whether a completion is there to be reaped. */
  get ready(): boolean {
    // Pairs with the kernel's release store of the tail after it has written the entry.
    if (Atomics.load(this.#words, this.#cqTail) !== this.#head) return true;
    return (Atomics.load(this.#words, this.#sqFlags) & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) !== 0;
  }

  /**
   * Fills the next submission queue entry; where none is free, the prepared ones are submitted first.
   *
   * @returns false where the ring is full: as many requests are in flight as the completion queue holds
   * @throws SystemError EBADF if the ring is closed
   */
  prepare(request: RingRequest): boolean {
    if (this.#closed) throw closedError('prepare');
    if (this.#freeCount === 0) return false;
    if (this.#queued === this.sqEntries && this.submit() === 0) return false;
    this.#freeCount -= 1;
    const slot = this.#freeSlots[this.#freeCount] as number;
    this.#requests[slot] = request;
    const sqes = this.#sqes;
    const base = (this.#tail & this.#sqMask) << 4;
    const offset = request.offset;
    const address = request.address;
    sqes[base] = request.opcode;
    sqes[base + 1] = request.fd;
    sqes[base + 2] = offset;
    sqes[base + 3] = Math.floor(offset / 0x1_0000_0000);
    sqes[base + 4] = address;
    sqes[base + 5] = Math.floor(address / 0x1_0000_0000);
    sqes[base + 6] = request.lengthBytes;
    sqes[base + 7] = request.operationFlags;
    sqes[base + 8] = slot;
    sqes[base + 9] = 0;
    sqes[base + 10] = 0;
    sqes[base + 11] = 0;
    sqes[base + 12] = 0;
    sqes[base + 13] = 0;
    sqes[base + 14] = 0;
    sqes[base + 15] = 0;
    this.#tail = (this.#tail + 1) | 0;
    this.#queued += 1;
    return true;
  }

  /**
   * Hands all prepared requests to the kernel, and calls nobody back.
   *
   * @returns how many it took; less than all, or 0, where it is short of memory or holds completions back for want of room: reap, and
   * submit again
   * @throws SystemError for any other failure of io_uring_enter(2)
   */
  submit(): number {
    if (this.#queued === 0) return 0;
    return this.#enter(0, 0, 0, 0);
  }

  /**
   * Submits, then blocks until at least `count` completions are there, a signal arrives or the time is over. Reaps none.
   *
   * @param timeoutMs `Infinity` waits without a limit
   * @returns `'EINTR'` after a signal, `'ETIME'` at the deadline, `null` if a completion is there, even where `count` are not
   */
  wait(count: number, timeoutMs: number): 'EINTR' | 'ETIME' | null {
    if (timeoutMs === Number.POSITIVE_INFINITY) {
      this.#waitArgument[2] = 0n;
    } else {
      const nanoseconds = BigInt(Math.ceil(Math.max(0, timeoutMs) * 1e6));
      this.#waitTime[0] = nanoseconds / 1_000_000_000n;
      this.#waitTime[1] = nanoseconds % 1_000_000_000n;
      this.#waitArgument[2] = BigInt(this.#libc.address(this.#waitTime));
    }
    // By a call of its own: one call that has submitted something does not tell why its wait ended.
    this.submit();
    const flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    const entered = this.#enter(count, flags, this.#waitAddress, 24);
    return entered === -EINTR ? 'EINTR' : entered === -ETIME ? 'ETIME' : null;
  }

  /**
   * Delivers completions, at most `limit` of them, in the order in which the kernel put them there.
   *
   * A completion may prepare requests, and may reap itself. An exception that it throws ends this call; nothing is delivered twice and
   * nothing is lost.
   *
   * @returns how many it delivered
   */
  reap(limit: number): number {
    const words = this.#words;
    if ((Atomics.load(words, this.#sqFlags) & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) !== 0) this.#flushBacklog();
    // Pairs with the kernel's release store of the tail: the entries before it are written.
    const tail = Atomics.load(words, this.#cqTail);
    let count = 0;
    // The difference, and not equality: a completion that reaps moves the head past the tail that was read here.
    while (((tail - this.#head) | 0) > 0 && count < limit) {
      const base = this.#cqes + ((this.#head & this.#cqMask) << 2);
      const slot = words[base] as number;
      const result = words[base + 2] as number;
      const flags = words[base + 3] as number;
      this.#head = (this.#head + 1) | 0;
      // Pairs with the kernel's acquire load of the head, before it writes the next entry into this place.
      Atomics.store(words, this.#cqHead, this.#head);
      const request = this.#requests[slot] as RingRequest;
      this.#requests[slot] = null;
      this.#freeSlots[this.#freeCount] = slot;
      this.#freeCount += 1;
      count += 1;
      request.complete(result, flags);
    }
    return count;
  }

  /** Names an eventfd that the kernel signals at completions, while {@link setNotification} has that switched on. */
  registerEventFd(eventFd: number): void {
    if (this.#closed) throw closedError('io_uring_register');
    this.setNotification(false);
    const argument = Int32Array.of(eventFd);
    const result = this.#libc.register(SYS_io_uring_register, this.fd, IORING_REGISTER_EVENTFD, argument, 1);
    if (result < 0) throw new SystemError(this.#libc.errno(), 'io_uring_register');
  }

  /** Switches the eventfd's signals on or off. After switching on, look at {@link ready}: what came before gives no signal. */
  setNotification(on: boolean): void {
    // Pairs with the kernel's load of the flags after it has stored the completion queue's tail: either it sees this, or `ready` sees
    // the completion.
    Atomics.store(this.#words, this.#cqFlags, on ? 0 : IORING_CQ_EVENTFD_DISABLED);
  }

  /**
   * Gives the ring back to the kernel.
   *
   * @throws SystemError EBUSY while requests are in flight: their memory must not be let go before they have completed
   */
  close(): void {
    if (this.#closed) return;
    if (this.inFlight > 0) throw new SystemError(EBUSY, 'close', undefined, `${this.inFlight} requests are in flight`);
    this.#closed = true;
    // A view of memory that is no longer mapped would crash the process, so nobody may still hold one. The closed ring's queues are empty.
    this.#words = new Int32Array(this.#words.length).fill(this.#head, this.#cqTail, this.#cqTail + 1);
    this.#sqes = new Uint32Array(this.#sqes.length);
    this.#libc.munmap(this.#sqesAddress, this.sqEntries * SQE_BYTES);
    this.#libc.munmap(this.#ringAddress, this.#ringBytes);
    this.#libc.close(this.fd);
  }

  #setup(sqEntries: number, cqEntries: number, params: Uint32Array): number {
    const flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    params[PARAMS_FLAGS] = flags | IORING_SETUP_SUBMIT_ALL;
    params[PARAMS_CQ_ENTRIES] = cqEntries;
    let fd = this.#libc.setup(SYS_io_uring_setup, sqEntries, params);
    if (fd < 0 && this.#libc.errno() === EINVAL) {
      // Linux before 5.18 has no SUBMIT_ALL. #enter submits again after a bad request there.
      params.fill(0);
      params[PARAMS_FLAGS] = flags;
      params[PARAMS_CQ_ENTRIES] = cqEntries;
      fd = this.#libc.setup(SYS_io_uring_setup, sqEntries, params);
    }
    if (fd < 0) throw new SystemError(this.#libc.errno(), 'io_uring_setup');
    return fd;
  }

  #map(lengthBytes: number, offset: number): unknown {
    const address = this.#libc.mmap(null, lengthBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, this.fd, offset);
    const failed = address === null || BigInt.asIntN(64, BigInt(address as bigint)) === -1n;
    if (failed) {
      const errno = this.#libc.errno();
      this.#libc.close(this.fd);
      throw new SystemError(errno, 'mmap');
    }
    return address;
  }

  /** One io_uring_enter(2). Returns how many requests it took, or -EINTR or -ETIME of a wait. */
  #enter(minComplete: number, flags: number, argument: number, argumentBytes: number): number {
    // The descriptor's number may be another ring's by now.
    if (this.#closed) throw closedError('io_uring_enter');
    // Pairs with the kernel's acquire load of the tail: the entries before it are written.
    Atomics.store(this.#words, this.#sqTail, this.#tail);
    const taken = this.#libc.enter(SYS_io_uring_enter, this.fd, this.#queued, minComplete, flags, argument, argumentBytes);
    if (taken >= 0) {
      this.#queued -= taken;
      return taken;
    }
    const errno = this.#libc.errno();
    if (errno === EAGAIN || errno === EBUSY) return 0;
    if (errno === EINTR || errno === ETIME) return -errno;
    throw new SystemError(errno, 'io_uring_enter');
  }

  #flushBacklog(): void {
    this.#enter(0, IORING_ENTER_GETEVENTS, 0, 0);
  }
}

function checkEntries(name: string, value: number, min: number, max: number = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  const range = `an integer >= ${min}${max === Number.MAX_SAFE_INTEGER ? '' : ` && <= ${max}`}`;
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${value}`;
  throw Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}

function closedError(syscall: string): SystemError {
  return new SystemError(EBADF, syscall, undefined, 'the ring is closed');
}

function word(words: Uint32Array, index: number): number {
  return words[index] as number;
}
