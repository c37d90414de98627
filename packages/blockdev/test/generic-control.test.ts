import { constants } from 'node:os';
import {
  BLOCK_ABORT,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_READ,
  BLOCK_RESET,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockIo,
  biowait,
} from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { bufferOf, makeIo, type Outcome, runSync, start, write } from './support/requests.js';
import { Scripted, turn } from './support/scripted-device.js';
import { VirtualTime } from './support/virtual-time.js';

const { EAGAIN, EBUSY, ECANCELED, EINVAL, EIO, ENODEV, EPERM, EOPNOTSUPP: ENOTSUP } = constants.errno;
const atOnce = (): number => 0;
const reset = (): BlockIo => makeIo({ operation: BLOCK_RESET, buffer: null });
const errors = async (all: readonly Promise<Outcome>[]): Promise<number[]> => (await Promise.all(all)).map(({ error }) => error);

describe('requests that the driver has no room for', () => {
  it('go to it again in the order in which they came, by the next completion', async () => {
    const timers = new VirtualTime();
    const script = new Scripted({ options: { timers } });
    const all = [0, 1, 2].map((offset) => write(script.device, 'x', offset));
    const [first, second, third] = [...script.started];
    script.end(third, EAGAIN);
    script.end(second, EAGAIN);
    all.push(write(script.device, 'x', 3));
    expect(script.started).toEqual([first]);
    script.end(first);
    expect(script.started.map(({ offset }) => offset)).toEqual([1, 2, 3]);
    await script.endAll();
    expect(await errors(all)).toEqual([0, 0, 0, 0]);
    expect(script.device.statistics()).toMatchObject({ retries: 2 });
  });

  it('go to it again by the clock if nothing completes', async () => {
    const timers = new VirtualTime();
    const script = new Scripted({ options: { timers, retryDelayMs: 50 } });
    const ended = write(script.device, 'x', 0);
    script.end(script.started[0], EAGAIN);
    timers.advance(49);
    expect(script.started).toHaveLength(0);
    timers.advance(1);
    await script.endAll();
    expect((await ended).error).toBe(0);
    expect(timers.pending).toBe(0);
  });

  it('go to it again in the synchronous way too, which has the same results', () => {
    const timers = new VirtualTime();
    let refusals = 3;
    const script = new Scripted({ options: { timers, retryDelayMs: 10 }, answer: () => (refusals-- > 0 ? EAGAIN : 0) });
    expect(runSync(script.device, makeIo({ lengthBytes: 10 }))).toEqual({ error: 0, transferredBytes: 10 });
    expect(timers.now()).toBe(30);
  });

  it('leave no timer behind when they are aborted', async () => {
    const timers = new VirtualTime();
    const script = new Scripted({ options: { timers } });
    const io = makeIo({ operation: BLOCK_WRITE });
    const ended = start(script.device, io);
    script.end(script.started[0], EAGAIN);
    expect(timers.pending).toBe(1);
    expect(script.device.abort(io)).toBe('cancelled');
    expect((await ended).error).toBe(ECANCELED);
    expect(timers.pending).toBe(0);
  });

  it('end with EAGAIN where the device says that it does not try again', async () => {
    const script = new Scripted({ capabilities: { retry: false }, answer: () => EAGAIN });
    expect((await write(script.device, 'x', 0)).error).toBe(EAGAIN);
    expect(runSync(script.device, makeIo()).error).toBe(EAGAIN);
  });

  it('complete before the callback of another that they were waiting for runs, not inside of it', async () => {
    const script = new Scripted({ limits: { maxInFlight: 1 } });
    const order: string[] = [];
    const first = makeIo({ operation: BLOCK_WRITE });
    const second = makeIo({ operation: BLOCK_WRITE });
    first.iodone = () => order.push(`first ${first.state}`);
    second.iodone = () => {
      // The first one must not look as if it were still in flight.
      order.push(`second, first is ${first.state}, ${script.device.abort(first)}`);
      throw new Error('of a callback');
    };
    script.device.strategy(first);
    script.device.strategy(second);
    script.answer = atOnce;
    const uncaught = new Promise((resolve) => process.once('uncaughtException', resolve));
    const listeners = process.listeners('uncaughtException').slice(0, -1);
    for (const listener of listeners) process.off('uncaughtException', listener);
    script.end(script.started[0]);
    await uncaught;
    for (const listener of listeners) process.on('uncaughtException', listener);
    expect(order).toEqual(['first 2', 'second, first is 2, done']);
  });
});

describe('abort', () => {
  it('of what waits for the driver, for a range, for a piece or for resume() is a cancel', async () => {
    const script = new Scripted({
      limits: { maxInFlight: 2, maxTransferBytes: 512, transferUnitBytes: 2 },
      options: { piecesMax: 1 },
    });
    const partial = makeIo({ operation: BLOCK_WRITE, buffer: bufferOf('x'), offset: 1 });
    const waiting: BlockIo[] = [
      makeIo({ operation: BLOCK_WRITE, lengthBytes: 2 }),
      makeIo({ operation: BLOCK_WRITE, lengthBytes: 4096, offset: 4096 }),
    ];
    const running = [start(script.device, partial)];
    const ended = waiting.map((io) => start(script.device, io));
    running.push(start(script.device, makeIo({ lengthBytes: 2 })));
    waiting.push(makeIo({ lengthBytes: 2, offset: 8 }));
    ended.push(start(script.device, waiting[2] as BlockIo));
    void script.device.quiesce();
    waiting.push(makeIo({ lengthBytes: 2 }));
    ended.push(start(script.device, waiting[3] as BlockIo));
    expect(waiting.map((io) => script.device.abort(io))).toEqual(['cancelled', 'cancelled', 'cancelled', 'cancelled']);
    expect(await errors(ended)).toEqual([ECANCELED, ECANCELED, ECANCELED, ECANCELED]);
    expect(waiting.map((io) => script.device.abort(io))).toEqual(['done', 'done', 'done', 'done']);
    await script.endAll();
    expect(await errors(running)).toEqual([0, 0]);
  });

  it('stops a long request where it is: no piece goes on with its next step', async () => {
    const zeroing = new Scripted({ capabilities: { zeroes: 'fast' } });
    const io = makeIo({ operation: BLOCK_WRITE_ZEROES, buffer: null, lengthBytes: 65536 });
    const ended = start(zeroing.device, io);
    const [piece] = [...zeroing.started];
    expect(zeroing.device.abort(io)).toBe('in-progress');
    zeroing.end(piece, ENOTSUP);
    await zeroing.endAll();
    expect(await ended).toEqual({ error: ECANCELED, transferredBytes: 0 });
    expect(zeroing.log).toEqual(['write-zeroes 0+65536']);

    const changing = new Scripted({ limits: { transferUnitBytes: 512 } });
    const partial = makeIo({ operation: BLOCK_WRITE, buffer: bufferOf('x') });
    const changed = start(changing.device, partial);
    expect(changing.device.abort(partial)).toBe('in-progress');
    await changing.endAll();
    expect(await changed).toEqual({ error: ECANCELED, transferredBytes: 0 });
    expect(changing.log).toEqual(['read 0+512']);
  });

  it('as a request answers in its verdict, also on a quiesced device and in the synchronous way', async () => {
    const script = new Scripted();
    void script.device.quiesce();
    const [one, two] = [makeIo(), makeIo()];
    const ended = [start(script.device, one), start(script.device, two)];
    const abort = Object.assign(makeIo({ operation: BLOCK_ABORT, buffer: null }), { target: one });
    expect((await start(script.device, abort)).error).toBe(0);
    expect(abort.verdict).toBe('cancelled');
    abort.target = two;
    expect(runSync(script.device, abort).error).toBe(0);
    expect(abort.verdict).toBe('cancelled');
    expect(await errors(ended)).toEqual([ECANCELED, ECANCELED]);
  });
});

describe('reset', () => {
  it.each([false, true])(
    'ends what waits, lets nothing of it start, and waits for the rest; the driver can cancel: %s',
    async (abortable) => {
      const script = new Scripted({ limits: { maxInFlight: 1, transferUnitBytes: 512 }, abortable });
      const all = [0, 1, 2].map((index) =>
        start(script.device, makeIo({ operation: BLOCK_WRITE, lengthBytes: 512, offset: index * 512 })),
      );
      all.push(write(script.device, 'part', 4096), write(script.device, 'part', 4098));
      const resetting = start(script.device, reset());
      let done = false;
      void resetting.then(() => {
        done = true;
      });
      await turn();
      expect(done).toBe(abortable);
      if (!abortable) expect((await start(script.device, makeIo({ lengthBytes: 512 }))).error).toBe(ECANCELED);
      await script.endAll();
      expect((await resetting).error).toBe(0);
      expect(await errors(all)).toEqual([abortable ? ECANCELED : 0, ECANCELED, ECANCELED, ECANCELED, ECANCELED]);
      expect(script.log).toEqual(['write 0+512']);
      script.answer = atOnce;
      expect((await start(script.device, makeIo({ lengthBytes: 512 }))).error).toBe(0);
    },
  );

  it('tells that it is done after the last request has told so', async () => {
    const script = new Scripted();
    const order: string[] = [];
    const all = [
      write(script.device, 'x', 0).then(() => order.push('write')),
      start(script.device, reset()).then(() => order.push('reset')),
    ];
    script.end(script.started[0]);
    await Promise.all(all);
    expect(order).toEqual(['write', 'reset']);
  });

  it('ends what the driver keeps refusing, whenever it refuses', async () => {
    const timers = new VirtualTime();
    const script = new Scripted({ options: { timers } });
    const all = [0, 1, 2].map((offset) => write(script.device, 'x', offset));
    script.end(script.started[0], EAGAIN);
    const resetting = start(script.device, reset());
    script.end(script.started[0], EAGAIN);
    script.end(script.started[0]);
    expect(await errors([...all, resetting])).toEqual([ECANCELED, ECANCELED, 0, 0]);
    expect(script.log).toHaveLength(3);
    expect(timers.pending).toBe(0);
  });
});

describe('quiesce', () => {
  it('can be nested, waits for what is with the driver, and starts in order what it held back', async () => {
    const script = new Scripted();
    const first = write(script.device, 'x', 0);
    let quiet = 0;
    const promises = [script.device.quiesce(), script.device.quiesce()].map((promise) => promise.then(() => quiet++));
    const held = [1, 2, 3].map((offset) => write(script.device, 'x', offset));
    await turn();
    expect(quiet).toBe(0);
    script.end(script.started[0]);
    await Promise.all(promises);
    script.device.resume();
    expect(script.started).toHaveLength(0);
    expect(runSync(script.device, makeIo()).error).toBe(EBUSY);
    script.device.resume();
    expect(script.started.map(({ offset }) => offset)).toEqual([1, 2, 3]);
    await script.endAll();
    expect(await errors([first, ...held])).toEqual([0, 0, 0, 0]);
    expect(() => script.device.resume()).toThrow(/EALREADY/);
  });

  it('becomes quiet although a request that had started waits for a range that one held back wants', async () => {
    const script = new Scripted({ limits: { transferUnitBytes: 512 } });
    const whole = (): Promise<Outcome> => start(script.device, makeIo({ operation: BLOCK_WRITE, lengthBytes: 512 }));
    const first = whole();
    const partial = write(script.device, 'x', 0);
    const quiet = script.device.quiesce();
    const held = whole();
    await script.endAll();
    await quiet;
    expect(await errors([first, partial])).toEqual([0, 0]);
    script.device.resume();
    await script.endAll();
    expect((await held).error).toBe(0);
  });

  it('checks again what it held back: the device may be smaller now', async () => {
    const script = new Scripted({ answer: atOnce });
    await script.device.quiesce();
    const held = [write(script.device, 'x', 60000), write(script.device, 'x', 0)];
    script.events?.resized(4096);
    script.device.resume();
    expect(await errors(held)).toEqual([EINVAL, 0]);
  });

  it('makes a wait for what it holds back a refusal, not a wait for ever', async () => {
    const script = new Scripted();
    await script.device.quiesce();
    const io = makeIo();
    script.device.strategy(io);
    expect(() => biowait(io)).toThrow(/EDEADLK.*resume/);
    script.device.abort(io);
    expect(io.error).toBe(ECANCELED);
  });
});

describe('the end of a device', () => {
  it('by close() cancels what is held back, and a callback then finds it closed', async () => {
    const script = new Scripted();
    await script.device.quiesce();
    const seen: number[] = [];
    const io = makeIo();
    io.iodone = () => {
      seen.push(io.error);
      if (seen.length < 5 && io.error === ECANCELED) script.device.strategy(io);
      if (seen.length === 1) void script.device.close();
    };
    script.device.strategy(io);
    await script.device.close();
    expect(seen).toEqual([ECANCELED, constants.errno.EBADF]);
  });

  it('by removal ends what has not reached the driver, and nothing reaches it any more', async () => {
    const script = new Scripted({ limits: { maxInFlight: 1, maxTransferBytes: 512 } });
    let told = 0;
    script.device.on('remove', () => {
      told += 1;
    });
    const long = write(script.device, Buffer.alloc(8192), 0);
    const all = [0, 1].map((offset) => write(script.device, 'x', offset));
    script.events?.removed();
    script.events?.removed();
    expect(await errors(all)).toEqual([ENODEV, ENODEV]);
    script.end(script.started[0]);
    await turn();
    expect((await long).error).toBe(ENODEV);
    expect(script.log).toHaveLength(1);
    expect((await write(script.device, 'x', 0)).error).toBe(ENODEV);
    expect(told).toBe(1);
    await script.device.close();
  });
});

describe('claims', () => {
  it('leave to others what their kind says', async () => {
    const script = new Scripted({ answer: atOnce });
    const { device } = script;
    const run = (operation: number, claim: BlockIo['claim'] = null): Promise<Outcome> =>
      start(device, Object.assign(makeIo({ operation, lengthBytes: 1 }), { claim }));
    for (const kind of ['read-many-write-none', 'read-many-write-one', 'exclusive'] as const) {
      const claim = device.claim(kind);
      expect((await run(BLOCK_READ)).error).toBe(kind === 'exclusive' ? EPERM : 0);
      expect((await run(BLOCK_WRITE)).error).toBe(EPERM);
      expect((await run(BLOCK_WRITE, claim)).error).toBe(kind === 'read-many-write-none' ? EPERM : 0);
      expect(() => device.claim('exclusive')).toThrow(/EBUSY/);
      claim.release();
      claim.release();
      expect((await run(BLOCK_WRITE)).error).toBe(0);
    }
    const [one, two] = [device.claim('read-many-write-shared', 'k'), device.claim('read-many-write-shared', 'k')];
    expect(() => device.claim('read-many-write-shared', 'other')).toThrow(/EBUSY/);
    one.release();
    expect((await run(BLOCK_WRITE, two)).error).toBe(0);
    expect((await run(BLOCK_WRITE)).error).toBe(EPERM);
    two.release();
  });
});

describe('reports', () => {
  it('of requests that take too long come once each', async () => {
    const timers = new VirtualTime();
    const reports: [number, number][] = [];
    const script = new Scripted({
      options: { timers, timeoutMs: 100, onTimeout: (io, ageMs) => reports.push([io.offset, ageMs]) },
    });
    const all = [write(script.device, 'x', 1)];
    await turn();
    timers.advance(60);
    all.push(write(script.device, 'x', 2));
    await turn();
    timers.advance(400);
    expect(reports).toEqual(
      [
        [1, 100],
        [2, 140],
      ].map(([offset, age]) => [offset, expect.closeTo(age as number, -2)]),
    );
    await script.endAll();
    await Promise.all(all);
    expect(script.device.statistics().timeouts).toBe(2);
    timers.advance(1000);
    expect(timers.pending).toBe(0);
  });

  it('of the statistics add up', async () => {
    const timers = new VirtualTime();
    const script = new Scripted({ limits: { maxInFlight: 2 }, options: { timers } });
    const all = [
      write(script.device, 'abc', 0),
      write(script.device, 'de', 5),
      start(script.device, makeIo({ lengthBytes: 10 })),
    ];
    all.push(start(script.device, makeIo({ offset: -1 })));
    await turn();
    timers.advance(8);
    await script.endAll(0);
    await Promise.all(all);
    const { operations, ...rest } = script.device.statistics();
    expect(rest).toMatchObject({ inFlight: 0, inFlightMax: 4, busyMs: 8, queued: 1, retries: 0 });
    expect(operations['write']).toMatchObject({ completed: 2, bytes: 5, errors: 0, totalUs: 16000 });
    expect(operations['read']).toMatchObject({ completed: 2, bytes: 10, errors: 1 });
    expect(operations['write']?.latency.count).toBe(2);
    expect(operations['write']?.latency.maxUs).toBe(8000);
    script.device.resetStatistics();
    expect(script.device.statistics().operations).toEqual({});
  });

  it('of the statistics are counted anew after a reset, also of requests like those before it', async () => {
    const timers = new VirtualTime();
    const script = new Scripted({ options: { timers } });
    const oneOf = async (latencyMs: number): Promise<void> => {
      const done = write(script.device, 'abc', 0);
      timers.advance(latencyMs);
      await script.endAll(0);
      await done;
    };
    await oneOf(8);
    script.device.resetStatistics();
    await oneOf(8);
    const written = script.device.statistics().operations['write'];
    expect(written).toMatchObject({ completed: 1, bytes: 3, totalUs: 8000 });
    expect(written?.latency.maxUs).toBe(8000);
  });

  it('of a compare-and-write that fails moved nothing', async () => {
    const script = new Scripted({ answer: () => EIO });
    const io = Object.assign(makeIo({ operation: BLOCK_COMPARE_AND_WRITE, lengthBytes: 8 }), { compare: bufferOf('12345678') });
    expect(await start(script.device, io)).toEqual({ error: EIO, transferredBytes: 0 });
  });
});
