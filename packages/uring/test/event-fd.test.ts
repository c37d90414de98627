import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import {
  allowedCpus,
  bindToCpu,
  closeOwnedEventFd,
  EINVAL,
  EventLoopDoor,
  hasEventFd,
  openOwnedEventFd,
  waitEventFd,
  wakeRing,
} from '@biodone/uring';
import { describe, expect, it } from 'vitest';

const linux = process.platform === 'linux';
if (!linux) console.warn('eventfds and CPU affinity are skipped: this is not Linux');

describe.skipIf(!linux)('waitEventFd', () => {
  it('takes a signal that came before, and one alone', () => {
    expect(hasEventFd()).toBe(true);
    const door = new EventLoopDoor(
      () => {},
      () => {},
    );
    expect(waitEventFd(door.eventFd, 0)).toBe('ETIME');
    wakeRing(door.eventFd);
    wakeRing(door.eventFd);
    expect(waitEventFd(door.eventFd, Number.POSITIVE_INFINITY)).toBe('ready');
    expect(waitEventFd(door.eventFd, 1)).toBe('ETIME');
    door.close();
  });

  it('leaves the event loop what it does not take', async () => {
    await new Promise<void>((resolve) => {
      const door = new EventLoopDoor(
        () => {
          door.close();
          resolve();
        },
        () => {},
      );
      door.hold(true);
      wakeRing(door.eventFd);
    });
  });
});

describe.skipIf(!linux)('an owned eventfd', () => {
  it('is closed by its thread, or with it', async () => {
    const script = `import('@biodone/uring').then(({ openOwnedEventFd }) => { openOwnedEventFd(); setInterval(() => {}, 1000); require('node:worker_threads').parentPort.postMessage(0); })`;
    const cycle = async (): Promise<void> => {
      const worker = new Worker(script, { eval: true });
      await new Promise((resolve) => worker.once('message', resolve));
      await worker.terminate();
      closeOwnedEventFd(openOwnedEventFd());
    };
    await cycle();
    const before = readdirSync('/proc/self/fd').length;
    await cycle();
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });
});

describe.skipIf(!linux)('the CPUs of a thread', () => {
  it('are those that it is bound to', async () => {
    const script = `import('@biodone/uring').then(({ allowedCpus, bindToCpu }) => {
      const all = allowedCpus();
      require('node:worker_threads').parentPort.postMessage([all, bindToCpu(all.at(-1)), allowedCpus()]);
    })`;
    const worker = new Worker(script, { eval: true });
    const [all, bound, then] = await new Promise<[number[], number, number[]]>((resolve) => worker.once('message', resolve));
    expect(all).toEqual(allowedCpus());
    expect([bound, then]).toEqual([0, [all.at(-1)]]);
    // Nobody has this one.
    expect(bindToCpu(1023)).toBe(EINVAL);
    expect(allowedCpus()).toEqual(all);
  });
});
