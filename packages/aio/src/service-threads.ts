import { type AbortVerdict, BLOCK_ABORT, BLOCK_RESET, type BlockDevice, BlockIo, IO_STARTED } from '@biodone/blockdev';
import { SoftInterrupt } from '@biodone/sync';
import { EAGAIN, EBADF, ECANCELED, EINVAL, EIO, ENOTSUP, SystemError } from '@biodone/uring';
import type { AioOp } from './aio-op.js';
import type { PoolService } from './service.js';
import { ServiceMemory } from './service-memory.js';
import { unwatchExit, watchExit } from './threads/exit-watch.js';
import { ABORT, CLOSING, COMPLETED, LINK, OWNER_SLEEPS, SLOT_FREE, STATE, THREAD } from './threads/memory-layout.js';
import { checkOptions, handleFor, type ServiceThreadsOptions, threadsDefault } from './threads/options.js';
import { type OwnerDoor, openOwnerDoor } from './threads/owner-door.js';
import { RecordWriter } from './threads/record-writer.js';
import { SharedObjects } from './threads/shared-objects.js';
import { SlotQueue } from './threads/slot-queue.js';
import { reclaimSlots, takeQueued, withdraw } from './threads/slot-states.js';
import { type ServiceThreadsStatistics, statusOfThreads } from './threads/statistics.js';
import { ThreadKeeper } from './threads/thread-keeper.js';
import { wakeOne } from './threads/wake-threads.js';

/** How long an owner that blocks goes without a look for threads that have died. */
const LIVENESS_POLL_MS = 50;

/**
 * Serves a pool with threads, each with a channel of the device. This is the pool's side: it hands operations over by shared memory, and takes the
 * completions. Everything here is for the thread that made it.
 */
export class ServiceThreads implements PoolService {
  readonly #device: BlockDevice;
  readonly #memory: ServiceMemory;
  readonly #door: OwnerDoor;
  readonly #objects: SharedObjects;
  readonly #records: RecordWriter;
  readonly #keeper: ThreadKeeper;
  /** By slot. */
  readonly #ops: (AioOp | null)[];
  readonly #free: Int32Array;
  #freeCount: number;
  /** Operations that the threads do not know of yet: they are handed over together. */
  readonly #started: SlotQueue;
  /** Operations that are done, and whose owner has not heard of it. */
  readonly #done: SlotQueue;
  readonly #handOver: SoftInterrupt;
  readonly #deliver: SoftInterrupt;
  #delivering = false;
  #closing = false;
  /** How many operations have been delivered, ever. */
  #delivered = 0;

  /**
   * @throws RangeError ERR_OUT_OF_RANGE; SystemError ENOTSUP for a device that one thread alone can use, EBADF for one that is closed, EMFILE and the
   * like. Nothing is held then.
   */
  constructor(device: BlockDevice, depth: number, threads: number = threadsDefault(), options: ServiceThreadsOptions = {}) {
    const checked = checkOptions(depth, threads, options);
    const handle = handleFor(device, checked.claim);
    const memory = ServiceMemory.create(depth, threads);
    this.#device = device;
    this.#memory = memory;
    this.#ops = new Array<AioOp | null>(memory.size).fill(null);
    // From the end, so that the first slots are used first, and most.
    this.#free = Int32Array.from({ length: memory.size }, (_, index) => memory.size - 1 - index);
    this.#freeCount = memory.size;
    this.#started = new SlotQueue(memory.size);
    this.#done = new SlotQueue(memory.size);
    this.#handOver = new SoftInterrupt(() => this.flush());
    this.#deliver = new SoftInterrupt((budget) => this.#reap(budget));
    this.#objects = new SharedObjects((message) => this.#keeper.tell(message));
    this.#records = new RecordWriter(memory, this.#objects);
    this.#door = openOwnerDoor(memory.words, () => this.#deliver.schedule());
    this.#keeper = new ThreadKeeper({
      ...checked,
      memory,
      handle,
      ownerFd: this.#door.eventFd,
      known: () => this.#objects.all(),
      reclaim: (thread) => this.#reclaim(thread),
      failWaiting: () => this.#failWaiting(),
    });
    device.hold();
    watchExit(this.#keeper);
  }

  start(op: AioOp): void {
    if (this.#freeCount === 0) throw new SystemError(EAGAIN, 'start', undefined, `${this.#memory.size} operations are in flight`);
    this.#freeCount -= 1;
    const slot = this.#free[this.#freeCount] as number;
    op.state = IO_STARTED;
    op.slot = slot;
    this.#ops[slot] = op;
    const refused = this.#describe(op, slot);
    if (refused === 0) {
      this.#started.push(slot);
      // What a callback starts is handed over when the last one has run.
      if (!this.#delivering) this.#handOver.schedule();
    } else {
      this.#fail(slot, Math.max(0, refused));
    }
  }

  abort(op: AioOp): AbortVerdict {
    const { slot } = op;
    if (this.#ops[slot] !== op) return 'done';
    if (this.#started.remove(slot)) {
      this.#fail(slot, ECANCELED);
      return 'cancelled';
    }
    const verdict = withdraw(this.#memory, slot);
    if (verdict === 'cancelled') this.#fail(slot, ECANCELED);
    return verdict;
  }

  /** Hands over what has been started. Returns how many operations that were. */
  flush(): number {
    const count = this.#started.length;
    if (count === 0) return 0;
    const memory = this.#memory;
    memory.enter();
    for (let index = 0; index < count; index++) memory.pushSubmission(this.#started.shift());
    wakeOne(memory);
    memory.lock.exit();
    this.#keeper.grow();
    this.#rest();
    return count;
  }

  poll(): number {
    this.flush();
    const before = this.#delivered;
    // Not by what it returns: a callback that throws ends a run that has delivered something.
    this.#deliver.runNow(this.#outstanding);
    return this.#delivered - before;
  }

  /** As {@link PoolService.wait}. It is a system call, so that a signal ends it; only where there is no eventfd, a signal does not. */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    const before = this.#delivered;
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      this.poll();
      const count = this.#delivered - before;
      if (count > 0 || this.#outstanding === 0) return count;
      const remainingMs = deadlineMs - performance.now();
      if (!(remainingMs > 0)) return 'ETIME';
      // poll() has said that this thread sleeps, and has looked since.
      const ended = this.#door.wait(Math.min(remainingMs, LIVENESS_POLL_MS));
      if (ended === 'EINTR') return this.poll() || 'EINTR';
      if (ended === 'ETIME') this.#keeper.look();
    }
  }

  async close(): Promise<void> {
    this.flush();
    this.#keeper.tellClosed(CLOSING);
    // The workers' 'exit' events need this thread's event loop, and workers that nothing refers to would not keep it going.
    this.#closing = true;
    this.#door.hold(true);
    await this.#keeper.close();
    this.poll();
    unwatchExit(this.#keeper);
    this.#door.close();
    this.#device.release();
  }

  statistics(): ServiceThreadsStatistics {
    return { threads: statusOfThreads(this.#memory), inFlight: this.#outstanding, ...this.#keeper.history };
  }

  get #outstanding(): number {
    return this.#memory.size - this.#freeCount;
  }

  /** Writes an operation down. Returns 0, the errno that it gets instead, or -1 if it is done without an error. */
  #describe(op: AioOp, slot: number): number {
    const at = this.#memory.slotAt(slot);
    this.#memory.words[at + ABORT] = 0;
    this.#memory.words[at + THREAD] = 0;
    if (this.#device.closed) return EBADF;
    if (op.operation >= BLOCK_RESET) return this.#manage(op);
    try {
      this.#records.write(op, slot);
      return 0;
    } catch {
      // What is no number, as a BigInt.
      return EINVAL;
    }
  }

  /** What is about other operations is not for a channel, which knows its own alone. */
  #manage(op: AioOp): number {
    if (op.operation !== BLOCK_ABORT) return ENOTSUP;
    const { target } = op;
    if (!(target instanceof BlockIo) || target === op) return EINVAL;
    op.verdict = this.abort(target as AioOp);
    return -1;
  }

  /** Completes an operation that no thread has, soon. */
  #fail(slot: number, error: number): void {
    this.#records.fail(slot, error);
    this.#done.push(slot);
    this.#deliver.schedule();
  }

  /** Delivers completions, and sees to it that the next one will be noticed. */
  #reap(budget: number): number {
    // Nobody needs to wake who is awake.
    if (this.#memory.words[OWNER_SLEEPS] !== 0) Atomics.store(this.#memory.words, OWNER_SLEEPS, 0);
    const outer = this.#delivering;
    this.#delivering = true;
    let count = 0;
    try {
      while (count < budget && (this.#done.length > 0 || this.#collect())) {
        count += 1;
        this.#complete(this.#done.shift());
      }
    } finally {
      this.#delivering = outer;
      if (this.#done.length > 0) this.#deliver.schedule();
      if (this.flush() === 0) this.#rest();
    }
    return count;
  }

  /** Takes what the threads have completed, in order. False if that is nothing. */
  #collect(): boolean {
    const { words } = this.#memory;
    let link = this.#memory.takeCompleted();
    if (link === 0) return false;
    let count = 0;
    for (; link !== 0; count++) {
      const slot = link - 1;
      const at = this.#memory.slotAt(slot);
      words[at + STATE] = SLOT_FREE;
      link = words[at + LINK] as number;
      this.#done.push(slot);
    }
    this.#done.reverseLast(count);
    return true;
  }

  #complete(slot: number): void {
    const op = this.#ops[slot] as AioOp;
    this.#ops[slot] = null;
    this.#free[this.#freeCount] = slot;
    this.#freeCount += 1;
    op.slot = -1;
    this.#records.read(op, slot);
    this.#delivered += 1;
    op.iodone?.(op);
  }

  /** Arranges to be woken by the threads while operations are with them, and keeps the process alive as long. */
  #rest(): void {
    const outstanding = this.#outstanding > 0;
    this.#door.hold(outstanding || this.#closing);
    const { words } = this.#memory;
    if (!outstanding || words[OWNER_SLEEPS] === 1) return;
    // Pairs with the load in wakeOwner(): a thread sees this, or its completion is seen below.
    Atomics.store(words, OWNER_SLEEPS, 1);
    if (Atomics.load(words, COMPLETED) === 0) this.#door.arm();
    else this.#deliver.schedule();
  }

  #reclaim(thread: number): void {
    this.#collect();
    reclaimSlots(this.#memory, thread, (slot, isAnswered) => {
      if (isAnswered) this.#done.push(slot);
      else this.#fail(slot, EIO);
    });
    this.#deliver.schedule();
  }

  #failWaiting(): void {
    takeQueued(this.#memory, (slot) => this.#fail(slot, EIO));
  }
}
