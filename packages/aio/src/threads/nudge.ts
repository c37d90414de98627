import type { BlockTimers } from '@biodone/blockdev';
import type { ServiceMemory } from '../service-memory.js';
import type { ThreadKeeper } from './thread-keeper.js';
import { wakeHelper } from './wake-threads.js';

/** How long operations wait for a thread that is about to take them, before another one is woken or started for them. */
export const NUDGE_MS = 2;

/**
 * The second way in which a thread comes to operations that wait (rule 9). The first is the wake-up when they are handed over; but what is left then
 * to threads that run may wait for one that takes long against all expectation, and a wake-up may have gone to a thread that has died.
 */
export class Nudge {
  readonly #memory: ServiceMemory;
  readonly #keeper: ThreadKeeper;
  readonly #timers: BlockTimers;
  #cancel: (() => void) | null = null;

  constructor(memory: ServiceMemory, keeper: ThreadKeeper, timers: BlockTimers) {
    this.#memory = memory;
    this.#keeper = keeper;
    this.#timers = timers;
  }

  /** Whether one is to come. */
  get armed(): boolean {
    return this.#cancel !== null;
  }

  /** Sees to it that one comes, if operations still wait then. */
  arm(): void {
    this.#cancel ??= this.#timers.after(NUDGE_MS, this.#run, false);
  }

  /** For an owner that blocks, whose timers stand still. */
  runNow(): void {
    this.#cancel?.();
    this.#run();
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  readonly #run = (): void => {
    const memory = this.#memory;
    this.#cancel = null;
    if (memory.submissions === 0) return;
    memory.enter();
    wakeHelper(memory, true);
    memory.lock.exit();
    this.#keeper.grow();
    if (memory.submissions > 0) this.arm();
  };
}
