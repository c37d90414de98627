import { readdirSync, readFileSync } from 'node:fs';
import type { ResourceUse, ThreadCpu } from '../results/job-result.js';

/** Threads that took less are left out of the list. */
const THREAD_MICROS_MIN = 100;

/**
 * Begins to watch what the whole process takes, with all its threads: those of workers, of libuv and of io_uring too. A benchmark that counts
 * the thread that submits only can be wrong by a factor of twenty.
 *
 * @returns what was taken since then, each time that it is called
 */
export function watchProcess(): () => ResourceUse {
  const before = process.resourceUsage();
  const threadsBefore = new Map(threads().map((thread) => [thread.threadId, thread.cpuMicros]));
  const startedAt = performance.now();
  return () => {
    const now = process.resourceUsage();
    const used = threads()
      .map((thread) => ({ ...thread, cpuMicros: thread.cpuMicros - (threadsBefore.get(thread.threadId) ?? 0) }))
      .filter(({ cpuMicros }) => cpuMicros >= THREAD_MICROS_MIN)
      .sort((a, b) => b.cpuMicros - a.cpuMicros);
    return {
      wallMs: performance.now() - startedAt,
      userMicros: now.userCPUTime - before.userCPUTime,
      systemMicros: now.systemCPUTime - before.systemCPUTime,
      contextSwitches:
        now.voluntaryContextSwitches +
        now.involuntaryContextSwitches -
        before.voluntaryContextSwitches -
        before.involuntaryContextSwitches,
      majorFaults: now.majorPageFault - before.majorPageFault,
      minorFaults: now.minorPageFault - before.minorPageFault,
      threads: used,
    };
  };
}

/** All threads with their CPU time so far, or none where there is no /proc/self/task/ID/schedstat. */
function threads(): ThreadCpu[] {
  let ids: string[];
  try {
    ids = readdirSync('/proc/self/task');
  } catch {
    return [];
  }
  return ids.flatMap((id) => {
    try {
      const [nanoseconds = ''] = readFileSync(`/proc/self/task/${id}/schedstat`, 'utf8').split(' ');
      const name = readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim();
      return [{ name, threadId: Number(id), cpuMicros: Number(nanoseconds) / 1000 }];
    } catch {
      // It has ended since its id was read.
      return [];
    }
  });
}
