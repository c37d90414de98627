import { BLOCK_READ, BlockIo, IO_DONE, IO_IDLE } from '@biodone/blockdev';
import type { KCondvar, KMutex } from '@biodone/sync';
import { AioExtra } from './aio-extra.js';
import { type AioOpHandle, SharedOp } from './aio-handle.js';
import { type AioTimer, checkTimer } from './aio-timer.js';
import { checkTime, invalidType, outOfRange } from './errors.js';
import { type AioLink, LINK_HARD, LINK_NONE, LINK_SOFT } from './link-kind.js';
import { OrderingKey } from './ordering-key.js';

/**
 * What a pool calls when an operation is done. It returns true to keep an operation that belongs to the pool, to submit it again now or
 * later; otherwise the pool takes it back when the call returns, and it must not be touched after. For an operation of one's own,
 * `new AioOp()`, what it returns means nothing.
 */
export type AioCallback = (op: AioOp) => boolean | undefined | void;

/** What an operation is submitted to: its pool. For the pool and the {@link AioFile} alone. */
export interface AioOpOwner {
  /** The I/O is done, `error` and `transferredBytes` are final. Calls the operation's callback. @internal */
  finish(op: AioOp): void;
  /** The operation had to wait for others, and takes its place among what is under way now. @internal */
  enter(op: AioOp): void;
  /** All that a flush covers is done: it starts, before whatever waits in the queue. @internal */
  startBarrier(op: AioOp): void;
  /** Keeps a completion until somebody reaps it. @internal */
  keepCompletion(op: AioOp): void;
}

/** In its pool's free list. */
export const AIO_FREE = 0 as const;
/** The caller's: to be filled in and submitted. */
export const AIO_IDLE = 1 as const;
/** Waits because an operation with `drain` is before it, or is one. */
export const AIO_HELD = 2 as const;
/** Waits for its turn with its {@link OrderingKey}. */
export const AIO_ORDERED = 3 as const;
/** A flush that waits for what it covers. */
export const AIO_BARRIER = 4 as const;
/** In the pool's queue. */
export const AIO_QUEUED = 5 as const;
/** With the device, or with a service thread. */
export const AIO_STARTED = 6 as const;
/** Ended without the device: its callback comes. */
export const AIO_ENDING = 7 as const;
/** A synchronous operation whose turn has come: its thread runs it. */
export const AIO_TURN = 8 as const;
/** Done, and nobody has reaped it yet. */
export const AIO_UNREAPED = 9 as const;
/** A member of a chain that waits for nothing any more but for the one before it. */
export const AIO_LINKED = 10 as const;
/** A timeout whose time runs. */
export const AIO_TIMING = 11 as const;

/** Taken, and those who trace are told of it. */
export const AIO_ENTERING = 12 as const;
/** Over, and no longer counted: its callback is next. */
export const AIO_OVER = 13 as const;

/** The phases' names, by number, as they stand in dumps. */
export const AIO_PHASES: readonly string[] = [
  'free',
  'idle',
  'held',
  'ordered',
  'barrier',
  'queued',
  'started',
  'ending',
  'turn',
  'unreaped',
  'linked',
  'timing',
  'entering',
  'over',
];

/** Somebody waits for it and all may wait that long (BPRIO_TIMENONCRITICAL). */
export const PRIORITY_NONCRITICAL = 0 as const;
/** Somebody waits for it: what an operation has unless told otherwise (BPRIO_TIMELIMITED). */
export const PRIORITY_TIMELIMITED = 1 as const;
/** The system waits for it (BPRIO_TIMECRITICAL). */
export const PRIORITY_TIMECRITICAL = 2 as const;

/** An operation's priority, as BSD's `b_prio`. */
export type AioPriority = 0 | 1 | 2;

/** It has an {@link OrderingKey}. */
export const HAS_KEY = 1;
/** It waits for all before it, and holds all after it. */
export const HAS_DRAIN = 2;
/** It has a deadline. */
export const HAS_DEADLINE = 4;
/** It has an AbortSignal. */
export const HAS_SIGNAL = 8;
/** It has primitives in shared memory. */
export const IS_SHARED = 16;
/** It is a flush that its file counts. */
export const IS_BARRIER = 32;
/** It has been ended before its file has counted it. */
export const IS_OUTSIDE = 64;
/** Somebody blocks until it is done. */
export const IS_WATCHED = 128;
/** It is tied to the one that is submitted next. */
const HAS_LINK = 256;
/** It is a timeout. */
export const IS_TIMER = 512;
/** It is in a chain, and others may wait for its end. */
export const IS_MEMBER = 1024;
/** It waits for the member before it, whatever else it waits for. */
export const IS_LINKED = 2048;
/** It was to be cancelled: those behind it in its chain do not run, whatever came of it. */
export const IS_SEVERED = 4096;

/** Operations that a pool can make, and the first number of an operation that belongs to no pool. */
export const OBJECTS_MAX: number = 2 ** 20;
let guests = 0;

/**
 * An asynchronous operation: the one object that goes from the caller through the pool and the device and back. It is the block layer's
 * request, {@link BlockIo}, with what the protocol adds.
 *
 * Get one from `AioServicePool.allocate`, or make one of your own with `new AioOp()`, which can be submitted to any pool, to one at a time, and
 * stays yours. Fill in `operation`, `buffer`, `bufferOffset`, `offset`, `lengthBytes`, `flags` (for durability: BLOCK_FUA), `private`, `priority`
 * and `callback`, and submit it. When the callback runs, `error` is 0 or the positive errno and `transferredBytes` says how much was moved.
 *
 * From `submit` until its callback begins it belongs to the pool: nothing of it may be changed.
 */
export class AioOp extends BlockIo {
  /** The pool that it is submitted to, or was last. */
  owner: AioOpOwner | null = null;
  /** Its {@link callback}. @internal */
  told: AioCallback | null = null;
  /** Where it is: AIO_IDLE and its like. For the pool alone. */
  phase: number = AIO_IDLE;
  /** What about it is not as with most. 0 for nothing. For the pool alone. @internal */
  features = 0;
  /** The order of submission to its file. @internal */
  order = 0;
  /** When it was submitted, by its pool's clock, and by what that has for longer times. @internal */
  submittedAtUs = 0;
  submittedCoarse = 0;
  /** How many uses of this object are over. It wraps around. @internal */
  generation: number;
  /** The {@link generation} with which its completion was kept last: who reaps it has it, whatever its callback returns. @internal */
  keptGeneration = -1;
  /** Which one of its pool's objects it is; from 2^20 on it belongs to no pool. */
  readonly number: number;
  /** Where it stands in the memory that service threads share, while it is with them; otherwise -1. @internal */
  slot = -1;
  /** Its {@link priority}. @internal */
  rank: AioPriority = PRIORITY_TIMELIMITED;
  /** What few operations have, in an object of its own that keeps the others small. @internal */
  extra: AioExtra<AioOp> | null = null;

  /** Makes an operation of one's own; a pool passes it its number. */
  constructor(number: number = guestNumber()) {
    super();
    this.number = number;
    // Numbers of one's own operations come again after a million of them: a later one begins far from where an earlier one may have come to.
    this.generation = number < OBJECTS_MAX ? 0 : Math.imul(Math.floor(guests / OBJECTS_MAX), 0x9e3779b1);
  }

  /**
   * Names one use of the object, for `AioServicePool.cancel` and `find` (rule 5): the one to come, the one that there is, or the one that is done,
   * until the object is submitted again or taken back. From the moment that the callback begins nothing can be cancelled by it, whoever has the object
   * then, and however it came to them. A safe integer; one comes again when an object has been used 2^32 times.
   */
  get id(): number {
    const { phase, state } = this;
    const isOver = state === IO_DONE && (phase === AIO_IDLE || phase === AIO_UNREAPED);
    return ((isOver ? this.generation - 1 : this.generation) >>> 0) * 2 * OBJECTS_MAX + this.number;
  }

  /**
   * Called when it is done. Null means synchronous: `submit` runs the operation in the calling thread (rule 3). @default null
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE
   */
  get callback(): AioCallback | null {
    return this.told;
  }

  set callback(callback: AioCallback | null) {
    if (typeof callback !== 'function' && callback !== null) throw invalidType('callback', 'a function, or null', callback);
    this.told = callback;
  }

  /**
   * For disciplines that know priorities. @default PRIORITY_TIMELIMITED
   *
   * @throws RangeError ERR_OUT_OF_RANGE
   */
  get priority(): AioPriority {
    return this.rank;
  }

  set priority(priority: AioPriority) {
    if (priority !== 0 && priority !== 1 && priority !== 2)
      throw outOfRange('priority', 'PRIORITY_NONCRITICAL, PRIORITY_TIMELIMITED or PRIORITY_TIMECRITICAL', priority);
    this.rank = priority;
  }

  /** Whether it is with a pool: from `submit` until its callback begins, or until it is reaped. */
  get submitted(): boolean {
    return this.phase > AIO_IDLE;
  }

  /**
   * What keeps it in order with others: see {@link OrderingKey}. Null, as with most, for none. @default null
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE
   */
  get orderingKey(): OrderingKey | null {
    return this.extra?.orderingKey ?? null;
  }

  set orderingKey(key: OrderingKey | null) {
    if (key !== null && !(key instanceof OrderingKey)) throw invalidType('orderingKey', 'an OrderingKey, or null', key);
    if (key === null && this.extra === null) return;
    this.rare.orderingKey = key;
    this.mark(HAS_KEY, key !== null);
  }

  /**
   * Whether it waits for all operations that were submitted to its file before, and those that are submitted after it wait for it
   * (IOSQE_IO_DRAIN). @default false
   */
  get drain(): boolean {
    return (this.features & HAS_DRAIN) !== 0;
  }

  set drain(drain: boolean) {
    this.mark(HAS_DRAIN, drain);
  }

  /**
   * After how many milliseconds from its submission it is cancelled: if that ends it, `error` is ETIMEDOUT; what the kernel has started
   * completes as it will. Infinity for never. @default Infinity
   */
  get deadlineMs(): number {
    return this.extra?.deadlineMs ?? Number.POSITIVE_INFINITY;
  }

  set deadlineMs(deadlineMs: number) {
    checkTime('deadlineMs', deadlineMs);
    if (deadlineMs === Number.POSITIVE_INFINITY && this.extra === null) return;
    this.rare.deadlineMs = deadlineMs;
    this.mark(HAS_DEADLINE, deadlineMs !== Number.POSITIVE_INFINITY);
  }

  /**
   * Cancels it when it is aborted, with ECANCELED if that ends it. @default null
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE
   */
  get signal(): AbortSignal | null {
    return this.extra?.signal ?? null;
  }

  set signal(signal: AbortSignal | null) {
    if (signal !== null && !isSignal(signal)) throw invalidType('signal', 'an AbortSignal, or null', signal);
    if (signal === null && this.extra === null) return;
    this.rare.signal = signal;
    this.mark(HAS_SIGNAL, signal !== null);
  }

  /**
   * What ties it to the next one of the same `AioServicePool.submitAll`. The last of a chain has none; by itself, as in `submit`, an operation is
   * a chain of one. @default LINK_NONE
   *
   * @throws RangeError ERR_OUT_OF_RANGE
   */
  get link(): AioLink {
    return this.extra?.link ?? LINK_NONE;
  }

  set link(link: AioLink) {
    if (link !== LINK_NONE && link !== LINK_SOFT && link !== LINK_HARD)
      throw outOfRange('link', 'LINK_NONE, LINK_SOFT or LINK_HARD', link);
    if (link === LINK_NONE && this.extra === null) return;
    this.rare.link = link;
    this.mark(HAS_LINK, link !== LINK_NONE);
  }

  /**
   * Makes it a timeout, which waits for a time instead of doing I/O; null makes it an ordinary operation again. @default null
   *
   * @throws RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_TYPE
   */
  get timer(): AioTimer | null {
    return this.extra?.timer ?? null;
  }

  set timer(timer: AioTimer | null) {
    if (timer !== null) checkTimer(timer);
    else if (this.extra === null) return;
    this.rare.timer = timer;
    this.mark(IS_TIMER, timer !== null);
  }

  /** In the callback of a timeout: whether this is not its completion, and it goes on (IORING_CQE_F_MORE). See {@link AioTimer.shots}. */
  get more(): boolean {
    return this.phase === AIO_TIMING;
  }

  /**
   * Its lock, in shared memory, for {@link delivered} and {@link available}. It is robust: see `KMutex` for what who waits must look at. No completion
   * waits for it: while it is taken, the conditions are broadcast as soon as it is free. Made at its first use, as what follows.
   */
  get mtx(): KMutex {
    return this.shared.mtx;
  }

  /**
   * Is broadcast when the operation is done; before its callback, unless somebody owns {@link mtx} then. Own that to wait for it, and look again before
   * and after, as at `AioOpWaiter.done`, which needs no lock.
   */
  get delivered(): KCondvar {
    return this.shared.delivered;
  }

  /** Is broadcast when the operation is its owner's again, after its callback: its memory may be used, and it can be submitted. */
  get available(): KCondvar {
    return this.shared.available;
  }

  /**
   * What another thread needs to wait for this use of the operation, its next completion: see `AioOpWaiter`. A plain object for
   * `postMessage`. From then on each completion of this object costs a lock, if that is free, and a broadcast.
   */
  handle(): AioOpHandle {
    return this.shared.handle(this.phase === AIO_UNREAPED);
  }

  /** The rare part, made at its first use. @internal */
  get rare(): AioExtra<AioOp> {
    this.extra ??= new AioExtra();
    return this.extra;
  }

  /** @internal */
  mark(feature: number, is: boolean): void {
    this.features = is ? this.features | feature : this.features & ~feature;
  }

  /** Back to how it was made, but for its identity and its primitives. @internal */
  reset(): void {
    this.operation = BLOCK_READ;
    this.flags = 0;
    this.buffer = null;
    this.bufferOffset = 0;
    this.offset = 0;
    this.lengthBytes = 0;
    this.state = IO_IDLE;
    this.told = null;
    this.private = null;
    this.rank = PRIORITY_TIMELIMITED;
    if (this.vector !== null) this.vector = null;
    if (this.claim !== null) this.claim = null;
    if (this.compare !== null) this.compare = null;
    if (this.compareOffset !== 0) this.compareOffset = 0;
    if (this.extents !== null) this.extents = null;
    if (this.target !== null) this.target = null;
    if (this.verdict !== null) this.verdict = null;
    if (this.features !== 0) this.#resetRare();
  }

  #resetRare(): void {
    this.features &= IS_SHARED;
    this.extra?.reset();
  }

  private get shared(): SharedOp {
    const { rare } = this;
    if (rare.shared === null) {
      rare.shared = new SharedOp();
      this.mark(IS_SHARED, true);
    }
    return rare.shared as SharedOp;
  }
}

/** Also one that another realm or a library has made. */
function isSignal(signal: Partial<AbortSignal>): boolean {
  return typeof signal?.aborted === 'boolean' && typeof signal.addEventListener === 'function';
}

function guestNumber(): number {
  guests += 1;
  return OBJECTS_MAX + (guests % OBJECTS_MAX);
}
