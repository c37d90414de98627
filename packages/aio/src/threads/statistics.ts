import type { ServiceMemory } from '../service-memory.js';
import {
  THREAD_ABSENT,
  THREAD_CPU,
  THREAD_DYING,
  THREAD_IDLE,
  THREAD_IN_KERNEL,
  THREAD_LEAVING,
  THREAD_LEFT,
  THREAD_RUNNING,
  THREAD_SERVED,
  THREAD_STARTING,
  THREAD_TASK,
  THREAD_WAKE_UPS,
} from './memory-layout.js';

/** A service thread, as it was a moment ago. */
export interface ServiceThreadStatus {
  /** The first is 0; its worker is named `aiod0`. */
  readonly index: number;
  readonly state: 'starting' | 'running' | 'idle' | 'in kernel' | 'leaving' | 'dying';
  /** The CPU that it is bound to; null if it is not bound. */
  readonly cpu: number | null;
  /** The errno with which binding it was refused; 0 if it was not. */
  readonly bindError: number;
  /** The kernel's number of it, as in /proc/PID/task; 0 where that is not known. */
  readonly task: number;
  /** How often threads of this index have slept and been woken, and how many operations they have served; modulo 2^32. */
  readonly wakeUps: number;
  readonly served: number;
}

/** What service threads tell of themselves. */
export interface ServiceThreadsStatistics {
  /** Those that there are now: fewer than there may be, where there is nothing to do. */
  readonly threads: readonly ServiceThreadStatus[];
  /** How many operations have been started and not delivered. */
  readonly inFlight: number;
  /** How many threads have been started, and have died, ever. */
  readonly started: number;
  readonly died: number;
  /** What the last one has died of. */
  readonly lastError: string | null;
}

const STATES: readonly ServiceThreadStatus['state'][] = [];
(STATES as string[])[THREAD_STARTING] = 'starting';
(STATES as string[])[THREAD_RUNNING] = 'running';
(STATES as string[])[THREAD_IDLE] = 'idle';
(STATES as string[])[THREAD_IN_KERNEL] = 'in kernel';
(STATES as string[])[THREAD_LEAVING] = 'leaving';
(STATES as string[])[THREAD_LEFT] = 'leaving';
(STATES as string[])[THREAD_DYING] = 'dying';

/** The threads that there are. */
export function statusOfThreads(memory: ServiceMemory): ServiceThreadStatus[] {
  const found: ServiceThreadStatus[] = [];
  for (let index = 0; index < memory.threads; index++) {
    const state = memory.stateOf(index);
    if (state === THREAD_ABSENT) continue;
    const word = (name: number): number => memory.words[memory.threadAt(index) + name] as number;
    const cpu = word(THREAD_CPU);
    found.push({
      index,
      state: STATES[state] as ServiceThreadStatus['state'],
      cpu: cpu > 0 ? cpu - 1 : null,
      bindError: Math.max(0, -cpu),
      task: word(THREAD_TASK),
      wakeUps: word(THREAD_WAKE_UPS) >>> 0,
      served: word(THREAD_SERVED) >>> 0,
    });
  }
  return found;
}
