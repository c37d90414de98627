import type { Modules } from './instrument.js';
import { type Api, Machine, type Program, Violation } from './machine.js';

/** A small concurrent program with promises to check. */
export interface Scenario {
  readonly name: string;
  /** How many bytes of shared memory it needs, besides the 64 bytes of {@link World.vars}. */
  readonly bytes: number;
  /** Lays the primitives out, with the api of the first thread. */
  setup(world: World, api: Api): void;
  /** One program a thread. The views that a thread uses are made once and passed to each run. */
  readonly threads: readonly ThreadScript[];
  /** Checks the end of a run, when every thread has finished. */
  check(world: World): void;
  /** Indexes of the words that the code under test writes without Atomics, counted from the start of the memory. */
  readonly dataWords?: readonly number[];
  /** False if the threads are those of a system without procfs: they cannot ask who is alive. */
  readonly procfs?: boolean;
  /** The thread that may be terminated, and when. */
  readonly victim?: { readonly thread: number; when(world: World): boolean };
}

export interface ThreadScript {
  // biome-ignore lint/suspicious/noExplicitAny: what a scenario makes of the untyped api is its own affair.
  attach(world: World, api: Api): any;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  run(world: World, views: any): Program;
}

export interface World {
  readonly memory: SharedArrayBuffer;
  /** Eight numbers of the scenario's own. They belong to the state, and accesses to them are no steps. */
  readonly vars: Int32Array;
  readonly machine: Machine;
}

/** Where the primitives of a scenario start. */
export const START = 64;

export interface Outcome {
  readonly schedules: number;
  /** What went wrong first; undefined if nothing did. */
  readonly failure?: string;
  /** What was thrown, if that is neither a broken promise nor an error with a code: the code under test, or the scenario, does not work at all. */
  readonly crash?: unknown;
}

// A choice is a number: what may happen (a step, time passes, death) plus the number of the thread. A set of choices is a bit set.
const EXPIRE = 8;
const KILL = 16;
const STEPPERS = 2 ** EXPIRE - 1;
const STEPS_MAX = 20_000;

/** A scenario that is ready to be run again and again. */
export class Explorer {
  readonly #scenario: Scenario;
  readonly #world: World;
  readonly #machine: Machine;
  readonly #initial: Int32Array;
  readonly #views: unknown[];
  #crash: unknown;
  readonly #path = new Uint8Array(STEPS_MAX + 1);

  constructor(scenario: Scenario, modules: Modules) {
    this.#scenario = scenario;
    const plain = [0, 1, 2, 3, 4, 5, 6, 7, ...(scenario.dataWords ?? [])];
    this.#machine = new Machine(modules, scenario.threads.length, START + scenario.bytes, plain, scenario.procfs);
    this.#world = { memory: this.#machine.memory, vars: new Int32Array(this.#machine.memory, 0, 8), machine: this.#machine };
    scenario.setup(this.#world, this.#machine.running.api);
    this.#initial = this.#machine.words.slice();
    this.#views = scenario.threads.map((script, index) => script.attach(this.#world, this.#machine.threads[index]?.api));
  }

  /** All schedules with at most so many preemptions; states that were seen before with as many left are not continued. */
  exhaust(preemptions: number): Outcome {
    const seen = new Map<number, number>();
    const pending: Branch[] = [{ choices: new Uint8Array(0), used: 0 }];
    let schedules = 0;
    for (let branch = pending.pop(); branch !== undefined; branch = pending.pop()) {
      schedules++;
      const failure = this.#follow(branch, preemptions, seen, pending);
      if (failure !== undefined) return { schedules, failure, crash: this.#crash };
    }
    return { schedules };
  }

  /** Random priority schedules: each thread has a priority, and at a few random steps the running one becomes the lowest. */
  sample(count: number, seed: number, changes: number): Outcome {
    for (let run = 0; run < count; run++) {
      const failure = this.#sampleOne(generator(seed + run), changes);
      if (failure !== undefined) return { schedules: run + 1, failure: `${failure} (seed ${seed + run})` };
    }
    return { schedules: count };
  }

  #follow(branch: Branch, preemptions: number, seen: Map<number, number>, pending: Branch[]): string | undefined {
    const { choices, used } = branch;
    const path = this.#path;
    path.set(choices);
    let last = -1;
    let steps = 0;
    this.#reset();
    try {
      for (; ; steps++) {
        const options = this.#options();
        if (options === 0) return this.#finish();
        if (steps === STEPS_MAX) throw new Violation('the threads go on for ever');
        if (steps >= choices.length) {
          // The last thread belongs to the state: to go on with it is free.
          const key = this.#machine.fingerprint(last);
          const before = seen.get(key);
          if (before !== undefined && before >= preemptions - used) return undefined;
          seen.set(key, preemptions - used);
          const choice = defaultOf(options, last);
          for (let others = options & ~(1 << choice); others !== 0; others &= others - 1) {
            const other = lowest(others);
            const cost = used + costOf(other, choice, last);
            if (cost > preemptions) continue;
            path[steps] = other;
            pending.push({ choices: path.slice(0, steps + 1), used: cost });
          }
          path[steps] = choice;
        }
        const choice = path[steps] as number;
        this.#apply(choice);
        last = choice % 8;
      }
    } catch (error) {
      this.#crash = isBroken(error) ? undefined : error;
      return describe(error, path.subarray(0, steps + 1));
    }
  }

  #sampleOne(random: () => number, changes: number): string | undefined {
    const path = this.#path;
    const priorities = this.#scenario.threads.map(random);
    const changeSteps = new Set(Array.from({ length: changes }, () => Math.floor(random() * 200)));
    let steps = 0;
    this.#reset();
    try {
      for (; ; steps++) {
        const options = this.#options();
        if (options === 0) return this.#finish();
        if (steps === STEPS_MAX) throw new Violation('the threads go on for ever');
        const steppers = options & STEPPERS;
        const others = options & ~STEPPERS;
        const choice =
          others !== 0 && (steppers === 0 || random() < 0.04) ? anyOf(others, random) : highest(steppers, priorities);
        path[steps] = choice;
        this.#apply(choice);
        if (changeSteps.has(steps)) priorities[choice % 8] = -steps - 1;
      }
    } catch (error) {
      return describe(error, path.subarray(0, steps + 1));
    }
  }

  #reset(): void {
    const { threads } = this.#scenario;
    const programs = threads.map((script, index) => script.run(this.#world, this.#views[index]));
    this.#machine.reset(this.#initial, programs);
  }

  /** What may happen next. */
  #options(): number {
    let options = 0;
    for (const thread of this.#machine.threads) {
      if (thread.runnable()) options |= 1 << thread.index;
      if (thread.canExpire()) options |= 1 << (EXPIRE + thread.index);
    }
    const { victim } = this.#scenario;
    if (victim === undefined || options === 0 || !victim.when(this.#world)) return options;
    return this.#machine.threads[victim.thread]?.finished() === false ? options | (1 << (KILL + victim.thread)) : options;
  }

  #apply(choice: number): void {
    const thread = this.#machine.threads[choice % 8] as Machine['running'];
    this.#machine.running = thread;
    if (choice < EXPIRE) this.#machine.step(thread);
    else if (choice < KILL) thread.expire();
    else this.#machine.kill(thread);
  }

  /** Nobody can go on: either all have finished, or somebody waits for what never comes. */
  #finish(): undefined {
    for (const thread of this.#machine.threads) {
      if (!thread.finished()) throw new Violation(`thread ${thread.index} waits for ever`);
    }
    this.#scenario.check(this.#world);
  }
}

/** The beginning of a schedule. */
interface Branch {
  readonly choices: Uint8Array;
  /** How many preemptions it has used. */
  readonly used: number;
}

function lowest(options: number): number {
  return 31 - Math.clz32(options & -options);
}

/** The same thread again if it can go on, else the first that can; time passes only if nobody can. */
function defaultOf(options: number, last: number): number {
  return last >= 0 && (options & (1 << last)) !== 0 ? last : lowest(options);
}

/** To leave a thread that could go on is a preemption, and so is to let time pass, or a thread die, while somebody could go on. */
function costOf(choice: number, normal: number, last: number): number {
  if (normal >= EXPIRE) return 0;
  return choice >= EXPIRE || normal === last ? 1 : 0;
}

function highest(options: number, priorities: readonly number[]): number {
  let best = lowest(options);
  for (let rest = options; rest !== 0; rest &= rest - 1) {
    const option = lowest(rest);
    if ((priorities[option] as number) > (priorities[best] as number)) best = option;
  }
  return best;
}

function anyOf(options: number, random: () => number): number {
  let rest = options;
  while ((rest & (rest - 1)) !== 0 && random() < 0.5) rest &= rest - 1;
  return lowest(rest);
}

/** Whether that is what a broken promise looks like. */
function isBroken(error: unknown): boolean {
  return error instanceof Violation || typeof (error as { code?: unknown }).code === 'string';
}

function describe(error: unknown, choices: Uint8Array): string {
  const words = Array.from(choices, (choice) => `${choice < EXPIRE ? '' : choice < KILL ? 'time' : 'kill'}${choice % 8}`);
  return `${(error as Error).message} after ${words.join(' ')}`;
}

/** A small seeded generator of numbers from 0 to 1 (mulberry32). */
function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
