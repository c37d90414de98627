import { setImmediate as turn } from 'node:timers/promises';
import { BLOCK_FLUSH, type BlockIo, biodone, IO_DONE, IO_IDLE, IO_STARTED, openMem, openNull } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { makeIo } from './support/requests.js';

const inFlight = expect.objectContaining({ code: 'EALREADY', syscall: 'strategy' });

describe('the life of a request', () => {
  it('goes from idle to started to done, and again', () => {
    const { device, started } = openManual();
    const io = makeIo();
    const calls: number[] = [];
    io.iodone = (done) => calls.push(done.state, done.error, device.inFlight);
    expect(io.state).toBe(IO_IDLE);
    for (const error of [0, 5]) {
      io.transferredBytes = 99;
      device.strategy(io);
      expect([io.state, io.error, io.transferredBytes]).toEqual([IO_STARTED, 0, 0]);
      expect(device.inFlight).toBe(1);
      biodone(started.pop() as BlockIo, error);
      // What the callback has seen was final, and the request was no longer in flight.
      expect(calls.splice(0)).toEqual([IO_DONE, error, 0]);
    }
  });

  it('refuses to start a request that is in flight', () => {
    const { device, started } = openManual();
    const io = makeIo();
    io.iodone = () => {};
    device.strategy(io);
    expect(() => device.strategy(io)).toThrow(inFlight);
    expect(() => device.strategySync(io)).toThrow(inFlight);
    expect(() => openNull().strategy(io)).toThrow(inFlight);
    expect([started.length, device.inFlight]).toEqual([1, 1]);
    biodone(io, 0);
    expect(device.inFlight).toBe(0);
  });

  it('refuses to start a request whose callback is still to be called', async () => {
    const device = openNull();
    const io = makeIo();
    const seen: number[] = [];
    io.iodone = () => seen.push(device.inFlight);
    device.strategy(io);
    expect(io.state).toBe(IO_DONE);
    expect(() => device.strategy(io)).toThrow(inFlight);
    expect(() => device.strategySync(io)).toThrow(inFlight);
    await undefined;
    // To the callback, as to all others, the request is no longer in flight.
    expect(seen).toEqual([0]);
  });

  it('completes exactly once: the second call of biodone throws', () => {
    const { device } = openManual();
    const io = makeIo();
    let calls = 0;
    io.iodone = () => {
      calls += 1;
    };
    const already = expect.objectContaining({ code: 'EALREADY', syscall: 'biodone' });
    expect(() => biodone(io, 0)).toThrow(already);
    device.strategy(io);
    biodone(io, 0);
    expect(() => biodone(io, 5)).toThrow(already);
    expect([calls, io.error, device.inFlight]).toEqual([1, 0, 0]);
  });

  it('lets the callback start the same request again', async () => {
    const device = openMem(4096);
    const io = makeIo();
    let rounds = 0;
    await new Promise<void>((resolve) => {
      io.iodone = () => {
        rounds += 1;
        if (rounds === 5000) resolve();
        else device.strategy(io);
      };
      device.strategy(io);
    });
    expect(device.inFlight).toBe(0);
  });
});

describe('callbacks', () => {
  it('are not called before strategy has returned, also not for invalid requests', async () => {
    const device = openNull();
    const order: string[] = [];
    for (const [name, offset] of [
      ['valid', 0],
      ['invalid', -1],
    ] as const) {
      const io = makeIo({ offset });
      io.iodone = ({ error }) => order.push(`${name} ${error}`);
      device.strategy(io);
      order.push(`started ${name}`);
    }
    await undefined;
    expect(order).toEqual(['started valid', 'started invalid', 'valid 0', 'invalid 22']);
  });

  it('do not nest: one that starts a request returns before the next is called', async () => {
    const device = openNull();
    const order: string[] = [];
    let depth = 0;
    const begin = (name: string, then: () => void): void => {
      const io = makeIo();
      io.iodone = () => {
        expect(depth).toBe(0);
        depth += 1;
        order.push(name);
        then();
        depth -= 1;
      };
      device.strategy(io);
    };
    begin('a', () => begin('a1', () => begin('a2', () => {})));
    begin('b', () => begin('b1', () => {}));
    while (device.inFlight > 0) await turn();
    expect(order).toEqual(['a', 'b', 'a1', 'b1', 'a2']);
  });

  it('are not called inside the strategy of another device, though that polls', async () => {
    const inner = openNull();
    const { device, started } = openManual();
    const order: string[] = [];
    const outerIo = makeIo();
    outerIo.iodone = () => order.push('outer');
    const innerIo = makeIo();
    innerIo.iodone = () => order.push('inner');
    const push = started.push.bind(started);
    started.push = (...ios) => {
      inner.strategy(innerIo);
      expect(inner.poll()).toBe(0);
      order.push('started');
      for (const io of ios) biodone(io, 0);
      return push();
    };
    device.strategy(outerIo);
    order.push('returned');
    await undefined;
    expect(order).toEqual(['started', 'returned', 'inner', 'outer']);
  });

  it('are run by poll for a thread that does not return to its event loop', () => {
    const device = openNull();
    let calls = 0;
    for (let count = 0; count < 3000; count++) {
      const io = makeIo();
      io.iodone = () => {
        calls += 1;
      };
      device.strategy(io);
    }
    expect(device.poll()).toBe(3000);
    expect([calls, device.poll(), device.inFlight]).toEqual([3000, 0, 0]);
    expect(device.wait(Number.POSITIVE_INFINITY)).toBe(0);
  });
});

describe('closing', () => {
  it('waits for what is in flight, lets nothing in, and lets go once', async () => {
    const { device, started, state } = openManual();
    const io = makeIo();
    io.iodone = () => {};
    device.strategy(io);
    let closed = false;
    const closing = device.close().then(() => {
      closed = true;
    });
    expect(device.close()).toBe(device.close());
    await turn();
    expect([closed, state.closed]).toEqual([false, 0]);

    const late = makeIo();
    const errors: number[] = [];
    late.iodone = ({ error }) => errors.push(error);
    device.strategy(late);
    await undefined;
    expect([errors, started.length, device.inFlight]).toEqual([[9], 1, 1]);
    const lateFlush = makeIo({ operation: BLOCK_FLUSH });
    device.strategySync(lateFlush);
    expect(lateFlush.error).toBe(9);

    biodone(io, 0);
    await closing;
    expect([closed, state.closed]).toEqual([true, 1]);
    await device[Symbol.asyncDispose]();
    expect(state.closed).toBe(1);
  });

  it('waits for all callbacks of requests that are done', async () => {
    const device = openNull();
    let calls = 0;
    for (let count = 0; count < 5000; count++) {
      const io = makeIo({ buffer: shared });
      io.iodone = () => {
        calls += 1;
      };
      device.strategy(io);
    }
    expect(device.inFlight).toBe(5000);
    await device.close();
    expect(calls).toBe(5000);
    expect(() => device.handle()).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });
});

const shared = makeIo().buffer;
