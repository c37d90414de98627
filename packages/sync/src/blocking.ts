import { type Acquisition, TAKEN } from './callback-waiter.js';
import type { Parking } from './parking.js';
import { nowMs } from './thread.js';

/** Blocks this thread until it has taken `acquisition`, for at most `timeoutMs`. Returns whether it has. */
export function blockUntilTaken(parking: Parking, acquisition: Acquisition, timeoutMs: number): boolean {
  const deadlineMs = nowMs() + timeoutMs;
  parking.enter();
  let taken = false;
  for (;;) {
    // Read before the attempt: a wake-up after the attempt is then not lost.
    const sequence = parking.sequence();
    taken = acquisition.attempt(null) === TAKEN;
    if (taken) break;
    const remainingMs = deadlineMs - nowMs();
    if (remainingMs <= 0) break;
    parking.sleep(sequence, remainingMs);
  }
  parking.leave();
  return taken;
}
