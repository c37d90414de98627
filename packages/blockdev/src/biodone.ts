import { SoftInterrupt, TailQueue } from '@biodone/sync';
import { EALREADY, EDEADLK, EINTR, EINVAL, ETIMEDOUT, SystemError } from '@biodone/uring';
import { BLOCK_OPERATION_NAMES, type BlockIo, IO_STARTED } from './block-io.js';

/** How many `strategy` calls this thread is inside of. While it is not 0, no callback runs (rule 4). */
export let submitting = 0;

/** Requests that completed inside `strategy`, and whose callbacks are still to run. */
const done = new TailQueue<BlockIo>();

/** How many callbacks {@link drain} has called. */
let delivered = 0;

const drain = new SoftInterrupt((budget) => {
  let count = 0;
  while (count < budget) {
    const io = done.removeFirst();
    if (io === null) break;
    count += 1;
    delivered = (delivered + 1) | 0;
    // Before the callback, so that an exception of the last one leaves nothing behind unscheduled.
    if (count === budget && !done.isEmpty) drain.schedule();
    io.device?.finished(io);
    io.iodone?.(io);
  }
  return count;
});

/**
 * The I/O is done: called by the driver, once for each request, when `error` and `transferredBytes` are final (rule 5).
 *
 * It calls `io.iodone`, at once if that is allowed here, otherwise in a microtask after `strategy` has returned; without `iodone` it
 * leaves the request to `biowait`. As biodone(9).
 *
 * @param error 0, or a positive errno
 * @throws SystemError EALREADY for a request that is not in flight, a driver's bug that must not be silent
 */
export function biodone(io: BlockIo, error: number): void {
  const { device } = io;
  if (io.state !== IO_STARTED || device === null) throw new SystemError(EALREADY, 'biodone');
  device.completed(io, error);
}

/**
 * Puts the callback of a request that is done off until no `strategy` is under way. Its owner counts it as in flight until then, or close()
 * would not wait for it.
 */
export function putOff(io: BlockIo): void {
  done.insertTail(io);
  drain.schedule();
}

/** Whether the callback of a request is put off. */
export function isPutOff(io: BlockIo): boolean {
  return io.queue === done;
}

/**
 * Blocks the thread until a request without `iodone` is done. As biowait(9). It is a system call that waits, so a signal can end it.
 *
 * @param timeoutMs how long to wait; the request stays in flight if that is not enough
 * @throws SystemError ETIMEDOUT or EINTR if the wait ended first, EDEADLK if only the event loop can complete the request, EINVAL if it
 * was never started
 */
export function biowait(io: BlockIo, timeoutMs: number = Number.POSITIVE_INFINITY): void {
  const { device } = io;
  if (device === null) throw new SystemError(EINVAL, 'biowait');
  // A number of the clock is an object, and a wait without an end needs none.
  const endless = timeoutMs === Number.POSITIVE_INFINITY;
  const deadline = endless ? 0 : performance.now() + timeoutMs;
  while (io.state === IO_STARTED) {
    if (device.capabilities.progress === 'event-loop') {
      throw new SystemError(EDEADLK, 'biowait', undefined, 'this device completes requests in the event loop alone');
    }
    const ended = device.wait(endless ? timeoutMs : Math.max(0, deadline - performance.now()));
    if (io.state !== IO_STARTED) return;
    const name = BLOCK_OPERATION_NAMES[io.operation] ?? 'biowait';
    if (ended === 'EINTR') throw new SystemError(EINTR, name);
    if (ended === 'ETIME' || (!endless && performance.now() >= deadline)) throw new SystemError(ETIMEDOUT, name);
  }
}

/** Runs the callbacks of requests that completed inside `strategy`, now, for a thread that does not return to its event loop. */
export function pollDone(): number {
  // A driver that polls inside strategy must not make callbacks run there.
  if (done.isEmpty || submitting > 0) return 0;
  const before = delivered;
  drain.runNow(done.length);
  return (delivered - before) | 0;
}

/** Marks that a request is being started: callbacks wait. Pairs with {@link endSubmit}. */
export function beginSubmit(): void {
  submitting += 1;
}

export function endSubmit(): void {
  submitting -= 1;
}
