import type { Scenario } from '../explore.js';
import { condvarScenarios, largeCondvarScenarios } from './condvar.js';
import { largeMutexScenarios, mutexScenarios } from './mutex.js';
import { largeRingScenarios, ringScenarios } from './ring.js';
import { largeRwlockScenarios, rwlockScenarios } from './rwlock.js';
import { largeSemaphoreScenarios, semaphoreScenarios } from './semaphore.js';

/** Small enough for all schedules with up to three preemptions. */
export const lockScenarios: readonly Scenario[] = [...mutexScenarios, ...semaphoreScenarios, ...rwlockScenarios];
export const waitScenarios: readonly Scenario[] = [...condvarScenarios, ...ringScenarios];
export const allScenarios: readonly Scenario[] = [...lockScenarios, ...waitScenarios];

/** For random schedules only. */
export const largeScenarios: readonly Scenario[] = [
  ...largeMutexScenarios,
  ...largeCondvarScenarios,
  ...largeSemaphoreScenarios,
  ...largeRwlockScenarios,
  ...largeRingScenarios,
];
