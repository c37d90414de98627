import type { AbortVerdict } from '@biodone/blockdev';
import type { ServiceMemory } from '../service-memory.js';
import {
  ABORT,
  SLOT_BEGUN,
  SLOT_DONE,
  SLOT_FREE,
  SLOT_QUEUED,
  SLOT_TAKEN,
  STATE,
  SUBMISSION_HEAD,
  SUBMISSION_TAIL,
  THREAD,
  THREAD_ABORTS,
} from './memory-layout.js';
import { wakeFromKernel } from './wake-threads.js';

// What the pool's side does with operations that have been handed over, other than to wait for them.

/**
 * Asks for the end of an operation. `'cancelled'` is one that no thread has taken, and none will; of one that a thread has, the thread is told.
 */
export function withdraw(memory: ServiceMemory, slot: number): AbortVerdict {
  const { words } = memory;
  const at = memory.slotAt(slot);
  let verdict: AbortVerdict = 'done';
  memory.enter();
  const state = words[at + STATE];
  if (state === SLOT_QUEUED) {
    words[at + STATE] = SLOT_FREE;
    memory.removeSubmission(slot);
    verdict = 'cancelled';
  } else if (state === SLOT_TAKEN || state === SLOT_BEGUN) {
    const thread = (words[at + THREAD] as number) - 1;
    if (words[at + ABORT] === 0) words[at + ABORT] = 1;
    words[memory.threadAt(thread) + THREAD_ABORTS] = 1;
    wakeFromKernel(memory, thread);
    verdict = 'in-progress';
  }
  memory.lock.exit();
  return verdict;
}

/**
 * Takes back what a dead thread had, of which nothing is on the list of completed slots any more. What it had not begun goes back to the queue, to
 * its place. The caller owns the lock.
 *
 * @param ended is told of each of the others, and whether its answer is there
 */
export function reclaimSlots(memory: ServiceMemory, thread: number, ended: (slot: number, isAnswered: boolean) => void): void {
  const { words } = memory;
  for (let slot = 0; slot < memory.size; slot++) {
    const at = memory.slotAt(slot);
    const state = words[at + STATE];
    if (words[at + THREAD] !== thread + 1 || state === SLOT_FREE || state === SLOT_QUEUED) continue;
    words[at + THREAD] = 0;
    words[at + STATE] = state === SLOT_TAKEN ? SLOT_QUEUED : SLOT_FREE;
    if (state !== SLOT_TAKEN) ended(slot, state === SLOT_DONE);
  }
  memory.repair();
}

/** Takes all that no thread has taken off the queue. */
export function takeQueued(memory: ServiceMemory, taken: (slot: number) => void): void {
  const { words } = memory;
  memory.enter();
  for (let slot = 0; slot < memory.size; slot++) {
    const at = memory.slotAt(slot);
    if (words[at + STATE] !== SLOT_QUEUED) continue;
    words[at + STATE] = SLOT_FREE;
    taken(slot);
  }
  words[SUBMISSION_HEAD] = words[SUBMISSION_TAIL] as number;
  memory.lock.exit();
}
