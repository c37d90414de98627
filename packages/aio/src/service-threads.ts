import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { BlockDevice } from '@biodone/blockdev';
import { IO_DONE, IO_STARTED } from '@biodone/blockdev';
import { SoftInterrupt, TailQueue } from '@biodone/sync';
import { EIO, type IoBuffer, libc, openEventFd, probe, wakeRing } from '@biodone/uring';
import type { AioOp } from './aio-op.js';
import {
  CLOSED,
  CLOSING,
  COMPLETION_TAIL,
  DEAD,
  EXITING,
  MESSAGES,
  OWNER_SLEEPS,
  ServiceMemory,
  type ServiceThreadData,
  SLOT_BUFFER,
  SLOT_BUFFER_OFFSET,
  SLOT_ERROR,
  SLOT_FIELDS,
  SLOT_LENGTH,
  SLOT_OFFSET,
  SLOT_OPERATION,
  SLOT_THREAD,
  SLOT_TRANSFERRED,
  STARTED,
} from './service-memory.js';

/** No thread has this number: they count from 1. */
const ALL_THREADS = 0;

/** The pool's side of its service threads: hands operations over by shared memory, and takes the completions. */
export class ServiceThreads {
  readonly #memory: ServiceMemory;
  readonly #workers: Worker[];
  /** Settled one by one as the threads end. */
  readonly #ended: Promise<unknown>[] = [];
  /** Operations that the threads do not know of yet: they are handed over together. */
  readonly #submitted = new TailQueue<AioOp>();
  readonly #ops: (AioOp | null)[];
  readonly #freeSlots: number[];
  readonly #device: BlockDevice;
  /** The memory that the threads have been sent: how many objects of this thread stand for it, by id. */
  readonly #known = new Map<number, number>();
  readonly #registered = new WeakSet<IoBuffer>();
  readonly #forget: FinalizationRegistry<number>;
  readonly #handOver: SoftInterrupt;
  readonly #deliver: SoftInterrupt;
  #head = 0;
  /** How many operations have been completed, ever. */
  #delivered = 0;
  #sleeping = false;
  #held = false;
  #alive: number;

  constructor(device: BlockDevice, depth: number, threads: number = availableParallelism()) {
    device.hold();
    this.#device = device;
    const memory = ServiceMemory.create(depth, threads);
    this.#memory = memory;
    this.#ops = new Array<AioOp | null>(memory.size).fill(null);
    this.#freeSlots = Array.from({ length: memory.size }, (_, index) => index);
    this.#handOver = new SoftInterrupt(() => this.flush());
    this.#deliver = new SoftInterrupt((budget) => this.#reap(budget));
    this.#forget = new FinalizationRegistry((id) => this.#collected(id));
    this.#alive = threads;
    this.#workers = Array.from({ length: threads }, (_, index) => this.#startWorker(device, index));
    wakeAtExit(this);
  }

  /** Takes an operation for the threads. They hear of it in a microtask, or by {@link flush}. */
  start(op: AioOp): void {
    op.state = IO_STARTED;
    op.error = 0;
    op.transferredBytes = 0;
    op.slot = this.#freeSlots.pop() as number;
    this.#ops[op.slot] = op;
    this.#describe(op);
    this.#submitted.insertTail(op);
    this.#handOver.schedule();
  }

  /** Nothing that the threads have can be ended yet. */
  abort(): 'in-progress' {
    return 'in-progress';
  }

  /** Hands over what has been started. Returns how many operations that were. */
  flush(): number {
    const memory = this.#memory;
    const count = this.#submitted.length;
    if (count === 0) return 0;
    memory.lock.enter();
    let op = this.#submitted.removeFirst();
    while (op !== null) {
      memory.pushSubmission(op.slot);
      op = this.#submitted.removeFirst();
    }
    if (memory.pending.hasWaiters()) {
      if (count === 1) memory.pending.signal();
      else memory.pending.broadcast();
    } else {
      this.#wakeBlocked();
    }
    memory.lock.exit();
    this.#sleep();
    if (this.#alive === 0) this.#failOrphans(ALL_THREADS);
    return count;
  }

  poll(): number {
    this.flush();
    return this.#deliver.runNow(this.#outstanding);
  }

  /** Blocks until the threads have completed something, and delivers it. */
  wait(timeoutMs: number): number | 'ETIME' {
    const before = this.#delivered;
    this.poll();
    // Not by what poll() returned: a callback that throws ends a poll that has delivered something.
    if (this.#delivered !== before || this.#outstanding === 0) return this.#delivered - before;
    const { words, threads } = this.#memory;
    // Pairs with the load in the service thread's notifyOwner(): it sees the flag, or the wait sees its completion.
    Atomics.store(words, OWNER_SLEEPS, 1);
    const ended = Atomics.wait(words, COMPLETION_TAIL, this.#head, timeoutMs);
    if (!this.#sleeping) Atomics.store(words, OWNER_SLEEPS, 0);
    this.poll();
    // The 'exit' event of a thread needs the event loop, which may not run before this returns.
    if (Atomics.load(words, DEAD) === threads) this.#failOrphans(ALL_THREADS);
    const count = this.#delivered - before;
    return count === 0 && ended === 'timed-out' ? 'ETIME' : count;
  }

  /** Ends the threads, which give back what they hold. Nothing is in flight. */
  async close(): Promise<void> {
    live.delete(this);
    if (live.size === 0) process.off('exit', tellAllClosed);
    // A worker that is starting needs this thread's event loop, and an unreferenced one would not keep it going.
    this.#hold(true);
    this.tellClosed(CLOSING);
    await Promise.all(this.#ended);
    this.#device.release();
  }

  /** Lets the threads end by themselves: Node cannot end one that blocks in a system call. */
  tellClosed(how: typeof CLOSING | typeof EXITING): void {
    const { lock, pending, words } = this.#memory;
    // A thread that died inside the lock must not keep the process from ending.
    if (!lock.timedEnter(1000)) return;
    words[CLOSED] = how;
    pending.broadcast();
    this.#wakeBlocked();
    lock.exit();
  }

  /**
   * Blocks until all threads have got through their start. Node ends the threads of a process that exits, and a native module that is
   * loading then aborts the process. The time is limited, since a thread that fails never gets there.
   */
  awaitStart(): void {
    const { words, threads } = this.#memory;
    const deadline = performance.now() + 500;
    for (;;) {
      // Pairs with the add in the service thread.
      const started = Atomics.load(words, STARTED);
      const remainingMs = deadline - performance.now();
      if (started === threads || this.#alive < threads || remainingMs <= 0) return;
      Atomics.wait(words, STARTED, started, remainingMs);
    }
  }

  /** Wakes the threads that block in the kernel until some I/O completes. The caller owns the lock. */
  #wakeBlocked(): void {
    for (let thread = 0; thread < this.#workers.length; thread++) {
      const eventFd = this.#memory.takeWaker(thread);
      if (eventFd >= 0) wakeRing(eventFd);
    }
  }

  get #outstanding(): number {
    return this.#memory.size - this.#freeSlots.length;
  }

  #describe(op: AioOp): void {
    const { slots } = this.#memory;
    const base = op.slot * SLOT_FIELDS;
    slots[base + SLOT_OPERATION] = op.operation;
    slots[base + SLOT_OFFSET] = op.offset;
    slots[base + SLOT_LENGTH] = op.lengthBytes;
    slots[base + SLOT_BUFFER] = op.buffer === null ? 0 : this.#share(op.buffer);
    slots[base + SLOT_BUFFER_OFFSET] = op.bufferOffset;
    slots[base + SLOT_THREAD] = 0;
  }

  /** Sees to it that the threads have the memory, and returns its id. The data itself never travels. */
  #share(buffer: IoBuffer): number {
    if (!this.#registered.has(buffer)) {
      this.#registered.add(buffer);
      this.#forget.register(buffer, buffer.id);
      const objects = this.#known.get(buffer.id) ?? 0;
      this.#known.set(buffer.id, objects + 1);
      if (objects === 0) this.#send({ buffer: buffer.handle() });
    }
    return buffer.id;
  }

  /** The threads let go of memory when the last object that stands for it here has been collected. */
  #collected(id: number): void {
    const objects = (this.#known.get(id) ?? 1) - 1;
    if (objects > 0) {
      this.#known.set(id, objects);
    } else {
      this.#known.delete(id);
      this.#send({ forget: id });
    }
  }

  #send(message: ServiceMessage): void {
    for (const worker of this.#workers) worker.postMessage(message);
    // Pairs with the load in the service thread: messages that it is told of here are in its port.
    Atomics.add(this.#memory.words, MESSAGES, 1);
  }

  /** Delivers completions, and sees to it that the next one will be noticed. */
  #reap(budget: number): number {
    const memory = this.#memory;
    // Pairs with the store in pushCompletion(): the slots before the tail are written.
    const tail = memory.completionTail();
    let count = 0;
    try {
      while (((tail - this.#head) | 0) > 0 && count < budget) {
        const slot = memory.completionAt(this.#head);
        this.#head = (this.#head + 1) | 0;
        count += 1;
        this.#complete(slot);
      }
    } finally {
      if (memory.completionTail() !== this.#head) this.#deliver.schedule();
      else this.#sleep();
    }
    return count;
  }

  #complete(slot: number): void {
    const op = this.#ops[slot] ?? null;
    if (op === null) return;
    const { slots } = this.#memory;
    const base = slot * SLOT_FIELDS;
    this.#ops[slot] = null;
    this.#freeSlots.push(slot);
    op.slot = -1;
    op.error = slots[base + SLOT_ERROR] as number;
    op.transferredBytes = slots[base + SLOT_TRANSFERRED] as number;
    op.state = IO_DONE;
    this.#delivered += 1;
    op.iodone?.(op);
  }

  /** Arranges to be woken by the threads while operations are with them, and keeps the process alive as long. */
  #sleep(): void {
    const outstanding = this.#outstanding > 0;
    this.#hold(outstanding);
    if (!outstanding || this.#sleeping) return;
    const { words } = this.#memory;
    // Pairs with the load in the service thread's notifyOwner(): it sees the flag, or waitAsync sees its completion.
    Atomics.store(words, OWNER_SLEEPS, 1);
    const waiting = waitAsync(words, COMPLETION_TAIL, this.#head);
    if (!waiting.async) {
      Atomics.store(words, OWNER_SLEEPS, 0);
      this.#deliver.schedule();
      return;
    }
    this.#sleeping = true;
    waiting.value.then(() => {
      this.#sleeping = false;
      Atomics.store(words, OWNER_SLEEPS, 0);
      this.#deliver.schedule();
    });
  }

  /** waitAsync does not keep the process alive; the workers do, while there is something to wait for. */
  #hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    for (const worker of this.#workers) {
      if (held) worker.ref();
      else worker.unref();
    }
  }

  #startWorker(device: BlockDevice, index: number): Worker {
    const { shared, size, threads } = this.#memory;
    // Opened here and not by the thread: it must not be another file's while this side may wake by it.
    const eventFd = probe().available ? openEventFd() : -1;
    const workerData: ServiceThreadData = { shared, size, index, threads, eventFd, device: device.handle() };
    const worker = new Worker(new URL('./service-thread.js', import.meta.url), { workerData, name: `aiod${index}` });
    worker.unref();
    this.#ended.push(new Promise((resolve) => worker.once('exit', resolve)));
    worker.on('error', (error) =>
      process.emitWarning(`a service thread died: ${error.message}`, { code: 'BIODONE_SERVICE_THREAD' }),
    );
    worker.on('exit', () => {
      this.#alive -= 1;
      this.#memory.takeWaker(index);
      if (eventFd >= 0) libc().close(eventFd);
      if (this.#memory.words[CLOSED] === 0) this.#failOrphans(this.#alive === 0 ? ALL_THREADS : index + 1);
    });
    return worker;
  }

  /** Completes what a dead thread had, with EIO; or everything, when no thread is left. */
  #failOrphans(thread: number): void {
    // What it had completed is delivered first: an entry that stayed on the queue would complete the next operation in its slot.
    while (this.#memory.completionTail() !== this.#head) this.#deliver.runNow(this.#memory.size);
    const { slots } = this.#memory;
    for (const op of this.#ops) {
      if (op === null) continue;
      const base = op.slot * SLOT_FIELDS;
      if (thread !== ALL_THREADS && slots[base + SLOT_THREAD] !== thread) continue;
      slots[base + SLOT_ERROR] = EIO;
      slots[base + SLOT_TRANSFERRED] = 0;
      try {
        this.#complete(op.slot);
      } catch (error) {
        // The exception of one callback must not keep the others from being called.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    this.#sleep();
  }
}

/** Whose threads are to be told when the process exits. */
const live = new Set<ServiceThreads>();

function wakeAtExit(threads: ServiceThreads): void {
  if (live.size === 0) process.once('exit', tellAllClosed);
  live.add(threads);
}

function tellAllClosed(): void {
  for (const threads of live) threads.tellClosed(EXITING);
  for (const threads of live) threads.awaitStart();
}

/** What the pool tells a service thread about memory. */
export type ServiceMessage = { readonly buffer: ReturnType<IoBuffer['handle']> } | { readonly forget: number };

type WaitAsyncResult = { readonly async: false } | { readonly async: true; readonly value: Promise<string> };

/** Atomics.waitAsync (ES2024), which Node 20 has and TypeScript's ES2022 library does not declare. */
const { waitAsync } = Atomics as unknown as { waitAsync(words: Int32Array, index: number, value: number): WaitAsyncResult };
