import { type IntervalHistogram, monitorEventLoopDelay, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import type { LoopUse } from '../results/job-result.js';

const RESOLUTION_MS = 10;
/** Fewer turns of the timer say nothing about its percentiles. */
const TURNS_MIN = 10;

/** Watches what JavaScript adds to latencies on the thread that makes it: pauses of the garbage collector, and how late the event loop is. */
export class LoopWatch {
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #observer: PerformanceObserver;
  #gcCount = 0;
  #gcMs = 0;
  #gcMaxMs = 0;

  constructor() {
    this.#observer = new PerformanceObserver((list) => this.#count(list.getEntries()));
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#delay.enable();
  }

  /** Forgets what was before, as at the end of a ramp. */
  clear(): void {
    this.#count(this.#observer.takeRecords());
    this.#delay.reset();
    this.#gcCount = 0;
    this.#gcMs = 0;
    this.#gcMaxMs = 0;
  }

  /** What there was since the beginning. */
  use(): LoopUse {
    this.#count(this.#observer.takeRecords());
    const delay = this.#delay;
    const turns = delay.count;
    // Node gives the time from one turn of its timer to the next, and so the timer's own interval with it.
    const late = (nanoseconds: number): number | null =>
      turns < TURNS_MIN ? null : Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    return {
      gcCount: this.#gcCount,
      gcMs: this.#gcMs,
      gcMaxMs: this.#gcMaxMs,
      delayP50Ms: late(delay.percentile(50)),
      delayP99Ms: late(delay.percentile(99)),
      delayMaxMs: late(delay.max),
    };
  }

  stop(): void {
    this.#delay.disable();
    this.#observer.disconnect();
  }

  #count(entries: readonly PerformanceEntry[]): void {
    for (const { duration } of entries) {
      this.#gcCount += 1;
      this.#gcMs += duration;
      this.#gcMaxMs = Math.max(this.#gcMaxMs, duration);
    }
  }
}

/** What several threads had, as that of one: pauses are added up, the latest of them counts for the delays. */
export function mergeLoopUses(uses: readonly LoopUse[]): LoopUse {
  const sum = (pick: (use: LoopUse) => number): number => uses.reduce((total, use) => total + pick(use), 0);
  const most = (pick: (use: LoopUse) => number | null): number | null => {
    const known = uses.map(pick).filter((value) => value !== null);
    return known.length === 0 ? null : Math.max(...known);
  };
  return {
    gcCount: sum(({ gcCount }) => gcCount),
    gcMs: sum(({ gcMs }) => gcMs),
    gcMaxMs: most(({ gcMaxMs }) => gcMaxMs) ?? 0,
    delayP50Ms: most(({ delayP50Ms }) => delayP50Ms),
    delayP99Ms: most(({ delayP99Ms }) => delayP99Ms),
    delayMaxMs: most(({ delayMaxMs }) => delayMaxMs),
  };
}
