import { EBADF, ECANCELED } from './errno.js';
import { IOSQE_CQE_SKIP_SUCCESS, IOSQE_IO_DRAIN, IOSQE_IO_HARDLINK } from './flags.js';
import { looksUpLate } from './late-lookup.js';
import type { FixedFile, RingFile } from './ring-file.js';
import type { ChainOfRequests, RingRequest } from './ring-request.js';

/** The bit in the high half of a completion's user_data that tells a message of another ring from the ring's own requests. */
export const MESSAGE_BIT: number = 0x10_0000;
/** A message's user_data without its data. */
export const MESSAGE_USER_DATA: number = MESSAGE_BIT * 2 ** 32;
/** Generations go round below that bit, so that a request's user_data is an exact number too. */
const GENERATION_MAX = MESSAGE_BIT - 1;
/** The one that a chain's drain makes a drain, and one more, which ends the kernel's draining. */
const REQUESTS_AFTER_DRAIN = 2;
const SPECIAL_FLAGS = IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_DRAIN;

/** A request that completes without the kernel. */
interface Failure {
  readonly request: RingRequest;
  readonly result: number;
  /** Whether the request holds what it names: not if that was closing. */
  readonly held: boolean;
}

/**
 * Which request has which slot, the number by which its completion names it; what it holds meanwhile; and the requests that complete
 * without the kernel.
 */
export class RingSlots {
  readonly #requests: (RingRequest | null)[];
  readonly #freeSlots: Int32Array;
  #free: number;
  /** The least that were free. */
  #freeMin: number;
  /** Slots beyond the others: however many resources the kernel holds, requests find room. */
  readonly #freeTagSlots: number[] = [];
  /** By slot: the place in the table of files that the kernel looks up only when the request runs. */
  readonly #late: (FixedFile | null)[];
  #generation = 0;
  #tags = 0;
  /** By slot: whether the request is a drain, or was submitted while one was in flight. */
  readonly #behind: Uint8Array;
  #behindCount = 0;
  /** How many requests have yet to go through alone, after a drain: see {@link unsettled}. */
  #settling = 0;
  #settler = -1;
  #silent = 0;
  #lateCount = 0;
  /** The sum of all counts above: without any, a request comes and goes with nothing to look at but itself. */
  #special = 0;
  readonly #failed: Failure[] = [];

  constructor(count: number) {
    this.#requests = new Array<RingRequest | null>(count).fill(null);
    this.#late = new Array<FixedFile | null>(count).fill(null);
    this.#behind = new Uint8Array(count);
    this.#freeSlots = Int32Array.from({ length: count }, (_, index) => count - 1 - index);
    this.#free = count;
    this.#freeMin = count;
  }

  /** How many slots are free. */
  get free(): number {
    return this.#free;
  }

  /** The most that were in flight. */
  get inFlightMax(): number {
    return this.#freeSlots.length - this.#freeMin;
  }

  get inFlight(): number {
    return this.#freeSlots.length - this.#free + this.#failed.length;
  }

  /** {@link inFlight}, and those that wait for the kernel to let go of a registered resource. */
  get occupied(): number {
    return this.inFlight + this.#tags;
  }

  /**
   * Whether the kernel may hold the next request back. It does so behind a drain, and also behind those that it has held back, for a
   * while after the drain has completed.
   */
  get draining(): boolean {
    return this.#behindCount > 0;
  }

  /**
   * Whether the kernel may still treat the next request as if it followed a drain, though none is in flight: it leaves that state only when
   * a request goes through it (io_drain_req() in io_uring/io_uring.c), and after a chain with a drain it makes one more request a drain.
   * That request is run by a kernel thread, which looks its file up later.
   */
  get unsettled(): boolean {
    return this.#settling > 0;
  }

  /** Whether requests are in flight whose success nobody tells. */
  get silent(): boolean {
    return this.#silent > 0;
  }

  /** How many requests are to complete without the kernel. */
  get failures(): number {
    return this.#failed.length;
  }

  /** Starts to hold what the request holds. False if its file is closing: then it is to complete with EBADF. */
  claim(request: RingRequest): boolean {
    this.#begin(request);
    const { file, otherFile } = request;
    if (file !== null && !file.hold()) return this.#refuse(request);
    return otherFile === null || this.#holdOther(request, otherFile);
  }

  #holdOther(request: RingRequest, otherFile: RingFile): boolean {
    if (otherFile.hold()) return true;
    request.file?.release();
    return this.#refuse(request);
  }

  claimChain(requests: readonly RingRequest[]): boolean {
    const refused = requests.find(({ file, otherFile }) => file?.closing || otherFile?.closing);
    for (const request of requests) {
      this.#begin(request);
      if (refused === undefined) {
        request.file?.hold();
        request.otherFile?.hold();
      } else {
        request.chain = null;
        // A descriptor that is kept for this request alone is closed when it lets go of that.
        const { file } = request;
        returnLent(request);
        if (file?.hold()) file.release();
        this.fail(request, request === refused ? -EBADF : -ECANCELED, false);
      }
    }
    return refused === undefined;
  }

  /** Takes a claim back, for a request that finds no room. */
  unclaim(request: RingRequest): void {
    letGo(request);
  }

  /** Gives a claimed request a slot. */
  take(request: RingRequest): number {
    const free = this.#free - 1;
    this.#free = free;
    if (free < this.#freeMin) this.#freeMin = free;
    const slot = this.#freeSlots[free] as number;
    if ((request.flags & SPECIAL_FLAGS) !== 0 || request.fixed !== null || this.#special > 0) this.#takeSpecial(request, slot);
    this.#seat(request, slot);
    return slot;
  }

  /** Of a request that is silent, or drains, or names a registered file; and of any while there are such, or one follows a drain. */
  #takeSpecial(request: RingRequest, slot: number): void {
    if ((request.flags & IOSQE_CQE_SKIP_SUCCESS) !== 0) this.#silent += 1;
    if ((request.flags & IOSQE_IO_DRAIN) !== 0) {
      this.#settling = REQUESTS_AFTER_DRAIN;
      this.#settler = -1;
    }
    if (this.#behindCount > 0 || (request.flags & IOSQE_IO_DRAIN) !== 0) {
      this.#behindCount += 1;
      this.#behind[slot] = 1;
    } else if (this.#settling > 0 && this.#settler < 0 && request.chain === null) {
      this.#settler = slot;
    }
    const { fixed } = request;
    if (fixed !== null && (request.chain !== null || looksUpLate(request, this.draining || this.unsettled))) {
      fixed.lateRequests += 1;
      this.#late[slot] = fixed;
      this.#lateCount += 1;
    }
    this.#sum();
  }

  #sum(): void {
    this.#special = this.#behindCount + this.#settling + this.#silent + this.#lateCount + this.#tags;
  }

  /** Gives a slot to a request that waits for the kernel to let go of a registered resource. It holds nothing. */
  takeTag(request: RingRequest): void {
    request.started = true;
    request.file = null;
    request.otherFile = null;
    request.fixed = null;
    request.fd = -1;
    request.flags = 0;
    this.#tags += 1;
    this.#sum();
    this.#seat(request, this.#freeTagSlots.pop() ?? this.#requests.length);
  }

  /** The request of a completion. */
  at(slot: number): RingRequest {
    return this.#requests[slot] as RingRequest;
  }

  /** After the last completion: gives the slot and what the request holds back, so that it can be started again. */
  release(slot: number, request: RingRequest): void {
    this.#vacate(slot, request);
    if (request.chain !== null) this.#settleChain(request.chain, request);
    letGo(request);
  }

  /** The request is to complete without the kernel. */
  fail(request: RingRequest, result: number, held = true): void {
    this.#failed.push({ request, result, held });
  }

  takeFailure(): { readonly request: RingRequest; readonly result: number } {
    const failure = this.#failed.shift() as Failure;
    if (failure.held) letGo(failure.request);
    else failure.request.started = false;
    return failure;
  }

  #begin(request: RingRequest): void {
    request.started = true;
    request.starts = (request.starts + 1) | 0;
    // A store of an object costs more than a look: the garbage collector has to be told.
    if (request.owner !== this) request.owner = this;
  }

  #refuse(request: RingRequest): false {
    this.fail(request, -EBADF, false);
    return false;
  }

  #seat(request: RingRequest, slot: number): void {
    // Never 0: a tag of 0 means none, and a cancel of 0 must find nothing.
    const generation = this.#generation === GENERATION_MAX ? 1 : this.#generation + 1;
    this.#generation = generation;
    request.slot = slot;
    request.generation = generation;
    this.#requests[slot] = request;
  }

  #vacate(slot: number, request: RingRequest): void {
    this.#requests[slot] = null;
    request.slot = -1;
    if (this.#special > 0) {
      this.#vacateSpecial(slot, request);
      if (slot >= this.#freeSlots.length) return;
    }
    this.#freeSlots[this.#free] = slot;
    this.#free += 1;
  }

  #vacateSpecial(slot: number, request: RingRequest): void {
    if (slot >= this.#freeSlots.length) {
      this.#tags -= 1;
      this.#freeTagSlots.push(slot);
      this.#sum();
      return;
    }
    if (this.#behindCount > 0) {
      this.#behindCount -= this.#behind[slot] as number;
      this.#behind[slot] = 0;
    }
    if (slot === this.#settler) {
      this.#settler = -1;
      this.#settling -= 1;
    }
    if ((request.flags & IOSQE_CQE_SKIP_SUCCESS) !== 0) this.#silent -= 1;
    const late = this.#late[slot];
    if (late) {
      late.lateRequests -= 1;
      this.#late[slot] = null;
      this.#lateCount -= 1;
    }
    this.#sum();
  }

  /**
   * What a member's completion tells of the others. Completions come in the chain's order, so an earlier one that has not completed was
   * told to be silent, and has succeeded. If a silent one fails, the kernel cancels those after it without a word (io_fail_links() in
   * io_uring/io_uring.c): they complete here.
   */
  #settleChain(chain: ChainOfRequests, request: RingRequest): void {
    const { requests } = chain;
    const position = requests.indexOf(request);
    request.chain = null;
    for (let index = 0; index < position; index++) {
      const earlier = requests[index] as RingRequest;
      if (earlier.chain !== chain || (earlier.flags & IOSQE_CQE_SKIP_SUCCESS) === 0) continue;
      earlier.chain = null;
      this.#vacate(earlier.slot, earlier);
      letGo(earlier);
    }
    const silent = (request.flags & IOSQE_CQE_SKIP_SUCCESS) !== 0 && (request.flags & IOSQE_IO_HARDLINK) === 0;
    if (!silent) return;
    for (let index = position + 1; index < requests.length; index++) {
      const later = requests[index] as RingRequest;
      later.chain = null;
      this.#vacate(later.slot, later);
      this.fail(later, -ECANCELED);
    }
  }
}

/** Gives a request on a bare descriptor its own number back, so that it can be started again as it was prepared. */
function returnLent(request: RingRequest): void {
  const { file } = request;
  if (file === null || file.lentFor < 0) return;
  request.fd = file.lentFor;
  request.file = null;
}

/** The request is nobody's any more: it can be started again. */
function letGo(request: RingRequest): void {
  request.started = false;
  const { file, otherFile } = request;
  if (file !== null) {
    if (file.lentFor >= 0) returnLent(request);
    file.release();
  }
  if (otherFile !== null) otherFile.release();
}
