import { SoftInterrupt, TailQueue } from '@biodone/sync';
import type { BlockTimers } from '../batch-clock.js';
import { beginSubmit, endSubmit } from '../biodone.js';
import { FreeList } from '../free-list.js';
import { LOOK_AT_OTHERS_MS } from '../shared-state.js';
import { ParityMemory } from './raid-parity.js';
import type { RaidSet } from './raid-set.js';
import { RaidStripe, type StripeJob } from './raid-stripe.js';

/** How much memory the stripes of a raid take at most, unless one takes more. */
const MEMORY_BYTES = 32 * 2 ** 20;
const STRIPES_MAX = 128;
const STRIPES_MIN = 2;
/** A power of two. */
const BUCKETS = 256;

/**
 * Which rows are being worked on. A row belongs to one job at a time, over all threads; there are so many stripes, and who finds none stands in
 * line holding none. A job of part of a row begins in a microtask, or when the thread polls: until then others of the same row can come, and
 * what is a whole row together is written without reading anything.
 */
export class RaidStripes {
  readonly parity: ParityMemory;
  readonly #set: RaidSet;
  readonly #timers: BlockTimers;
  readonly #free = new FreeList<RaidStripe>();
  readonly #buckets: (RaidStripe | null)[] = new Array<RaidStripe | null>(BUCKETS).fill(null);
  /** Those for whom there was no stripe, and rows that another thread has locked, or this one for a row with the same lock. */
  readonly #line = new TailQueue<StripeJob>();
  readonly #locked: RaidStripe[] = [];
  readonly #plugged = new TailQueue<RaidStripe>();
  readonly #plug = new SoftInterrupt((budget) => this.#unplug(budget));
  readonly #idle: (() => void)[] = [];
  #cancelRetry: (() => void) | null = null;
  #serving = false;

  constructor(set: RaidSet, timers: BlockTimers, childrenMax: number) {
    this.#set = set;
    this.#timers = timers;
    const { stripeBytes, dataCount } = set.geometry;
    const bytes = stripeBytes * (dataCount + 1);
    const wanted = Math.min(STRIPES_MAX, Math.floor(MEMORY_BYTES / bytes), Math.floor(childrenMax / (dataCount + 1)));
    const count = Math.max(STRIPES_MIN, Math.min(wanted, set.geometry.rows));
    this.parity = new ParityMemory(count * bytes);
    for (let index = 0; index < count; index++) this.#free.put(new RaidStripe(set, this.parity, index * bytes));
  }

  /** Gives a job its row, now or as soon as it can have it. */
  enter(job: StripeJob): void {
    const active = this.#find(job.row);
    if (active !== null) {
      active.waiting.insertTail(job);
      return;
    }
    const stripe = this.#line.isEmpty ? this.#free.take() : null;
    if (stripe === null) this.#line.insertTail(job);
    else this.#open(stripe, job);
  }

  /** Gives a job its row, for a thread that cannot wait. False if somebody has it. */
  enterNow(job: StripeJob): boolean {
    if (this.#find(job.row) !== null) return false;
    const stripe = this.#free.take();
    if (stripe === null) return false;
    if (!this.#lock(job.row)) {
      this.#free.put(stripe);
      return false;
    }
    stripe.row = job.row;
    this.#insert(stripe);
    this.#begin(stripe, job);
    return true;
  }

  /** Whether somebody of this thread has a row, or waits for it. */
  isTaken(row: number): boolean {
    return this.#find(row) !== null;
  }

  /** A job gives its row back: the next one begins. */
  leave(stripe: RaidStripe): void {
    stripe.job = null;
    if (stripe.waiting.isEmpty) {
      this.#close(stripe);
      if (!this.#line.isEmpty || this.#locked.length > 0) this.#serve();
      return;
    }
    // By the plug: this is in the middle of a job of another one, and jobs must not begin in each other.
    this.#plugIn(stripe);
  }

  /** Takes a job out that waits. False if it has begun, or was never here. */
  cancel(job: StripeJob): boolean {
    if (job.queue === null) return false;
    if (job.queue === this.#line) {
      this.#line.remove(job);
      return true;
    }
    const stripe = this.#find(job.row);
    if (stripe === null || job.queue !== stripe.waiting) return false;
    // A stripe that waits for its turn and finds nothing then is closed.
    stripe.waiting.remove(job);
    return true;
  }

  /** Asks for the end of what a job has under way. False if it writes already. */
  abort(job: StripeJob): boolean {
    const stripe = this.#find(job.row);
    return stripe !== null && stripe.job === job && stripe.abort();
  }

  /** Whether something can go on that waits for no request: for a thread that does not return to its event loop. */
  get isReady(): boolean {
    return !this.#plugged.isEmpty;
  }

  /** Whether a row is waited for that another thread has. */
  get isWaiting(): boolean {
    return this.#locked.length > 0;
  }

  /** Begins what can begin. */
  poll(): void {
    if (!this.#plugged.isEmpty) this.#plug.runNow(this.#plugged.length);
    if (this.#locked.length > 0) this.#retry();
  }

  /** Calls back when no row is being worked on. */
  whenIdle(callback: () => void): void {
    if (this.#isIdle()) callback();
    else this.#idle.push(callback);
  }

  #isIdle(): boolean {
    return this.#line.isEmpty && this.#buckets.every((stripe) => stripe === null);
  }

  #open(stripe: RaidStripe, job: StripeJob): void {
    stripe.row = job.row;
    this.#insert(stripe);
    if (!this.#lock(job.row)) {
      stripe.waiting.insertTail(job);
      this.#locked.push(stripe);
      this.#retryLater();
    } else if (job.isPartial) {
      stripe.waiting.insertTail(job);
      this.#plugIn(stripe);
    } else {
      this.#begin(stripe, job);
    }
  }

  #begin(stripe: RaidStripe, job: StripeJob): void {
    stripe.job = job;
    // Whoever has written to this row without a component had its lock before, and has said so before that.
    if (this.#set.state.changesNow !== this.#set.seen) this.#set.refresh();
    job.begin(stripe);
  }

  #close(stripe: RaidStripe): void {
    this.#set.state.unlockRow(stripe.row);
    this.#remove(stripe);
    this.#free.put(stripe);
    if (this.#idle.length > 0 && this.#isIdle()) for (const callback of this.#idle.splice(0)) callback();
  }

  #plugIn(stripe: RaidStripe): void {
    this.#plugged.insertTail(stripe);
    this.#plug.schedule();
  }

  #unplug(budget: number): number {
    let count = 0;
    for (; count < budget; count++) {
      const stripe = this.#plugged.removeFirst();
      if (stripe === null) break;
      const job = stripe.waiting.removeFirst();
      if (job !== null) this.#begin(stripe, job);
      else this.leave(stripe);
    }
    if (!this.#plugged.isEmpty) this.#plug.schedule();
    return count;
  }

  /** Lets those in line have what has come back. */
  #serve(): void {
    if (this.#serving) return;
    this.#serving = true;
    beginSubmit();
    try {
      if (this.#locked.length > 0) this.#retry();
      while (!this.#line.isEmpty && !this.#free.isEmpty) {
        const job = this.#line.removeFirst() as StripeJob;
        const active = this.#find(job.row);
        if (active !== null) active.waiting.insertTail(job);
        else this.#open(this.#free.take() as RaidStripe, job);
      }
    } finally {
      endSubmit();
      this.#serving = false;
    }
  }

  #lock(row: number): boolean {
    const { state } = this.#set;
    if (state.lockRow(row)) return true;
    if (!state.takeRow(row)) return false;
    // Its thread has ended in the middle of a write: what is there of it is in some columns, and perhaps not in the parity.
    state.setUnknown(this.#set.regionOf(row), true);
    this.#set.changed();
    return true;
  }

  #retryLater(): void {
    this.#cancelRetry ??= this.#timers.after(
      LOOK_AT_OTHERS_MS,
      () => {
        this.#cancelRetry = null;
        this.#retry();
      },
      true,
    );
  }

  #retry(): void {
    for (const stripe of this.#locked.splice(0)) {
      if (this.#lock(stripe.row)) this.#plugIn(stripe);
      else this.#locked.push(stripe);
    }
    if (this.#locked.length > 0) {
      this.#retryLater();
      return;
    }
    this.#cancelRetry?.();
    this.#cancelRetry = null;
  }

  #find(row: number): RaidStripe | null {
    let stripe = this.#buckets[row % BUCKETS] as RaidStripe | null;
    while (stripe !== null && stripe.row !== row) stripe = stripe.next;
    return stripe;
  }

  #insert(stripe: RaidStripe): void {
    const bucket = stripe.row % BUCKETS;
    stripe.next = this.#buckets[bucket] as RaidStripe | null;
    this.#buckets[bucket] = stripe;
  }

  #remove(stripe: RaidStripe): void {
    const bucket = stripe.row % BUCKETS;
    let other = this.#buckets[bucket] as RaidStripe;
    if (other === stripe) {
      this.#buckets[bucket] = stripe.next;
    } else {
      while (other.next !== stripe) other = other.next as RaidStripe;
      other.next = stripe.next;
    }
    stripe.next = null;
  }
}
