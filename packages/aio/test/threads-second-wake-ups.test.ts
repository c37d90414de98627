import { type AioOp, ServiceThreads, type SteppedThread, steppedThreads } from '@biodone/aio';
import type { BlockIo } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { type LateChannel, type LateDevice, openLate } from './support/late-driver.js';
import { opOf, type TestOp } from './support/service.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

// Each wake-up of service threads has a second one behind it (rule 9), which comes to what the first has missed. So that each is seen by itself, time
// stands in these tests unless they say so: none of the second wake-ups comes by a timer then, and no thread ends its sleep. Nobody polls either.

interface Stage {
  readonly late: LateDevice;
  readonly timers: VirtualTimers;
  readonly threads: SteppedThread[];
  readonly service: ServiceThreads;
}

function stage(threadsMax: number): Stage {
  const late = openLate();
  const timers = new VirtualTimers();
  const threads: SteppedThread[] = [];
  const spawn = steppedThreads(
    () => 0,
    (thread) => threads.push(thread),
  );
  const service = new ServiceThreads(late.device, 256, threadsMax, { timers, bind: false, spawn });
  return { late, timers, threads, service };
}

/** Starts operations, and hands them over. */
function start({ service }: Stage, count: number, from = 0): TestOp[] {
  const ops = Array.from({ length: count }, (_, index) => opOf({ offset: (from + index) * 512 }));
  for (const op of ops) {
    op.iodone = () => {
      op.completions += 1;
    };
    service.start(op as unknown as AioOp);
  }
  service.flush();
  return ops;
}

/** Runs a thread until it has come to a step, which it does before it runs out of work. */
function runTo(thread: SteppedThread, step: SteppedThread['at']): void {
  for (let left = 10_000; left > 0; left--) {
    thread.step();
    if (thread.at === step) return;
  }
  throw new Error(`a thread does not come to '${step}', and is at '${thread.at}'`);
}

/** Lets all that a thread has begun end. */
function completeAll({ late }: Stage, channel: number): void {
  const { started } = late.channels[channel] as { started: never[] };
  for (const io of [...started]) late.complete(late.channels[channel] as never, io);
}

/** Ends the threads, and the service: one after the other, until none has anything left. */
async function end(target: Stage): Promise<void> {
  const { service, threads } = target;
  const closing = service.close();
  while (threads.some(({ at }) => at !== 'ended')) {
    for (const thread of threads) thread.step();
    for (const index of target.late.channels.keys()) completeAll(target, index);
  }
  await closing;
}

/** Two threads, of which the first is at a step and has the last operation that there was, and the second sleeps. */
async function oneSleeps(
  at: SteppedThread['at'],
): Promise<Stage & { readonly first: SteppedThread; readonly second: SteppedThread; readonly ops: TestOp[] }> {
  const made = stage(2);
  const ops = start(made, 2);
  const [first] = made.threads as [SteppedThread];
  runTo(first, 'taken');
  // Nobody else has come to the other one in time, so a second thread does.
  made.timers.fire(2);
  const [, second] = made.threads as [SteppedThread, SteppedThread];
  runTo(second, 'device');
  completeAll(made, 1);
  runTo(second, 'sleep');
  // What is left of the nudge finds that nothing waits.
  await made.timers.advance(10);
  if (first.at !== at) runTo(first, at);
  return { ...made, first, second, ops };
}

describe('service threads, while time stands', () => {
  it('sleep no longer when one that has died leaves work behind that it had not begun', async () => {
    const { first, second, ops, ...made } = await oneSleeps('taken');
    expect([second.runs, made.service.statistics().inFlight]).toEqual([false, 1]);
    first.die();
    expect(second.runs).toBe(true);
    runTo(second, 'device');
    completeAll(made, 1);
    runTo(second, 'sleep');
    await settled();
    expect(ops.map(({ completions, error }) => [completions, error])).toEqual([
      [1, 0],
      [1, 0],
    ]);
    await end(made);
  });

  it('wake the thread that owns the pool for the last completion before they sleep', async () => {
    const made = stage(1);
    const ops = start(made, 1);
    const [thread] = made.threads as [SteppedThread];
    runTo(thread, 'device');
    // Behind the nudge, which comes to completions too: nothing waits, so it was the last.
    await made.timers.advance(10);
    completeAll(made, 0);
    runTo(thread, 'sleep');
    await settled();
    expect(ops[0]?.completions).toBe(1);
    await end(made);
  });

  it('wake it while they have more to do, as soon as few wait', async () => {
    const made = stage(1);
    const ops = start(made, 1);
    const [thread] = made.threads as [SteppedThread];
    runTo(thread, 'device');
    await made.timers.advance(10);
    completeAll(made, 0);
    start(made, 1, 1);
    runTo(thread, 'taken');
    await settled();
    expect(ops[0]?.completions).toBe(1);
    await end(made);
  });

  it.each([
    ['sleep', 1],
    ['block in their device', 2],
  ])(
    'tell before they %s of a completion that they have held back, when another one has taken what it waited for',
    async (_, begun) => {
      const made = stage(2);
      const early = start(made, begun);
      const [first] = made.threads as [SteppedThread];
      for (let count = 0; count < begun; count++) runTo(first, 'begin');
      runTo(first, 'device');
      start(made, 100, begun);
      made.timers.fire(2);
      const second = made.threads[1] as SteppedThread;
      const [channel] = made.late.channels;
      made.late.complete(channel as LateChannel, channel?.started[0] as BlockIo);
      // For a hundred that wait, one can wait.
      runTo(first, 'pushed');
      await settled();
      expect(early[0]?.completions).toBe(0);
      runTo(second, 'device');
      await settled();
      expect(early[0]?.completions).toBe(0);
      runTo(first, begun === 1 ? 'sleep' : 'device');
      await settled();
      expect(early[0]?.completions).toBe(1);
      await end(made);
    },
  );
});

describe('the nudge', () => {
  it('wakes another thread for what waits while the one that was to take it does not come', async () => {
    const { first, second, ...made } = await oneSleeps('taken');
    const before = made.service.statistics().threads.map(({ state }) => state);
    // So few that the one that runs would take them soon.
    const ops = start(made, 1, 10);
    expect([before, second.runs, first.at]).toEqual([['running', 'idle'], false, 'taken']);
    made.timers.fire(2);
    expect(second.runs).toBe(true);
    runTo(second, 'device');
    completeAll(made, 1);
    runTo(second, 'sleep');
    await settled();
    expect(ops[0]?.completions).toBe(1);
    await end(made);
  });
});
