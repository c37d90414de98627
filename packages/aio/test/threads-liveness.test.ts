import { type AioOp, ServiceThreads, type SteppedThread, steppedThreads } from '@biodone/aio';
import { hasEventFd, libc } from '@biodone/uring';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openLate } from './support/late-driver.js';
import { opOf } from './support/service.js';
import { VirtualTimers } from './support/virtual-timers.js';

if (!hasEventFd()) console.warn('how often a thread that blocks looks after service threads is not tested: there is no eventfd');
afterEach(() => vi.restoreAllMocks());

/** What becomes of one sleep of the thread that waits: nothing in its time, or somebody wakes it. */
type Sleep = 'ETIME' | 'woken' | 'EINTR' | 'completed';

/** Service threads of which one has an operation, and is steps of this thread's. */
interface Stage {
  readonly service: ServiceThreads;
  /** Starts another one. */
  start(): void;
  /** Lets the thread complete what it has, and what waits for it. */
  complete(): void;
  /** Ends the thread, and the service. */
  end(): Promise<void>;
}

function stage(): Stage {
  const late = openLate();
  const timers = new VirtualTimers();
  const threads: SteppedThread[] = [];
  const spawn = steppedThreads(
    () => 0,
    (thread) => threads.push(thread),
  );
  const service = new ServiceThreads(late.device, 4, 1, { timers, bind: false, spawn });
  const start = (): void => {
    const op = opOf();
    op.iodone = () => {};
    service.start(op as unknown as AioOp);
  };
  start();
  service.flush();
  const [thread] = threads as [SteppedThread];
  runTo(thread, 'device');
  // What was handed over is with the thread: the nudge has nothing to do.
  timers.fire(2);
  const runUntil = (step: SteppedThread['at']): void => {
    runTo(thread, step, () => {
      for (const channel of late.channels) for (const io of [...channel.started]) late.complete(channel, io);
    });
  };
  const end = async (): Promise<void> => {
    const closing = service.close();
    runUntil('ended');
    await closing;
    await late.device.close();
  };
  return { service, start, complete: () => runUntil('sleep'), end };
}

/** Lets a thread wait for an operation that a service thread has, and tells how long it was about to sleep each time, in milliseconds. */
async function sleepsOf(
  sleeps: readonly Sleep[],
  timeoutMs: number,
  completesBefore = false,
): Promise<{ ended: unknown; sleptMs: number[] }> {
  const { service, complete, end } = stage();
  const sleptMs: number[] = [];
  let nowMs = 0;
  const left = [...sleeps];
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  vi.spyOn(libc(), 'errno').mockReturnValue(EINTR);
  vi.spyOn(libc(), 'poll').mockImplementation((_address, _count, ms) => {
    const sleep = left.shift() ?? 'ETIME';
    sleptMs.push(ms);
    if (sleptMs.length > 20) throw new Error(`it sleeps again and again: ${sleptMs}`);
    if (sleep === 'ETIME') nowMs += ms;
    else if (sleep === 'completed') complete();
    return sleep === 'ETIME' ? 0 : sleep === 'EINTR' ? -1 : 1;
  });
  if (completesBefore) beforeSaying(complete);
  const ended = service.wait(timeoutMs);
  vi.restoreAllMocks();
  await end();
  return { ended, sleptMs };
}

/** Does something just before this thread says that it sleeps (OWNER_SLEEPS), when it has looked for completions. */
function beforeSaying(act: () => void): void {
  const { store } = Atomics;
  let isOver = false;
  vi.spyOn(Atomics, 'store').mockImplementation(((words: Int32Array, index: number, value: number) => {
    if (!isOver && value === 1) {
      isOver = true;
      act();
    }
    return store(words, index, value);
  }) as typeof store);
}

/** Runs a thread until it has come to a step, which it does soon. */
function runTo(thread: SteppedThread, step: SteppedThread['at'], before: () => void = () => {}): void {
  for (let left = 100; thread.at !== step; left--) {
    if (left === 0) throw new Error(`a thread does not come to '${step}', and is at '${thread.at}'`);
    before();
    thread.step();
  }
}

const EINTR = 4;

describe.skipIf(!hasEventFd())('a thread that waits for service threads', () => {
  it('looks for those that have died after 50 ms, then ever more seldom, up to 1.6 s', async () => {
    const sleeps = new Array<Sleep>(8).fill('ETIME');
    const { ended, sleptMs } = await sleepsOf([...sleeps, 'completed'], Number.POSITIVE_INFINITY);
    expect(sleptMs).toEqual([50, 100, 200, 400, 800, 1600, 1600, 1600, 1600]);
    expect(ended).toBe(1);
  });

  it('looks sooner again when it was woken, as by one that dies', async () => {
    const { ended, sleptMs } = await sleepsOf(['ETIME', 'ETIME', 'woken', 'ETIME', 'completed'], Number.POSITIVE_INFINITY);
    expect(sleptMs).toEqual([50, 100, 200, 50, 100]);
    expect(ended).toBe(1);
  });

  it('waits no longer than it was told', async () => {
    expect(await sleepsOf([], 400)).toEqual({ ended: 'ETIME', sleptMs: [50, 100, 200, 50] });
  });

  it('does not sleep when something is completed just before it says that it does, which nobody wakes it for', async () => {
    expect(await sleepsOf([], Number.POSITIVE_INFINITY, true)).toEqual({ ended: 1, sleptMs: [] });
  });

  it('ends with a signal', async () => {
    expect(await sleepsOf(['ETIME', 'EINTR'], Number.POSITIVE_INFINITY)).toEqual({ ended: 'EINTR', sleptMs: [50, 100] });
  });
  it('may sleep as long for several things at once, and not when there is something to do', async () => {
    const { service, start, complete, end } = stage();
    service.poll();
    expect([0, 1, 2, 5, 99].map((vain) => service.beforeSleep(vain))).toEqual([50, 100, 200, 1600, 1600]);
    start();
    expect(service.beforeSleep(0)).toBe(0);
    service.poll();
    // Until the nudge, since nobody has taken the new one.
    expect(service.beforeSleep(0)).toBe(2);
    complete();
    expect(service.beforeSleep(0)).toBe(0);
    await end();
  });

  it('does not sleep for several things at once when one is completed just before it says that it sleeps', async () => {
    const { service, complete, end } = stage();
    beforeSaying(complete);
    expect(service.poll()).toBe(0);
    expect(service.beforeSleep(0)).toBe(0);
    vi.restoreAllMocks();
    await end();
  });
});
