import { isMainThread } from 'node:worker_threads';
import { ThreadRing, type ThreadRingOptions } from './thread-ring.js';

let ringOfThread: ThreadRing | undefined;
let closesAtExit = false;

/**
 * The ring that all devices of the calling thread share, opened at the first call.
 *
 * It belongs to the thread, is closed when a worker ends, and costs nothing while nothing is in flight.
 *
 * Nobody needs to close it: when nothing is in flight, it does not keep the process alive. If somebody has, the next call opens another.
 *
 * @param options what it is opened with; calls that find it open do not look at them
 * @throws SystemError where io_uring is not to be had; `probe()` says why
 */
export function threadRing(options: ThreadRingOptions = {}): ThreadRing {
  if (ringOfThread === undefined || ringOfThread.closing) {
    ringOfThread = new ThreadRing(options);
    if (!isMainThread && !closesAtExit) process.once('exit', closeIdleRing);
    closesAtExit = true;
  }
  return ringOfThread;
}

/**
 * A worker that ends by itself gives an idle ring back at once. Otherwise the kernel would be waited for, as it has to be when requests
 * are in flight: see thread-end.ts.
 */
function closeIdleRing(): void {
  if (ringOfThread !== undefined && ringOfThread.inFlight === 0) ringOfThread.closeSync();
}
