import type { BlockTimers } from '@biodone/blockdev';
import type { ServiceMemory } from '../service-memory.js';
import { COMPLETED } from './memory-layout.js';
import type { ThreadKeeper } from './thread-keeper.js';
import { wakeHelper } from './wake-threads.js';

/** How long operations wait for a thread that is about to take them, before another one is woken or started for them. */
export const NUDGE_MS = 2;

/**
 * The second way in which a thread comes to operations that wait (rule 9). The first is the wake-up when they are handed over; but what is left then
 * to threads that run may wait for one that takes long against all expectation, and a wake-up may have gone to a thread that has died. It is the
 * second way to completions too, which threads may hold the wake-up back for as long as operations wait.
 */
export class Nudge {
  readonly #memory: ServiceMemory;
  readonly #keeper: ThreadKeeper;
  readonly #timers: BlockTimers;
  readonly #deliver: () => void;
  #cancel: (() => void) | null = null;

  /** @param deliver is called if there are completions */
  constructor(memory: ServiceMemory, keeper: ThreadKeeper, timers: BlockTimers, deliver: () => void) {
    this.#memory = memory;
    this.#keeper = keeper;
    this.#timers = timers;
    this.#deliver = deliver;
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
    // In this order: if nothing waits, whatever is completed after the second look is told of by who completes it (CompletedList.push).
    const waiting = memory.submissionsNow;
    if (Atomics.load(memory.words, COMPLETED) !== 0) this.#deliver();
    if (waiting === 0) return;
    memory.enter();
    wakeHelper(memory, true);
    memory.lock.exit();
    this.#keeper.grow();
    if (memory.submissions > 0) this.arm();
  };
}
