import { isMainThread } from 'node:worker_threads';
import type { AioServicePool } from '@biodone/aio';
import { EAGAIN, EINTR, SystemError, waitForDoors } from '@biodone/uring';
import type { AioRequest } from './aio-request.js';
import type { DescriptorEngine } from './descriptor/descriptor-engine.js';
import { giveNotices } from './notification.js';
import { lookForProfiler, unprofiled } from './profiler-signal.js';
import { signalsSent } from './queued-signal.js';
import { inProgress } from './requests.js';

/** Where requests are with several that do not all signal doors of this thread, each is waited for in turn, so long. */
const SLICE_MS = 1;
/** How often others are looked at then that nobody waits for here, but that may have something to tell. */
const OTHERS_MS = 10;
/** Where all signal doors, how long a thread sleeps at first, and in the end when nothing has come for a long time: the second way to what was missed (rule 9). */
const SLEEP_MS = 50;
const SLEEP_MAX_MS = 1600;
/** Node cannot terminate a worker that is in a system call, so none of these is longer. */
const WORKER_SLICE_MS: number = isMainThread ? Number.POSITIVE_INFINITY : 250;

/**
 * Blocks the thread until something is over, which is looked at before the clock; callbacks and notifications run in here. The wait is a
 * system call, so a signal ends it, also one that a completion has sent in here.
 *
 * @param requests those whose ends are waited for; they are asked for anew after each wait
 * @param timeoutMs by the monotonic clock, from now on
 * @throws SystemError EAGAIN after that time, EINTR after a signal
 */
export function blockUntil(
  isOver: () => boolean,
  requests: () => readonly (AioRequest | null)[],
  timeoutMs: number | null,
  syscall: string,
): void {
  const deadlineMs = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  const signalsBefore = signalsSent;
  let turn = 0;
  let vain = 0;
  // A thread that never returns to its event loop has no other time for those of what was done before.
  giveNotices();
  while (!isOver()) {
    const sources: AioServicePool[] = [];
    const engines: DescriptorEngine[] = [];
    for (const request of requests()) if (request !== null) addSource(request, sources, engines);
    const count = sources.length;
    if (count === 0) return;
    for (const { request } of inProgress) addSource(request, sources, engines);
    let moved = 0;
    for (const source of sources) moved += source.poll();
    giveNotices();
    if (isOver()) return;
    if (signalsSent !== signalsBefore)
      throw new SystemError(EINTR, syscall, undefined, 'the completion of a request has sent a signal');
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0) throw new SystemError(EAGAIN, syscall, undefined, `nothing was done within ${timeoutMs} ms`);
    if (moved > 0) continue;
    const sleepMs = Math.min(leftMs, WORKER_SLICE_MS, sources.length > 1 ? sleepOf(sources, vain) : 0);
    const sliceMs = count > 1 ? SLICE_MS : sources.length > 1 ? OTHERS_MS : WORKER_SLICE_MS;
    const source = sources[turn % count] as AioServicePool;
    turn += 1;
    const ended = unprofiled(() => (sleepMs > 0 ? waitForDoors(sleepMs) : source.wait(Math.min(leftMs, sliceMs))));
    vain = ended === 'ETIME' ? vain + 1 : 0;
    giveNotices();
    if (ended !== 'EINTR') continue;
    lookForProfiler();
    if (!isOver()) throw new SystemError(EINTR, syscall, undefined, 'a signal has come; the requests go on');
  }
}

/** How long a thread may sleep until one of its doors is signalled; 0 if one of those that it waits for may have something else to do meanwhile. */
function sleepOf(sources: readonly AioServicePool[], vain: number): number {
  return sources.reduce(
    (leastMs, source) => Math.min(leastMs, source.beforeSleep(vain)),
    Math.min(SLEEP_MS * 2 ** vain, SLEEP_MAX_MS),
  );
}

/** Adds what a request is with, if it is not there: of the files that one engine serves, one stands for all. */
function addSource({ vnode, source }: AioRequest, sources: AioServicePool[], engines: DescriptorEngine[]): void {
  if (source === null) return;
  if (vnode === null) {
    if (!sources.includes(source)) sources.push(source);
  } else if (!engines.includes(vnode.engine)) {
    engines.push(vnode.engine);
    sources.push(source);
  }
}
