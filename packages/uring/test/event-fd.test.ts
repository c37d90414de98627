import { closeSync, readdirSync, writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import {
  allowedCpus,
  bindToCpu,
  closeOwnedEventFd,
  EINVAL,
  EventLoopDoor,
  hasEventFd,
  IoBuffer,
  libc,
  openOwnedEventFd,
  prepareRead,
  probe,
  RingRequest,
  threadRing,
  waitEventFd,
  waitForDoors,
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

describe.skipIf(!linux)('waitForDoors', () => {
  it('ends with a signal to any open door of the thread, which calls back once, and leaves the others alone', () => {
    const called: number[] = [];
    const doors = [0, 1, 2].map(
      (number) =>
        new EventLoopDoor(
          () => called.push(number),
          () => {},
        ),
    ) as [EventLoopDoor, EventLoopDoor, EventLoopDoor];
    expect([waitForDoors(0), waitForDoors(0.1)]).toEqual(['ETIME', 'ETIME']);
    wakeRing(doors[1].eventFd);
    expect(waitForDoors(Number.POSITIVE_INFINITY)).toBe('ready');
    expect([called.splice(0), waitForDoors(0)]).toEqual([[1], 'ETIME']);
    wakeRing(doors[2].eventFd);
    wakeRing(doors[0].eventFd);
    wakeRing(doors[0].eventFd);
    expect([waitForDoors(Number.POSITIVE_INFINITY), called]).toEqual(['ready', [0, 2]]);
    for (const door of doors) door.close();
  });

  it('ends with a completion of the thread’s ring, also where there is nothing else', ({ skip }) => {
    if (!probe().available) skip(probe().reason ?? undefined);
    const ring = threadRing();
    const ends = new Int32Array(2);
    libc().pipe2(ends, 0);
    const [readEnd, writeEnd] = ends as unknown as [number, number];
    const request = new (class extends RingRequest {
      result: number | null = null;
      override complete(result: number): void {
        this.result = result;
      }
    })();
    prepareRead(request, readEnd, IoBuffer.allocate(16), 0, 16, -1);
    ring.start(request);
    ring.poll();
    expect([ring.tellByDoor(), waitForDoors(0)]).toEqual([true, 'ETIME']);
    writeSync(writeEnd, 'five!');
    expect([waitForDoors(Number.POSITIVE_INFINITY), request.result]).toEqual(['ready', null]);
    // Now it is there, and gives no other signal.
    expect(ring.tellByDoor()).toBe(false);
    expect([ring.poll(), request.result]).toEqual([1, 5]);
    for (const fd of ends) closeSync(fd);
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
