import { readdirSync, readFileSync } from 'node:fs';
import { type IntervalHistogram, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import type { LoopUse, ResourceUse, ThreadCpu } from '../results/job-result.js';

const TASKS = '/proc/self/task';

/** Watches what the whole process takes, from {@link begin} on: every thread of it, unlike in fio. */
export class ResourceWatch {
  #startedAt = 0;
  #before = process.resourceUsage();
  #threadsBefore: readonly ThreadCpu[] = [];

  begin(): void {
    this.#threadsBefore = threadCpu();
    this.#before = process.resourceUsage();
    this.#startedAt = performance.now();
  }

  end(): ResourceUse {
    const wallMs = performance.now() - this.#startedAt;
    const now = process.resourceUsage();
    const before = this.#before;
    const earlier = new Map(this.#threadsBefore.map(({ threadId, cpuMicros }) => [threadId, cpuMicros]));
    const threads = threadCpu()
      .map((thread) => ({ ...thread, cpuMicros: thread.cpuMicros - (earlier.get(thread.threadId) ?? 0) }))
      .filter(({ cpuMicros }) => cpuMicros > 0)
      .sort((a, b) => b.cpuMicros - a.cpuMicros);
    return {
      wallMs,
      userMicros: now.userCPUTime - before.userCPUTime,
      systemMicros: now.systemCPUTime - before.systemCPUTime,
      contextSwitches:
        now.voluntaryContextSwitches +
        now.involuntaryContextSwitches -
        before.voluntaryContextSwitches -
        before.involuntaryContextSwitches,
      majorFaults: now.majorPageFault - before.majorPageFault,
      minorFaults: now.minorPageFault - before.minorPageFault,
      threads,
    };
  }
}

/** Watches what JavaScript adds to latencies on this thread: collecting memory, and turns of the event loop that take long. */
export class LoopWatch {
  readonly #observer: PerformanceObserver;
  readonly #delay: IntervalHistogram | null;
  #count = 0;
  #ms = 0;
  #maxMs = 0;

  /** @param usesEventLoop a thread that does not return to it has no delays */
  constructor(usesEventLoop: boolean) {
    this.#observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) this.#add(duration);
    });
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#delay = usesEventLoop ? monitorEventLoopDelay({ resolution: 10 }) : null;
    this.#delay?.enable();
  }

  end(): LoopUse {
    for (const { duration } of this.#observer.takeRecords()) this.#add(duration);
    this.#observer.disconnect();
    this.#delay?.disable();
    const delayMs = (percentile: number): number | null => {
      const delay = this.#delay;
      // The timer's own interval is no delay.
      return delay === null || delay.count < 10 ? null : Math.max(0, delay.percentile(percentile) / 1e6 - 10);
    };
    return {
      gcCount: this.#count,
      gcMs: this.#ms,
      gcMaxMs: this.#maxMs,
      delayP50Ms: delayMs(50),
      delayP99Ms: delayMs(99),
      delayMaxMs: delayMs(100),
    };
  }

  #add(durationMs: number): void {
    this.#count += 1;
    this.#ms += durationMs;
    this.#maxMs = Math.max(this.#maxMs, durationMs);
  }
}

/** The CPU time of each thread of the process. Empty where the kernel does not tell. */
function threadCpu(): ThreadCpu[] {
  let ids: string[];
  try {
    ids = readdirSync(TASKS);
  } catch {
    return [];
  }
  return ids.flatMap((id) => {
    try {
      const name = readFileSync(`${TASKS}/${id}/comm`, 'utf8').trim();
      // Its first number is the time on a CPU in nanoseconds.
      const [ns = '0'] = readFileSync(`${TASKS}/${id}/schedstat`, 'utf8').split(' ');
      return [{ name, threadId: Number(id), cpuMicros: Math.round(Number(ns) / 1000) }];
    } catch {
      // It has ended since the folder was read.
      return [];
    }
  });
}
