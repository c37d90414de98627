import { TailQueue } from '@biodone/sync';
import type { BlockTimers } from '../batch-clock.js';
import { beginSubmit, endSubmit } from '../biodone.js';
import { BLOCK_FLUSH, BlockIo } from '../block-io.js';
import { NO_SLOT } from './cache-index.js';
import type { CacheLines } from './cache-lines.js';
import type { CacheState } from './cache-state.js';
import type { Waiter } from './cache-waiter.js';
import type { MakeRun, WriteRun } from './cache-write-run.js';

/** How many writes to the device below are under way at a time. */
const RUNS = 8;
/** How long the writes to it are. */
const RUN_BYTES = 131_072;
/** After how long those who wait look by themselves whether they can go on: the second way to be woken (rule 9). */
const LOOK_AFTER_MS = 50;

/** How much may be dirty, and for how long. */
export interface WriteBackLimits {
  /** Whether a write is done when it is in the cache. */
  readonly isOn: boolean;
  /** How many lines may be dirty: who wants more waits. */
  readonly dirtyMax: number;
  /** How many lines may be dirty before they are written back for want of room. */
  readonly background: number;
  /** After how long a dirty line is written back. */
  readonly delayMs: number;
}

/**
 * Brings dirty lines to the device below: those that have been dirty for too long, those that a flush is about, and the oldest while there are too
 * many. Whoever has to wait for that stands in line here.
 */
export class CacheWriteBack {
  readonly limits: WriteBackLimits;
  readonly #core: CacheState<CacheLines>;
  readonly #timers: BlockTimers;
  readonly #free: WriteRun[] = [];
  readonly #active: WriteRun[] = [];
  /** Writes that wait for room. */
  readonly #room = new TailQueue<Waiter>();
  /** Flushes that wait for the lines that they are about. */
  readonly #flushes = new TailQueue<Waiter>();
  /** Those that work on their range below, and wait until nothing of it is on its way there. */
  readonly #settling = new TailQueue<Waiter>();
  /** Lines that became dirty before this count are to be written now. */
  #wanted = 0;
  #busy = false;
  #again = false;
  #cancelAge: (() => void) | null = null;
  #cancelLook: (() => void) | null = null;
  #drained: (() => void) | null = null;

  constructor(core: CacheState<CacheLines>, limits: WriteBackLimits, timers: BlockTimers, makeRun: MakeRun) {
    this.#core = core;
    this.limits = limits;
    this.#timers = timers;
    core.ended = () => this.look();
    const linesMax = Math.max(1, Math.floor(RUN_BYTES / core.store.lineBytes));
    for (let count = 0; count < RUNS; count++) this.#free.push(makeRun(linesMax, (run) => this.#runDone(run)));
  }

  /** Whether a write is done when it is in the cache: not any more once something could not be written back. */
  get takesWrites(): boolean {
    return this.limits.isOn && this.#core.failure === 0 && this.#core.takesLines;
  }

  /** Whether one more line may become dirty. */
  get hasRoom(): boolean {
    return this.#core.store.index.unclean + this.#core.reserved < this.limits.dirtyMax;
  }

  /** Whether anything is on its way to the device below. */
  get isActive(): boolean {
    return this.#active.length > 0;
  }

  /** The slots of all lines that the device below may not have. */
  uncleanSlots(): number[] {
    const { index } = this.#core.store;
    const slots: number[] = [];
    for (const { line, count } of this.#active) {
      for (let each = line; each < line + count; each++) {
        const slot = index.find(each);
        if (!index.isDirty(slot)) slots.push(slot);
      }
    }
    for (let slot = index.oldestDirty; slot !== NO_SLOT; slot = index.nextDirty(slot)) slots.push(slot);
    return slots;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#room.length + this.#flushes.length + this.#settling.length;
  }

  /** A line has become dirty. */
  dirtied(): void {
    this.#cancelAge ??= this.#timers.after(this.limits.delayMs, this.#aged, true);
    if (this.#core.store.index.unclean > this.limits.background) this.progress();
  }

  /** The same in the calling thread, where nothing is started that would need another one to end it. */
  dirtiedSync(): void {
    if (this.#core.store.index.unclean > 0) this.#cancelAge ??= this.#timers.after(this.limits.delayMs, this.#aged, true);
  }

  /** Lets a write wait for room, behind those that do already. */
  awaitRoom(waiter: Waiter): void {
    this.#core.counters.waits += 1;
    this.#wait(this.#room, waiter);
  }

  get someAwaitRoom(): boolean {
    return !this.#room.isEmpty;
  }

  /** Lets an operation wait until nothing of its range is being written back. */
  awaitQuiet(waiter: Waiter): void {
    this.#wait(this.#settling, waiter);
  }

  /** Lets a flush wait until all that is dirty now has been written. */
  awaitClean(waiter: Waiter): void {
    waiter.dirtiedBefore = this.#core.store.index.nextCount;
    this.#wait(this.#flushes, waiter);
  }

  /** Takes one out that waits. False if it does not. */
  leave(waiter: Waiter): boolean {
    for (const queue of [this.#room, this.#flushes, this.#settling]) {
      if (waiter.queue !== queue) continue;
      queue.remove(waiter);
      return true;
    }
    return false;
  }

  /** Lets those who wait go on, if something has changed for them. */
  look(): void {
    if (this.waiting > 0) this.progress();
  }

  /** Starts what can be started, and lets those go on that can: after everything that may have changed something. */
  progress(): void {
    this.#again = true;
    if (this.#busy) return;
    this.#busy = true;
    // What completes here is told later: its callback may throw, and somebody is in the middle of something.
    beginSubmit();
    try {
      while (this.#again) {
        this.#again = false;
        this.#startRuns();
        this.#serveSettling();
        this.#serveFlushes();
        this.#serveRoom();
      }
    } finally {
      this.#busy = false;
      endSubmit();
    }
    this.#watch();
    if (this.#drained !== null && this.#isDrained()) this.#drained();
  }

  /** Writes all that is dirty in the calling thread. Nothing may be on its way. Returns the errno. */
  writeAllSync(): number {
    const { index } = this.#core.store;
    const run = this.#free[0] as WriteRun;
    const before = index.nextCount;
    for (let slot = index.oldestDirty; slot !== NO_SLOT && index.dirtiedAt(slot) < before; slot = index.oldestDirty) {
      this.#writeSync(run, slot);
    }
    return this.#core.failure;
  }

  /** Makes room in the calling thread, if that can be. */
  makeRoomSync(): void {
    const { index } = this.#core.store;
    let slot = index.oldestDirty;
    while (slot !== NO_SLOT && (index.isWriting(slot) || this.#core.isThrough(index.lineOf(slot)))) slot = index.nextDirty(slot);
    const run = this.#free.at(-1);
    if (slot !== NO_SLOT && run !== undefined) this.#writeSync(run, slot);
  }

  /** Writes what is dirty as soon as it can be. */
  urge(): void {
    this.#wanted = this.#core.store.index.nextCount;
    this.progress();
  }

  /** Writes what is dirty, trying once more what has failed. Resolves when that is done, one way or the other. */
  async drain(): Promise<void> {
    this.#cancelAge?.();
    this.#wanted = this.#core.store.index.nextCount;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
      this.progress();
    });
    this.#drained = null;
    this.#cancelAge?.();
    this.#cancelLook?.();
  }

  /** Makes the device below make stable what it has. Returns the errno. */
  flushBelow(): Promise<number> {
    const io = new BlockIo();
    io.operation = BLOCK_FLUSH;
    io.claim = this.#core.claim;
    return new Promise((resolve) => {
      io.iodone = () => resolve(io.error);
      this.#core.device.strategy(io);
    });
  }

  readonly #aged = (): void => {
    this.#cancelAge = null;
    this.urge();
    if (this.#core.store.index.unclean > 0) this.#cancelAge ??= this.#timers.after(this.limits.delayMs, this.#aged, true);
  };

  readonly #look = (): void => {
    this.#cancelLook = null;
    this.progress();
  };

  #wait(queue: TailQueue<Waiter>, waiter: Waiter): void {
    queue.insertTail(waiter);
    this.progress();
  }

  #watch(): void {
    if (this.waiting === 0) {
      this.#cancelLook?.();
      this.#cancelLook = null;
    } else {
      this.#cancelLook ??= this.#timers.after(LOOK_AFTER_MS, this.#look, true);
    }
  }

  #isDrained(): boolean {
    return this.#active.length === 0 && this.#nextSlot() === NO_SLOT;
  }

  #startRuns(): void {
    for (let slot = this.#nextSlot(); slot !== NO_SLOT; slot = this.#nextSlot()) {
      const run = this.#free.pop();
      if (run === undefined) return;
      run.load(slot);
      if (run.start()) {
        this.#settle(run);
        this.#free.push(run);
      } else {
        this.#active.push(run);
      }
    }
  }

  /** The oldest line that is to be written now, and can be. */
  #nextSlot(): number {
    const core = this.#core;
    const { index } = core.store;
    const isFull = core.failure === 0 && (index.unclean > this.limits.background || !this.#room.isEmpty);
    const before = isFull ? Number.POSITIVE_INFINITY : Math.max(this.#wanted, this.#flushedBefore());
    for (let slot = index.oldestDirty; slot !== NO_SLOT && index.dirtiedAt(slot) < before; slot = index.nextDirty(slot)) {
      if (!index.isWriting(slot) && !core.isThrough(index.lineOf(slot))) return slot;
    }
    return NO_SLOT;
  }

  /** Which lines flushes are about: the last in line has the highest count. */
  #flushedBefore(): number {
    return this.#flushes.last?.dirtiedBefore ?? 0;
  }

  #runDone(run: WriteRun): void {
    this.#active.splice(this.#active.indexOf(run), 1);
    this.#settle(run);
    this.#free.push(run);
    this.progress();
  }

  #settle(run: WriteRun): void {
    const error = run.settle();
    if (error !== 0 && this.#core.failure === 0) this.#core.failure = error;
    this.#again = true;
  }

  #writeSync(run: WriteRun, slot: number): void {
    run.load(slot);
    run.startSync();
    this.#settle(run);
  }

  #serveSettling(): void {
    for (let waiter = this.#settling.first; waiter !== null; ) {
      const next = this.#settling.next(waiter);
      const { op } = waiter;
      if (!this.#core.isWriting(op.begin, op.end)) {
        this.#settling.remove(waiter);
        op.resume();
        // Whoever goes on may let others go on.
        waiter = this.#settling.first;
      } else {
        waiter = next;
      }
    }
  }

  #serveFlushes(): void {
    const oldest = this.#core.failure === 0 ? this.#oldestUnclean() : Number.POSITIVE_INFINITY;
    for (let waiter = this.#flushes.first; waiter !== null && waiter.dirtiedBefore <= oldest; waiter = this.#flushes.first) {
      this.#flushes.remove(waiter);
      waiter.op.resume();
    }
  }

  #oldestUnclean(): number {
    const { index } = this.#core.store;
    const slot = index.oldestDirty;
    let oldest = slot === NO_SLOT ? Number.POSITIVE_INFINITY : index.dirtiedAt(slot);
    for (const run of this.#active) oldest = Math.min(oldest, run.dirtiedAt);
    return oldest;
  }

  #serveRoom(): void {
    const { index } = this.#core.store;
    while (!this.#room.isEmpty && (!this.takesWrites || (this.hasRoom && (index.hasSlot || !this.#core.waitsForSlots)))) {
      const waiter = this.#room.removeFirst() as Waiter;
      waiter.op.resume();
    }
  }
}
