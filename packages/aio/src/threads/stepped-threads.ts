import { EventEmitter } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { ServiceMemory } from '../service-memory.js';
import type { ServiceWorker, SpawnServiceThread } from '../service-worker.js';
import { THREAD_DYING, THREAD_IDLE, THREAD_SIGNALS, THREAD_STATE } from './memory-layout.js';
import type { ServiceMessage, ServiceThreadData } from './thread-data.js';
import { ThreadServer, type ThreadStep } from './thread-server.js';

/** Not those of real threads, as long as there are few of them. */
let lastId = 2 ** 18;

/**
 * A service thread that is none: somebody else runs it, step by step, in the thread that owns the pool. It does what service threads do, by the same code
 * and in the same memory, and can be made to die between any two steps. For tests that decide what happens next: see {@link steppedThreads}.
 *
 * What it is not: a thread of its own that can die while it owns the lock, sleeps in the kernel, or sees memory later than it was written.
 */
export class SteppedThread extends EventEmitter implements ServiceWorker {
  readonly index: number;
  threadId: number;
  /** Where it is stopped; `'ended'` when it is no more. */
  at: ThreadStep | 'ended' = 'completed';
  readonly #memory: ServiceMemory;
  readonly #messages = new MessageChannel();
  readonly #server: ThreadServer;
  readonly #steps: Generator<ThreadStep, void, boolean>;
  #signalsBefore = 0;

  /** @param now the clock by which it takes more or fewer operations at a time, in milliseconds */
  constructor(data: ServiceThreadData, now: () => number) {
    super();
    lastId += 1;
    this.threadId = lastId;
    this.index = data.index;
    this.#memory = new ServiceMemory(data.memory);
    this.#server = new ThreadServer(data, this.#messages.port2, { now, isThread: false });
    this.#steps = this.#server.steps();
  }

  /** Whether it does something when it is run: it does not sleep, or has been signalled since. */
  get runs(): boolean {
    return this.at !== 'ended' && (this.at !== 'sleep' || this.#signals !== this.#signalsBefore);
  }

  /** Runs it to its next step; one that sleeps and was not signalled, as if its time were over. */
  step(): void {
    if (this.at === 'ended') return;
    if (this.at === 'sleep') this.#memory.enter();
    const { done, value } = this.#steps.next(this.#signals !== this.#signalsBefore);
    if (done === true) {
      this.#end(0);
      return;
    }
    this.at = value;
    if (value !== 'sleep') return;
    this.#signalsBefore = this.#signals;
    // The lock is let go of by the sleep.
    this.#memory.lock.exit();
  }

  /** Whether it may sleep no longer than a time, and then ends if there is nothing to do. */
  get sleepMs(): number {
    return this.#server.sleepMs;
  }

  /** Lets it die where it is. */
  die(): void {
    if (this.at === 'ended') return;
    const { words } = this.#memory;
    // One that sleeps is not awake to say so.
    if (words[this.#memory.threadAt(this.index) + THREAD_STATE] !== THREAD_IDLE)
      words[this.#memory.threadAt(this.index) + THREAD_STATE] = THREAD_DYING;
    this.#end(1);
  }

  postMessage(message: ServiceMessage): void {
    if (this.at !== 'ended') this.#messages.port1.postMessage(message);
  }

  unref(): void {}

  get #signals(): number {
    return this.#memory.words[this.#memory.threadAt(this.index) + THREAD_SIGNALS] as number;
  }

  #end(exitCode: number): void {
    this.at = 'ended';
    this.#messages.port1.close();
    this.#messages.port2.close();
    void this.#server.close();
    this.emit('exit', exitCode);
  }
}

/** Starts {@link SteppedThread}s in place of workers: for `options.spawn` of service threads. @param started is told of each */
export function steppedThreads(now: () => number, started: (thread: SteppedThread) => void): SpawnServiceThread {
  return (data) => {
    const thread = new SteppedThread(data, now);
    started(thread);
    return thread;
  };
}
