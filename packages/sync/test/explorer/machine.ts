import type { ModuleFactory, Modules } from './instrument.js';

// Virtual threads in one real thread. A step of a thread is one access to shared memory and the computation up to the next; between two steps
// the scheduler decides who goes on.

/** What a virtual thread runs: it yields before each access to shared memory. */
export type Program = Generator<unknown, void, unknown>;

/** The package, as one virtual thread sees it. Its functions are generators. */
// biome-ignore lint/suspicious/noExplicitAny: the instrumented classes have no static types.
export type Api = any;

/** Something that goes wrong in a run: a broken promise of the code under test. */
export class Violation extends Error {}

/** What a step that cannot go on yields. */
const BLOCKED = Symbol('blocked');

interface Sleeper {
  readonly thread: VirtualThread;
  readonly address: number;
  /** What to do when it is woken; null for a blocked thread. */
  readonly reaction: (() => void) | null;
  state: 'asleep' | 'woken' | 'timed-out';
}

interface Task {
  run(): Program | undefined;
}

interface VirtualTimer {
  readonly target: { expire(): Program | undefined };
}

/** One virtual thread, with its own copy of the package and its own event loop. */
export class VirtualThread {
  readonly index: number;
  readonly api: Api;
  alive = true;
  /** A hash of all that this thread has observed; with the shared memory it determines the thread's state. */
  history = 0;
  current: Program | null = null;
  sleeper: Sleeper | null = null;
  /** Whether time may pass while it sleeps, or has been woken but does not run yet. */
  timed = false;
  readonly microtasks: Task[] = [];
  readonly tasks: Task[] = [];
  readonly timers: VirtualTimer[] = [];
  /** Holders that keep the thread alive. */
  holders = 0;
  clockMs = 0;

  constructor(index: number, machine: Machine, modules: Modules) {
    this.index = index;
    this.api = load(this, machine, modules);
  }

  /** Whether there is a step to take. */
  runnable(): boolean {
    if (!this.alive) return false;
    if (this.current !== null) return this.sleeper === null || this.sleeper.state !== 'asleep';
    return this.microtasks.length > 0 || this.tasks.length > 0;
  }

  /** Whether time may pass for this thread: in a sleep with a deadline, or for a timer of an idle event loop. */
  canExpire(): boolean {
    if (!this.alive) return false;
    if (this.current !== null) return this.timed;
    return this.microtasks.length === 0 && this.tasks.length === 0 && this.timers.length > 0;
  }

  /** Whether the thread has nothing to do, and nothing to wait for. */
  finished(): boolean {
    return (
      !this.alive || (this.current === null && this.microtasks.length === 0 && this.tasks.length === 0 && this.holders === 0)
    );
  }

  /** Forgets the last run. */
  reset(program: Program): void {
    const { threadState } = this.api;
    threadState.queues.clear();
    threadState.readHolds.clear();
    threadState.localWaits = 0;
    this.alive = true;
    this.history = 0;
    this.current = program;
    this.sleeper = null;
    this.timed = false;
    this.microtasks.length = 0;
    this.tasks.length = 0;
    this.timers.length = 0;
    this.holders = 0;
    this.clockMs = 0;
  }

  observe(value: number): void {
    this.history = (Math.imul(this.history ^ value, 0x9e3779b1) + 0x7f4a7c15) | 0;
    this.history ^= this.history >>> 15;
  }

  /** One step. */
  step(): void {
    this.observe(1);
    if (this.current === null) {
      const task = this.microtasks.shift() ?? this.tasks.shift();
      this.observe(0x7a5c);
      const program = task?.run();
      if (program === undefined) return;
      this.current = program;
    }
    if (this.current.next().done === true) this.current = null;
  }

  /** Time passes: the sleep ends, or the first timer fires. */
  expire(): void {
    this.observe(0x71e);
    this.clockMs += 1e9;
    if (this.current !== null) {
      this.timed = false;
      if (this.sleeper !== null && this.sleeper.state === 'asleep') this.sleeper.state = 'timed-out';
      return;
    }
    const timer = this.timers.shift();
    if (timer !== undefined) this.tasks.push({ run: () => timer.target.expire() });
  }
}

/** The shared memory, its sleepers, and the threads. */
export class Machine {
  readonly memory: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly threads: VirtualThread[];
  sleepers: Sleeper[] = [];
  /** The thread that steps now. */
  running: VirtualThread;
  /** Called when a thread has been terminated. */
  onDeath: (() => void) | null = null;
  /** For scenarios in which one thread tells another something without shared memory. */
  onMeeting: (() => void) | null = null;

  /** The words that may differ from what they were at first. */
  readonly #variable: number[];

  /** Whether threads can ask who is alive. */
  readonly procfs: boolean;

  /** @param plain the words that are also written without Atomics */
  constructor(modules: Modules, threads: number, bytes: number, plain: readonly number[], procfs = true) {
    this.procfs = procfs;
    this.#variable = [...plain];
    this.memory = new SharedArrayBuffer(bytes);
    this.words = new Int32Array(this.memory);
    this.threads = [];
    for (let index = 0; index < threads; index++) this.threads.push(new VirtualThread(index, this, modules));
    this.running = this.threads[0] as VirtualThread;
  }

  /** Starts a run: the memory as it was after the scenario's setup, and these programs. */
  reset(words: Int32Array, programs: readonly Program[]): void {
    this.words.set(words);
    this.sleepers = [];
    this.onMeeting = null;
    for (const thread of this.threads) thread.reset(programs[thread.index] as Program);
  }

  /** One step of a thread. */
  step(thread: VirtualThread): void {
    this.running = thread;
    thread.step();
  }

  /** A hash of everything that decides how the run can go on; `last` is the thread that made the last step. */
  fingerprint(last: number): number {
    let low = 0x811c9dc5;
    let high = 0x1234567;
    const add = (value: number): void => {
      low = Math.imul(low ^ value, 0x01000193) ^ (low >>> 13);
      high = (Math.imul(high, 31) + value) ^ (high >>> 11);
    };
    add(last);
    for (const word of this.#variable) add(this.words[word] as number);
    for (const thread of this.threads) {
      add(thread.history);
      add(
        (thread.alive ? 1 : 0) |
          (thread.current === null ? 2 : 0) |
          (thread.timed ? 4 : 0) |
          (thread.timers.length << 3) |
          (thread.holders << 7),
      );
      add(thread.tasks.length * 16 + thread.microtasks.length);
      add(thread.sleeper === null ? 0 : thread.sleeper.state === 'asleep' ? 1 : thread.sleeper.state === 'woken' ? 2 : 3);
    }
    for (const sleeper of this.sleepers)
      add(sleeper.address * 16 + sleeper.thread.index * 2 + (sleeper.reaction === null ? 0 : 1));
    return (low >>> 0) * 2 ** 21 + (high >>> 11);
  }

  /** The Atomics look-alike. The instrumented code yields before it calls any of these, but for `wait`, which yields itself. */
  readonly atomics: object = {
    load: (words: Int32Array, index: number): number => this.observed(Atomics.load(words, index)),
    store: (words: Int32Array, index: number, value: number): number => Atomics.store(this.#touched(words, index), index, value),
    add: (words: Int32Array, index: number, value: number): number =>
      this.observed(Atomics.add(this.#touched(words, index), index, value)),
    sub: (words: Int32Array, index: number, value: number): number =>
      this.observed(Atomics.sub(this.#touched(words, index), index, value)),
    and: (words: Int32Array, index: number, value: number): number =>
      this.observed(Atomics.and(this.#touched(words, index), index, value)),
    or: (words: Int32Array, index: number, value: number): number =>
      this.observed(Atomics.or(this.#touched(words, index), index, value)),
    exchange: (words: Int32Array, index: number, value: number): number =>
      this.observed(Atomics.exchange(this.#touched(words, index), index, value)),
    compareExchange: (words: Int32Array, index: number, expected: number, value: number): number =>
      this.observed(Atomics.compareExchange(this.#touched(words, index), index, expected, value)),
    notify: (words: Int32Array, index: number, count: number = Number.POSITIVE_INFINITY): number =>
      this.observed(this.#notify(addressOf(words, index), count)),
    wait: (words: Int32Array, index: number, value: number, timeoutMs: number) => this.#wait(words, index, value, timeoutMs),
    waitAsync: (words: Int32Array, index: number, value: number): object => this.#waitAsync(words, index, value),
  };

  #touched(words: Int32Array, index: number): Int32Array {
    const word = words.byteOffset / 4 + index;
    if (!this.#variable.includes(word)) this.#variable.push(word);
    return words;
  }

  /** The running thread has read this. */
  observed(value: number): number {
    this.running.observe(value);
    return value;
  }

  *#wait(words: Int32Array, index: number, value: number, timeoutMs: number): Generator<unknown, string, unknown> {
    yield null;
    const thread = this.running;
    if (this.observed(Atomics.load(words, index)) !== value) return 'not-equal';
    const sleeper: Sleeper = { thread, address: addressOf(words, index), reaction: null, state: 'asleep' };
    this.sleepers.push(sleeper);
    thread.sleeper = sleeper;
    thread.timed = timeoutMs !== Number.POSITIVE_INFINITY;
    while (sleeper.state === 'asleep') yield BLOCKED;
    thread.sleeper = null;
    thread.timed = false;
    if (sleeper.state === 'woken') return 'ok';
    this.sleepers = this.sleepers.filter((other) => other !== sleeper);
    return 'timed-out';
  }

  #waitAsync(words: Int32Array, index: number, value: number): object {
    const thread = this.running;
    if (this.observed(Atomics.load(words, index)) !== value) return { async: false, value: 'not-equal' };
    return {
      async: true,
      value: {
        // biome-ignore lint/suspicious/noThenProperty: it stands for the promise of Atomics.waitAsync().
        then: (reaction: () => void): void => {
          this.sleepers.push({ thread, address: addressOf(words, index), reaction, state: 'asleep' });
        },
      },
    };
  }

  #notify(address: number, count: number): number {
    let woken = 0;
    const remaining: Sleeper[] = [];
    for (const sleeper of this.sleepers) {
      if (sleeper.address !== address || woken >= count || sleeper.state !== 'asleep') {
        remaining.push(sleeper);
        continue;
      }
      woken++;
      sleeper.state = 'woken';
      const { reaction } = sleeper;
      if (reaction !== null && sleeper.thread.alive) {
        sleeper.thread.tasks.push({
          run: () => {
            reaction();
            return undefined;
          },
        });
      }
    }
    this.sleepers = remaining;
    return woken;
  }

  /** A thread is terminated: it takes no further step, and whatever it waited for forgets it. */
  kill(thread: VirtualThread): void {
    thread.alive = false;
    this.sleepers = this.sleepers.filter((sleeper) => sleeper.thread !== thread);
    this.onDeath?.();
  }
}

function addressOf(words: Int32Array, index: number): number {
  return words.byteOffset + index * 4;
}

/** Loads a copy of the package for one virtual thread. */
function load(thread: VirtualThread, machine: Machine, modules: Modules): Api {
  const loaded = new Map<string, object>();
  const globals = { Atomics: machine.atomics, globalThis: {}, $run: run, $observed: (value: number) => machine.observed(value) };
  const require = (name: string): object => {
    const file = name.replace('./', '');
    const found = loaded.get(file);
    if (found !== undefined) return found;
    const exports = replacementOf(file, thread, machine);
    loaded.set(file, exports);
    if (Object.keys(exports).length === 0) (modules.get(file) as ModuleFactory)(require, exports, globals);
    return exports;
  };
  const api = {};
  for (const file of modules.keys()) Object.assign(api, require(`./${file}`));
  return api;
}

/** The modules that the virtual machine provides itself: what the package takes from its thread. */
function replacementOf(file: string, thread: VirtualThread, machine: Machine): object {
  if (file === 'thread.js') return threadModule(thread, machine);
  if (file === 'softint.js') return { SoftInterrupt: softInterruptOf(thread) };
  if (file === 'errors.js') return errorsModule;
  return {};
}

/** As SyncError, without the cost of a stack. */
class ExploredError {
  readonly code: string;
  readonly message: string;
  constructor(code: string, syscall: string) {
    this.message = `${code} in ${syscall}`;
    this.code = code;
  }
}

const errorsModule = { SyncError: ExploredError, AbortError: ExploredError };

function threadModule(thread: VirtualThread, machine: Machine): object {
  return {
    THREAD_BITS: 25,
    thisThread: thread.index + 1,
    tokenOf: (index: number) => index + 1,
    // One look is enough to explore; more looks are more of the same.
    SPINS: 1,
    nowMs: () => thread.clockMs,
    TIMER_MAX_MS: 2 ** 31 - 1,
    startTimer: (target: VirtualTimer['target']) => {
      const timer = { target };
      thread.timers.push(timer);
      return timer;
    },
    stopTimer: (timer: VirtualTimer) => {
      const index = thread.timers.indexOf(timer);
      if (index >= 0) thread.timers.splice(index, 1);
    },
    holdThread: () => thread.holders++,
    releaseThread: () => thread.holders--,
    Context: VirtualContext,
    thisTask: machine.procfs ? thread.index + 1001 : 0,
    isTaskAlive: (task: number) => machine.threads[task - 1001]?.alive ?? false,
  };
}

/** Calls back, and returns what the callback returns: perhaps a generator. */
class VirtualContext {
  run(callback: (value: unknown) => unknown, value: unknown): unknown {
    return callback(value);
  }
}

function softInterruptOf(thread: VirtualThread): object {
  return class {
    readonly #handler: (budget: number) => Program;
    #scheduled = false;

    constructor(handler: (budget: number) => Program) {
      this.#handler = handler;
    }

    schedule(): void {
      if (this.#scheduled) return;
      this.#scheduled = true;
      thread.microtasks.push({
        run: () => {
          this.#scheduled = false;
          return this.#handler(1024);
        },
      });
    }
  };
}

/** Runs what a function value returned, if that is a generator. */
function* run(result: unknown): Generator<unknown, unknown, unknown> {
  return isGenerator(result) ? yield* result : result;
}

function isGenerator(value: unknown): value is Generator<unknown, unknown, unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}
