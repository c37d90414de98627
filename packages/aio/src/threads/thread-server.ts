import type { MessagePort } from 'node:worker_threads';
import { attachDevice, type BlockDevice, type BlockIo } from '@biodone/blockdev';
import type { KCondvar } from '@biodone/sync';
import { ECANCELED, probe, RingWaker, type ThreadRing, threadRing } from '@biodone/uring';
import { ServiceMemory } from '../service-memory.js';
import { BatchSize } from './batch-size.js';
import { CompletedList } from './completed-list.js';
import {
  ABORT,
  CLOSED,
  EXITING,
  SLOT_BEGUN,
  STARTED,
  STATE,
  THREAD_ABORTS,
  THREAD_CPU,
  THREAD_DYING,
  THREAD_IDLE,
  THREAD_IN_KERNEL,
  THREAD_LEAVING,
  THREAD_LEFT,
  THREAD_PACE,
  THREAD_RUNNING,
  THREAD_SERVED,
  THREAD_STATE,
  THREAD_WAKE_UPS,
  THREAD_WAKER,
} from './memory-layout.js';
import { wakeOwner } from './owner-wake.js';
import { ServedIo } from './served-io.js';
import type { ServiceThreadData } from './thread-data.js';
import { bind } from './thread-facts.js';
import { ThreadObjects } from './thread-objects.js';
import { wakeHelper } from './wake-threads.js';

/**
 * How long a thread blocks in the kernel at most. It is woken long before, by an eventfd; but Node cannot terminate a thread that is in a system
 * call, and when the thread that owns the pool is terminated nobody is left to wake its service threads.
 */
const IN_KERNEL_MS = 250;

/** How many completions a thread keeps before it pushes them: so the pool's thread gets on with them while this one does the rest. */
const COMPLETED_MAX = 16;

/** Where a service thread can be stopped by whoever runs it by its {@link ThreadServer.steps}, or die. */
export type ThreadStep =
  /** It has operations, of which none is begun. */
  | 'taken'
  /** It is about to begin one. */
  | 'begin'
  /** It has completed some, and has not told of them. */
  | 'completed'
  /** It has pushed those, and is about to look for more. */
  | 'pushed'
  /** It has nothing to do but to wait for its device. */
  | 'device'
  /** It sleeps until it is signalled, or for {@link ThreadServer.sleepMs}, and owns the lock, which the sleep lets go of. It is told whether it was signalled. */
  | 'sleep';

/** What is other in a thread that is none: see `steppedThreads`. */
export interface ThreadSurroundings {
  /** The clock by which it takes more or fewer operations at a time, in milliseconds. */
  readonly now: () => number;
  /** Whether it is a thread of its own, with a number, a CPU and a ring. */
  readonly isThread: boolean;
}

const REAL: ThreadSurroundings = { now: () => performance.now(), isThread: true };

/**
 * What a service thread does: it takes operations from the pool's submission queue, starts them on its own channel of the device, and pushes them
 * on the list of completed ones. It serves many at once, and nothing that it calls waits for one of them, but for the device itself, where that
 * has no other way than to block (files without io_uring). Idle, it sleeps on the pool's `pending` condition.
 */
export class ThreadServer {
  readonly #data: ServiceThreadData;
  readonly #memory: ServiceMemory;
  readonly #pending: KCondvar;
  readonly #objects: ThreadObjects;
  readonly #device: BlockDevice;
  readonly #ring: ThreadRing | null;
  readonly #waker: RingWaker | null;
  /** Whether the device does what it is asked for in the call, so that nothing is ever under way here. */
  readonly #blocking: boolean;
  readonly #batch: BatchSize;
  readonly #isStepped: boolean;
  /** Index of this thread's words. */
  readonly #at: number;
  readonly #taken: Int32Array;
  #takenCount = 0;
  readonly #free: ServedIo[] = [];
  /** Those that are with the device, by slot. */
  readonly #begun: (ServedIo | null)[];
  #inFlight = 0;
  readonly #completed: CompletedList;
  #ended = false;
  /** Whether it has had nothing to do for so long that it ends. */
  #leaving = false;
  /** How long it sleeps at most, when it does. */
  sleepMs = 0;

  /** @throws what the channel of the device cannot be opened with: the thread ends by that */
  constructor(data: ServiceThreadData, port: MessagePort, { now, isThread }: ThreadSurroundings = REAL) {
    this.#data = data;
    this.#batch = new BatchSize(now);
    this.#isStepped = !isThread;
    this.#memory = new ServiceMemory(data.memory);
    const { words, size } = this.#memory;
    this.#at = this.#memory.threadAt(data.index);
    this.#completed = new CompletedList(this.#memory, data.ownerFd);
    this.#pending = this.#memory.pending[data.index] as KCondvar;
    if (isThread) {
      process.once('exit', () => this.#tellDeath());
      words[this.#at + THREAD_CPU] = bind(data.cpu);
    }
    this.#objects = new ThreadObjects(this.#memory, port, data.known, data.messages);
    // A thread that blocks in the kernel needs no event loop to hear of completions.
    this.#ring = isThread && data.eventFd >= 0 && probe().available ? threadRing({ eventLoop: false }) : null;
    this.#waker = this.#ring === null ? null : new RingWaker(this.#ring, data.eventFd);
    this.#device = attachDevice(data.device);
    this.#blocking = this.#device.capabilities.progress !== 'any';
    this.#taken = new Int32Array(BatchSize.MAX);
    this.#begun = new Array<ServedIo | null>(size).fill(null);
  }

  /** Serves until the pool is closed, or there has been nothing to do for a while. */
  async run(): Promise<void> {
    const steps = this.steps();
    for (let step = steps.next(); step.done !== true; ) {
      if (step.value === 'device') this.#device.wait(IN_KERNEL_MS);
      step = steps.next(step.value === 'sleep' && this.#pending.timedWait(this.#memory.lock, this.sleepMs));
    }
    const { words } = this.#memory;
    if (words[CLOSED] === EXITING) return;
    await this.close();
    // Pairs with the load and the wait in ThreadKeeper.closeSync(), for an owner that does not hear of the worker's exit.
    Atomics.store(words, this.#at + THREAD_STATE, THREAD_LEFT);
    Atomics.notify(words, this.#at + THREAD_STATE);
  }

  /**
   * The same, step by step. Nobody but the next step may be run while it is stopped at `'sleep'`, until the lock has been let go of. All steps are in
   * this one generator: each call of another one would make objects, each time that the thread looks for operations.
   */
  *steps(): Generator<ThreadStep, void, boolean> {
    const { words } = this.#memory;
    // Pairs with the wait in ThreadKeeper.awaitStart().
    Atomics.add(words, STARTED, 1);
    Atomics.notify(words, STARTED);
    for (;;) {
      this.#enter();
      while (this.#mayRest) {
        this.#fallAsleep();
        const woken = yield 'sleep';
        if (!this.#wakeUp(woken)) break;
      }
      if (!this.#take()) break;
      const count = this.#takenCount;
      if (count > 0) {
        if (this.#isStepped) yield 'taken';
        this.#objects.receive();
        this.#batch.begin();
        for (let index = 0; index < count; index++) {
          if (this.#isStepped) yield 'begin';
          this.#begin(this.#taken[index] as number);
          if (this.#completed.count >= COMPLETED_MAX) this.#completed.push(this.#batch.paceNs);
        }
        this.#started();
        // What an abort has completed is told before this thread blocks.
      } else if (this.#inFlight > 0 && this.#completed.count === 0) yield 'device';
      if (this.#isStepped) yield 'completed';
      this.#completed.push(this.#batch.paceNs);
      if (this.#isStepped) yield 'pushed';
    }
    this.#ended = true;
  }

  /** Closes its channel, when it has nothing any more. */
  async close(): Promise<void> {
    await this.#device.close();
    this.#waker?.close();
    this.#ring?.closeSync();
  }

  /** Is about to look for operations: owns the lock from here on. */
  #enter(): void {
    if (this.#inFlight > 0) this.#waker?.arm();
    this.#memory.enter();
    this.#memory.takeWaker(this.#data.index);
    this.#memory.words[this.#at + THREAD_STATE] = THREAD_RUNNING;
  }

  /** Whether there is nothing to take, nothing under way, and no reason to end. */
  get #mayRest(): boolean {
    return this.#memory.submissions === 0 && this.#inFlight === 0 && this.#memory.words[CLOSED] === 0;
  }

  /**
   * Takes operations, which the thread does not leave to others, and gives the lock back. With some under way and none to take, it says that this thread is
   * about to block in the kernel. Returns false when this thread is to end.
   */
  #take(): boolean {
    const memory = this.#memory;
    const { words } = memory;
    this.#takenCount = 0;
    if (this.#leaving) {
      words[this.#at + THREAD_STATE] = THREAD_LEAVING;
      memory.lock.exit();
      return false;
    }
    const waiting = memory.submissions;
    // Another thread may have taken what this one has held completions back for.
    if (waiting === 0) this.#completed.tell();
    // Whoever leaves something wakes the next.
    this.#takenCount = Math.min(this.#batch.size, Math.ceil(waiting / wakeHelper(memory, false)));
    for (let index = 0; index < this.#takenCount; index++) this.#taken[index] = memory.takeSubmission(this.#data.index);
    if (waiting === 0 && this.#inFlight > 0 && this.#waker !== null) {
      words[this.#at + THREAD_WAKER] = this.#waker.eventFd + 1;
      words[this.#at + THREAD_STATE] = THREAD_IN_KERNEL;
    }
    const aborts = words[this.#at + THREAD_ABORTS] as number;
    words[this.#at + THREAD_ABORTS] = 0;
    const open = words[CLOSED] === 0 || (words[CLOSED] !== EXITING && (waiting > 0 || this.#inFlight > 0));
    if (!open) words[this.#at + THREAD_STATE] = THREAD_LEAVING;
    memory.lock.exit();
    if (aborts > 0) this.#abort();
    return open;
  }

  /** Is about to sleep on `pending`. Owns the lock before and after the sleep. */
  #fallAsleep(): void {
    const memory = this.#memory;
    const { idleMs, threadsMin } = this.#data;
    this.#completed.tell();
    const mayEnd = memory.alive > threadsMin;
    memory.words[this.#at + THREAD_STATE] = THREAD_IDLE;
    this.sleepMs = mayEnd ? idleMs : Number.POSITIVE_INFINITY;
  }

  /** Has slept. Returns false if nothing came for so long that this thread may end, and does. */
  #wakeUp(woken: boolean): boolean {
    const memory = this.#memory;
    const { words } = memory;
    if (memory.lock.ownerDied()) memory.repair();
    words[this.#at + THREAD_STATE] = THREAD_RUNNING;
    words[this.#at + THREAD_WAKE_UPS] = (words[this.#at + THREAD_WAKE_UPS] as number) + 1;
    this.#leaving = !(woken || memory.submissions > 0 || words[CLOSED] !== 0 || memory.alive <= this.#data.threadsMin);
    return !this.#leaving;
  }

  /** Those that were taken are begun. */
  #started(): void {
    if (!this.#blocking) this.#device.poll();
    this.#batch.end(this.#takenCount);
    this.#memory.words[this.#at + THREAD_PACE] = this.#batch.paceNs;
  }

  #begin(slot: number): void {
    const { words, records } = this.#memory;
    const at = this.#memory.slotAt(slot);
    const io = this.#free.pop() ?? new ServedIo();
    io.read(records, slot, this.#objects);
    // Before the answer takes the place of the question: of what it finds in this state nobody begins anything.
    words[at + STATE] = SLOT_BEGUN;
    if (words[at + ABORT] !== 0) {
      io.error = ECANCELED;
      io.transferredBytes = 0;
      this.#done(io);
      return;
    }
    if (this.#blocking) {
      this.#device.strategySync(io);
      this.#done(io);
      return;
    }
    this.#inFlight += 1;
    this.#begun[slot] = io;
    io.iodone = this.#iodone;
    this.#device.strategy(io);
  }

  readonly #iodone = (io: BlockIo): void => {
    this.#inFlight -= 1;
    this.#begun[(io as ServedIo).slot] = null;
    this.#done(io as ServedIo);
  };

  #done(io: ServedIo): void {
    const { words, records } = this.#memory;
    io.write(records);
    this.#completed.add(io.slot);
    words[this.#at + THREAD_SERVED] = ((words[this.#at + THREAD_SERVED] as number) + 1) | 0;
    this.#free.push(io);
  }

  /** Passes on that somebody wants operations to end which are with the device. What becomes of them is their own answer. */
  #abort(): void {
    const { words } = this.#memory;
    for (const io of this.#begun) {
      if (io === null) continue;
      const index = this.#memory.slotAt(io.slot) + ABORT;
      if (words[index] !== 1) continue;
      words[index] = 2;
      this.#device.abort(io);
    }
  }

  /** The pool's thread may block, and then has no event loop that hears of the end of a worker. */
  #tellDeath(): void {
    if (this.#ended) return;
    this.#memory.words[this.#at + THREAD_STATE] = THREAD_DYING;
    wakeOwner(this.#memory.words, this.#data.ownerFd);
  }
}
