import {
  type AbortVerdict,
  type BatchClock,
  BLOCK_ABORT,
  BLOCK_RESET,
  type BlockDevice,
  BlockIo,
  clockOf,
} from '@biodone/blockdev';
import { SoftInterrupt } from '@biodone/sync';
import { EAGAIN, EBADF, ECANCELED, EDEADLK, EINVAL, ENOTSUP, SystemError } from '@biodone/uring';
import type { AioOp } from './aio-op.js';
import type { PoolService } from './service.js';
import { ServiceMemory } from './service-memory.js';
import { unwatchExit, watchExit } from './threads/exit-watch.js';
import { CLOSING, COMPLETED, OWNER_SLEEPS } from './threads/memory-layout.js';
import { NUDGE_MS, Nudge } from './threads/nudge.js';
import { OperationTable } from './threads/operation-table.js';
import { checkOptions, handleFor, type ServiceThreadsOptions, threadsDefault } from './threads/options.js';
import { type OwnerDoor, openOwnerDoor } from './threads/owner-door.js';
import { RecordWriter, refusalOf } from './threads/record-writer.js';
import { type GatedService, ServiceGate } from './threads/service-gate.js';
import { SharedObjects } from './threads/shared-objects.js';
import { SlotQueue } from './threads/slot-queue.js';
import { withdraw } from './threads/slot-states.js';
import { type ServiceThreadsStatistics, statusOfThreads } from './threads/statistics.js';
import { LIVENESS_POLL_MAX_MS, LIVENESS_POLL_MS, ThreadKeeper } from './threads/thread-keeper.js';
import { wakeHelper } from './threads/wake-threads.js';

/** Of an operation that is described: it is done without an error, or will be. */
const DONE = -1;
const LATER = -2;

/**
 * Serves a pool with threads, each with a channel of the device of its own. This is the pool's side: it hands operations over by shared memory, and
 * takes the completions. Everything here is for the thread that made it.
 *
 * Threads are started when operations wait and all threads are busy, and end when they have had nothing to do for a while. Idle, they and the pool
 * cost no CPU time. A thread that dies is replaced: what it had begun ends with EIO, what it had not goes to another one. If threads die at once
 * again and again, operations end with EIO as long as none serves, and a warning BIODONE_SERVICE_THREAD names the error.
 */
export class ServiceThreads implements PoolService {
  /** Called when the device is closed, which waits for {@link close} then. */
  onDeviceClosed: (() => void) | null = null;
  readonly #device: BlockDevice;
  readonly #memory: ServiceMemory;
  readonly #clock: BatchClock;
  readonly #door: OwnerDoor;
  readonly #records: RecordWriter;
  readonly #table: OperationTable;
  readonly #keeper: ThreadKeeper;
  readonly #nudge: Nudge;
  /** Operations that the threads do not know of yet: they are handed over together. */
  readonly #started: SlotQueue;
  readonly #gate: ServiceGate;
  readonly #handOver: SoftInterrupt;
  readonly #deliver: SoftInterrupt;
  #delivering = false;
  /** How many operations have been delivered, ever. */
  #delivered = 0;
  #lookedAtMs = 0;
  #closing = false;
  #closed = false;

  /**
   * @param depth how many operations there can be at a time, 1 to 65536
   * @param threads how many threads there can be, 1 to 1024; more than CPUs where they block
   * @throws RangeError ERR_OUT_OF_RANGE; SystemError ENOTSUP for a device that one thread alone can use, EBADF for one that is closed, EMFILE and the
   * like. Nothing is held then.
   */
  constructor(device: BlockDevice, depth: number, threads: number = threadsDefault(), options: ServiceThreadsOptions = {}) {
    const checked = checkOptions(depth, threads, options);
    const handle = handleFor(device, checked.claim);
    const memory = ServiceMemory.create(depth, threads);
    const objects = new SharedObjects((message) => this.#keeper.tell(message));
    this.#device = device;
    this.#memory = memory;
    this.#clock = clockOf(checked.timers);
    this.#records = new RecordWriter(memory, objects);
    this.#table = new OperationTable(memory, this.#records);
    this.#started = new SlotQueue(memory.size);
    this.#handOver = new SoftInterrupt(() => this.flush());
    this.#deliver = new SoftInterrupt((budget) => this.#reap(budget));
    this.#door = openOwnerDoor(memory.words, () => this.#deliver.schedule());
    this.#keeper = new ThreadKeeper({
      ...checked,
      memory,
      handle,
      ownerFd: this.#door.eventFd,
      known: () => objects.all(),
      reclaim: (thread) => {
        this.#table.reclaim(thread);
        this.#deliver.schedule();
      },
      failWaiting: () => {
        this.#table.failWaiting();
        this.#deliver.schedule();
      },
    });
    this.#nudge = new Nudge(memory, this.#keeper, checked.timers, () => this.#deliver.schedule());
    this.#gate = new ServiceGate(this.#asGated());
    device.hold(this.#gate);
    watchExit(this.#keeper);
  }

  /** As {@link PoolService.startedMax}: for as many as it was made for, or a few more. */
  get startedMax(): number {
    return this.#memory.size;
  }

  /** As {@link PoolService.start}. @throws SystemError EAGAIN if `depth` operations are in flight, which the pool sees to */
  start(op: AioOp): void {
    const slot = this.#table.take(op);
    if (slot < 0) throw new SystemError(EAGAIN, 'start', undefined, `${this.#memory.size} operations are in flight`);
    const refused = this.#describe(op, slot);
    if (refused !== 0) {
      if (refused !== LATER) this.#fail(slot, Math.max(0, refused));
      return;
    }
    this.#started.push(slot);
    // What a callback starts is handed over when the last one has run.
    if (!this.#delivering) this.#handOver.schedule();
  }

  /** As {@link PoolService.abort}: of an operation that a thread has, the thread is told, and the answer is `'in-progress'`. */
  abort(op: AioOp): AbortVerdict {
    const slot = this.#table.slotOf(op);
    if (slot < 0) return 'done';
    if (slot === this.#gate.resetSlot) return 'in-progress';
    const verdict = this.#started.remove(slot) ? 'cancelled' : withdraw(this.#memory, slot);
    if (verdict === 'cancelled') this.#fail(slot, ECANCELED);
    return verdict;
  }

  /** Hands over what has been started, unless the device is quiesced. Returns how many operations that were. */
  flush(): number {
    const count = this.#started.length;
    if (count === 0 || this.#gate.paused) return 0;
    const memory = this.#memory;
    memory.enter();
    for (let index = 0; index < count; index++) memory.pushSubmission(this.#started.shift());
    wakeHelper(memory, false);
    memory.lock.exit();
    if (memory.alive === 0) this.#keeper.grow();
    this.#nudge.arm();
    this.#rest();
    return count;
  }

  poll(): number {
    this.flush();
    const before = this.#delivered;
    // Not by what it returns: a callback that throws ends a run that has delivered something.
    this.#deliver.runNow(this.#table.outstanding);
    return this.#delivered - before;
  }

  /**
   * As {@link PoolService.wait}. It is a system call, so that a signal ends it; only where there is no eventfd, a signal does not. Nor does one that comes
   * just when this looks after its threads: first after 50 ms, then ever more seldom, some microseconds each time.
   *
   * @throws SystemError EDEADLK if all that is in flight waits until the device is no longer quiesced
   */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    const before = this.#delivered;
    const deadlineMs = performance.now() + timeoutMs;
    let lookInMs = LIVENESS_POLL_MS;
    for (;;) {
      this.poll();
      const count = this.#delivered - before;
      if (count > 0 || this.#table.outstanding === 0) return count;
      if (this.#gate.holdsAll) throw quiesced();
      const remainingMs = deadlineMs - performance.now();
      if (!(remainingMs > 0)) return 'ETIME';
      // poll() has said that this thread sleeps. What was completed just before that nobody wakes it for: that was left to a microtask, for which it would
      // have to return. Pairs with the compareExchange in ServiceMemory.pushCompleted().
      if (Atomics.load(this.#memory.words, COMPLETED) !== 0) continue;
      const ended = this.#door.wait(Math.min(remainingMs, this.#nudge.armed ? NUDGE_MS : lookInMs));
      this.#clock.forget();
      if (ended === 'EINTR') return this.poll() || 'EINTR';
      if (ended === 'ETIME') {
        this.#lookAfterThreads();
        // The longer it lasts the more seldom, since a signal that comes during a look ends no system call, and this wait would go on.
        lookInMs = Math.min(lookInMs * 2, LIVENESS_POLL_MAX_MS);
      } else {
        // Perhaps by a thread that dies, and has completed nothing.
        lookInMs = LIVENESS_POLL_MS;
      }
    }
  }

  /** As {@link PoolService.beforeSleep}. It looks after the threads as {@link wait} does, and as often. */
  beforeSleep(vain: number): number {
    if (vain > 0) this.#lookAfterThreads();
    this.#clock.forget();
    const isTold = this.#door.eventFd >= 0 && this.#table.outstanding > 0 && this.#started.length === 0 && !this.#gate.holdsAll;
    // As in wait(): poll() has said that this thread sleeps.
    if (!isTold || Atomics.load(this.#memory.words, COMPLETED) !== 0) return 0;
    return this.#nudge.armed ? NUDGE_MS : Math.min(LIVENESS_POLL_MS * 2 ** vain, LIVENESS_POLL_MAX_MS);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.flush();
    this.#keeper.tellClosed(CLOSING);
    // The workers' 'exit' events need this thread's event loop, and workers that nothing refers to would not keep it going.
    this.#closing = true;
    this.#door.hold(true);
    await this.#keeper.close();
    this.#free();
  }

  closeSync(timeoutMs: number): boolean {
    if (this.#closed) return true;
    this.flush();
    this.#keeper.tellClosed(CLOSING);
    if (!this.#keeper.closeSync(timeoutMs)) return false;
    this.#free();
    return true;
  }

  /** What the threads are doing, and have done. Exact for what has been delivered; the rest is of a moment ago. */
  statistics(): ServiceThreadsStatistics {
    return { threads: statusOfThreads(this.#memory), inFlight: this.#table.outstanding, ...this.#keeper.history };
  }

  /** All threads have ended: nothing is held any more. */
  #free(): void {
    // By who blocks, while another call waits for the workers' events.
    if (this.#closed) return;
    this.#closed = true;
    this.#nudge.cancel();
    this.poll();
    unwatchExit(this.#keeper);
    this.#door.close();
    this.#device.release(this.#gate);
  }

  /** Writes an operation down. Returns 0, the errno that it gets instead, DONE or LATER. */
  #describe(op: AioOp, slot: number): number {
    if (this.#device.closed) return EBADF;
    if (this.#gate.resetSlot >= 0 && op.operation !== BLOCK_ABORT) return ECANCELED;
    if (op.operation >= BLOCK_RESET) return this.#manage(op, slot);
    const refused = refusalOf(op);
    if (refused === 0) this.#records.write(op, slot);
    return refused;
  }

  /** What is about other operations is not for a channel, which knows its own alone. */
  #manage(op: AioOp, slot: number): number {
    const { operation, target } = op;
    if (operation === BLOCK_RESET) {
      this.#gate.reset(slot);
      return LATER;
    }
    if (operation !== BLOCK_ABORT) return ENOTSUP;
    if (!(target instanceof BlockIo) || target === op) return EINVAL;
    op.verdict = this.abort(target as AioOp);
    return DONE;
  }

  /** This service, as its gate sees it. */
  #asGated(): GatedService {
    const table = this.#table;
    const started = this.#started;
    const fail = (slot: number, error: number): void => this.#fail(slot, error);
    return {
      get outstanding() {
        return table.outstanding;
      },
      get unknown() {
        return started.length;
      },
      get undelivered() {
        return table.doneCount;
      },
      abortAll: (but) => {
        for (const op of table.all()) if (op.slot !== but) this.abort(op);
      },
      cancelUnknown: () => {
        while (started.length > 0) fail(started.shift(), ECANCELED);
      },
      complete: (slot) => fail(slot, 0),
      handOver: () => this.#handOver.schedule(),
      deviceClosed: () => this.onDeviceClosed?.(),
    };
  }

  /** Completes an operation that no thread has, soon. */
  #fail(slot: number, error: number): void {
    this.#table.fail(slot, error);
    this.#deliver.schedule();
  }

  /** Delivers completions, and sees to it that the next one will be noticed. */
  #reap(budget: number): number {
    const table = this.#table;
    // Nobody needs to wake who is awake.
    if (this.#memory.words[OWNER_SLEEPS] !== 0) Atomics.store(this.#memory.words, OWNER_SLEEPS, 0);
    const outer = this.#delivering;
    this.#delivering = true;
    let count = 0;
    try {
      while (count < budget && (table.someDone || table.collect())) {
        const op = table.next();
        count += 1;
        this.#delivered += 1;
        if (table.outstanding === 1) this.#gate.look();
        op.iodone?.(op);
      }
    } finally {
      this.#delivering = outer;
      if (table.someDone) this.#deliver.schedule();
      if (this.flush() === 0) this.#rest();
      this.#gate.look();
    }
    return count;
  }

  /** Arranges to be woken by the threads while operations are with them, and keeps the process alive as long. */
  #rest(): void {
    const outstanding = this.#table.outstanding > 0;
    this.#door.hold(outstanding || this.#closing);
    const { words } = this.#memory;
    if (!outstanding) return;
    // Pairs with the loads in CompletedList.push() and wakeOwner(): a thread sees this, or its completion is seen below.
    if (words[OWNER_SLEEPS] === 0) Atomics.store(words, OWNER_SLEEPS, 1);
    // Also where this thread has been about to sleep before: who is awake need not wait to be told.
    if (Atomics.load(words, COMPLETED) === 0) this.#door.arm();
    else this.#deliver.schedule();
  }

  /** For an owner that blocks, whose timers stand still and whose workers' events do not come. */
  #lookAfterThreads(): void {
    this.#nudge.runNow();
    const nowMs = performance.now();
    if (nowMs - this.#lookedAtMs < LIVENESS_POLL_MS) return;
    this.#lookedAtMs = nowMs;
    this.#keeper.look();
  }
}

function quiesced(): SystemError {
  return new SystemError(EDEADLK, 'wait', undefined, 'the device is quiesced, and all that is in flight waits for resume()');
}
