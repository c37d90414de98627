// One test for each pitfall that asynchronous I/O is known for, and for each defect read in NetBSD's implementation of 2025 (NB), that can happen
// in this layer. Those of control blocks are posix-aio's: pitfall 8, NB-5, NB-8, NB-10, NB-11.

import { closeSync, openSync, writeFileSync } from 'node:fs';
import { AioFile, AioOp, AioServicePool, EAGAIN, EBADF, OrderingKey, queueCompletion } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, IO_DONE, openConcat, openFile, openMem, openNull } from '@biodone/blockdev';
import { EALREADY, ECANCELED, EINVAL, EIO, ENOSPC, IoBuffer, probe } from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { BLOCK_BYTES, makeFolder } from './support/files.js';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';
import { seededRandom } from './support/random.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const folder = makeFolder();
afterAll(() => folder.remove());
const engines = probe().available ? (['uring', 'fs'] as const) : (['fs'] as const);
if (!probe().available) console.warn(`the wrong-file race is run through fs alone: ${probe().reason}`);

const write = { operation: BLOCK_WRITE } as const;
const flush = { operation: BLOCK_FLUSH, lengthBytes: 0 } as const;

describe('pitfall 1, NB-1: what comes while an ordering group is finishing is lost', () => {
  it('runs, at whatever moment it comes: random schedules', async () => {
    const random = seededRandom('ordering groups');
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { depth: 64, inFlightMax: 4 });
    const keys = Array.from({ length: 3 }, () => new OrderingKey());
    let submitted = 0;
    let done = 0;
    const last = keys.map(() => -1);
    const submit = (): void => {
      const key = random(keys.length);
      const number = submitted;
      const op = fill(pool.allocate(), { ...write, orderingKey: keys[key] as OrderingKey });
      op.callback = () => {
        done += 1;
        expect(number).toBeGreaterThan(last[key] as number);
        last[key] = number;
        if (random(3) === 0) submit();
      };
      if (pool.submit(op) === 0) submitted += 1;
      else pool.release(op);
    };
    for (let step = 0; step < 20_000; step++) {
      if (random(2) === 0) submit();
      else if (manual.started.length > 0) manual.complete(manual.started[random(manual.started.length)]);
    }
    while (pool.inFlight > 0) manual.completeAll();
    expect(done).toBe(submitted);
    expect(keys.map(({ pending }) => pending)).toEqual([0, 0, 0]);
  });
});

describe('pitfall 2: a notification before the state is final, or two of them', () => {
  it('comes once when deadline, signal, cancel and completion meet, and all is over in the callback', async () => {
    for (const abortable of [false, true]) {
      const timers = new VirtualTimers();
      const manual = openManual({ timers, abortable });
      const pool = new AioServicePool(manual.device, { timers });
      const abort = new AbortController();
      const op = fill(pool.allocate(), { deadlineMs: 5, signal: abort.signal });
      const seen: unknown[] = [];
      op.callback = () => {
        seen.push([op.submitted, op.state, pool.inFlight, pool.dump(), pool.stats().completed]);
      };
      pool.submit(op);
      abort.abort();
      pool.cancel(op);
      if (manual.started.length > 0) manual.complete();
      await timers.advance(10);
      pool.poll();
      expect(seen).toEqual([[false, IO_DONE, 0, [], 1]]);
    }
  });
});

describe('pitfall 3: completion inside submit', () => {
  it('is told after submit has returned, also for what starts when another one ends', async () => {
    const pool = new AioServicePool(openNull(), { inFlightMax: 1 });
    let inside = 0;
    let calls = 0;
    for (let count = 0; count < 5; count++) {
      const op = fill(pool.allocate());
      op.callback = () => {
        calls += 1;
        expect(inside).toBe(0);
      };
      inside += 1;
      pool.submit(op);
      inside -= 1;
    }
    expect(calls).toBe(0);
    await settled();
    expect(calls).toBe(5);
  });
});

describe('pitfall 4: handles that are used again', () => {
  it('are told apart by their generation', () => {
    const pool = new AioServicePool(openNull());
    const ids = new Set<number>();
    for (let use = 0; use < 1000; use++) {
      const op = pool.allocate();
      ids.add(op.id);
      pool.release(op);
    }
    expect(ids.size).toBe(1000);
    const [first] = ids;
    const op = start(pool, [], 'a');
    expect(pool.cancel(first as number)).toBe('done');
    expect(op.submitted).toBe(true);
  });
});

describe('pitfall 5, NB-6: reaping before reuse', () => {
  it('is not needed, one in flight is refused and not disturbed, and what is not reaped does not pile up', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { depth: 4 });
    const op = fill(new AioOp(), { callback: queueCompletion });
    pool.submit(op);
    expect(() => pool.submit(op)).toThrow(expect.objectContaining({ code: 'EALREADY' }));
    manual.complete();
    expect(pool.submit(op)).toBe(0);
    manual.complete();
    expect([pool.unreapedCount, pool.reap(), pool.reap()]).toEqual([1, op, null]);
  });
});

describe('pitfall 6, NB-9: the order is one of the open file', () => {
  it('whatever pool or device it goes through; positional operations run in parallel', () => {
    const one = openManual();
    const other = openManual();
    const file = new AioFile();
    const pools = [new AioServicePool(one.device, { file }), new AioServicePool(other.device, { file })] as const;
    const log: string[] = [];
    for (const pool of pools) for (const name of ['a', 'b']) start(pool, log, name, write);
    expect([one.started.length, other.started.length]).toEqual([2, 2]);
    start(pools[0], log, 'flush', flush);
    one.completeAll();
    other.complete();
    expect(log).toEqual(['a', 'b', 'a']);
    other.complete();
    one.completeAll();
    expect(log).toEqual(['a', 'b', 'a', 'b', 'flush']);
  });
});

describe('pitfall 7, NB-7: a flush', () => {
  it('starts alone, is immune to priorities, and reports what failed', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 1, discipline: 'priocscan' });
    const log: string[] = [];
    start(pool, log, 'alone', flush);
    manual.complete();
    start(pool, log, 'busy', write);
    start(pool, log, 'low', { ...write, priority: 0 });
    start(pool, log, 'flush', { ...flush, priority: 2 });
    manual.complete();
    manual.complete(undefined, EINVAL, 0);
    manual.complete();
    expect(log).toEqual(['alone', 'busy', `low:${EINVAL}`, `flush:${EINVAL}`]);
  });
});

describe('pitfall 9, NB-14: timeouts', () => {
  it('are one absolute time, which completions of others do not begin anew', () => {
    const timers = new VirtualTimers();
    const manual = openManual({ timers, polled: false });
    const pool = new AioServicePool(manual.device, { timers });
    const stuck = start(pool, [], 'stuck');
    // Each completion of another one takes 10 ms, ends the wait, and makes the next one.
    const op = fill(pool.allocate(), { offset: -1 });
    op.callback = () => {
      timers.nowMs += 10;
      pool.submit(op);
    };
    pool.submit(op);
    const began = timers.nowMs;
    expect(pool.cancelSync(stuck, 35)).toBe('ETIME');
    expect(timers.nowMs - began).toBeLessThan(60);
    op.callback = () => {};
    pool.poll();
    manual.complete();
  });

  it('do not matter for what is done', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const op = start(pool, [], 'a');
    op.callback = queueCompletion;
    manual.complete();
    expect(pool.waitComplete(0)).toBe(op);
    expect(pool.cancelSync(op, 0)).toBe('done');
  });
});

describe('pitfall 10: lists of operations', () => {
  it('may be empty, hold bad ones, and complete while they are submitted: each member ends once, later', async () => {
    const device = openNull();
    const pool = new AioServicePool(device, { inFlightMax: 1 });
    let inside = false;
    const ends: string[] = [];
    const make = (name: string): AioOp =>
      fill(new AioOp(), { callback: ({ error }) => void ends.push(`${name}:${error}${inside ? ' inside' : ''}`) });
    const [a, b, c] = [make('a'), make('b'), make('c')];
    const verdicts: number[] = [];
    inside = true;
    expect([pool.submitAll([]), pool.submitAll([a, null as unknown as AioOp, b, a, c], verdicts)]).toEqual([0, 3]);
    inside = false;
    expect(verdicts).toEqual([0, EINVAL, 0, EALREADY, 0]);
    await settled();
    expect(ends).toEqual(['a:0', 'b:0', 'c:0']);
    expect(pool.inFlight).toBe(0);
  });
});

describe('pitfall 11, NB-15: cancelling what runs', () => {
  it('asks the driver, says that it runs, and reports what was moved and not ECANCELED', () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device);
    const op = fill(pool.allocate());
    const seen: number[] = [];
    op.callback = () => {
      seen.push(op.error, op.transferredBytes);
    };
    pool.submit(op);
    expect(pool.cancel(op)).toBe('in-progress');
    expect(pool.file.cancelAll()).toEqual({ cancelled: 0, inProgress: 1 });
    manual.complete(op, 0, 100);
    expect(seen).toEqual([0, 100]);
  });
});

describe('pitfall 12: operations that block for ever', () => {
  it('hold up their own pool alone', () => {
    const stuck = openManual({ polled: false });
    const pipes = new AioServicePool(stuck.device, { depth: 2, inFlightMax: 1 });
    const files = new AioServicePool(openMem(65536));
    const log: string[] = [];
    for (const name of ['pipe', 'pipe']) start(pipes, log, name);
    start(files, log, 'file');
    files.poll();
    expect(log).toEqual(['file']);
    expect(pipes.submit(fill(pipes.allocate(), { callback: () => {} }))).toBe(EAGAIN);
  });
});

describe('pitfall 13, NB-12: a callback or a thread that waits', () => {
  it('does not stop the others: submissions, cancels and completions make progress inside', () => {
    const manual = openManual({ abortable: true });
    const pool = new AioServicePool(manual.device, { inFlightMax: 2 });
    const log: string[] = [];
    const waiting = start(pool, log, 'waiting');
    const others = ['a', 'b', 'c'].map((name) => start(pool, log, name));
    waiting.callback = () => {
      start(pool, log, 'd');
      pool.cancel(others[1] as AioOp);
      while (pool.inFlight > 0) pool.wait(1000);
      log.push('waited');
    };
    pool.wait(1000);
    expect(log.at(-1)).toBe('waited');
    expect([...log].sort()).toEqual(['a', `b:${ECANCELED}`, 'c', 'd', 'waited']);
  });
});

describe('pitfall 14, NB-13: backpressure', () => {
  it('is EAGAIN at submit, and every accepted operation completes, far more than the depth', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { depth: 8, inFlightMax: 3 });
    let accepted = 0;
    let completed = 0;
    let refused = 0;
    for (let step = 0; step < 10_000; step++) {
      const op = fill(pool.allocate());
      op.callback = () => {
        completed += 1;
      };
      if (pool.submit(op) === 0) {
        accepted += 1;
      } else {
        refused += 1;
        pool.release(op);
        manual.complete();
      }
    }
    manual.completeAll();
    expect([completed, pool.stats().refused]).toEqual([accepted, refused]);
    expect(refused).toBeGreaterThan(1000);
  });
});

describe('pitfall 15: a closed file whose descriptor is somebody else’s', () => {
  it.each(engines)('is never read: 0 of 100,000 through %s', { timeout: 120_000 }, async (engine) => {
    const path = folder.numbered(`own-${engine}`, 1);
    const foreign = folder.numbered(`foreign-${engine}`, 1);
    const ROUNDS = 3125;
    const buffers = Array.from({ length: 32 }, () => IoBuffer.allocate(BLOCK_BYTES));
    let wrong = 0;
    let right = 0;
    let refused = 0;
    const count = (op: AioOp): void => {
      // The marker at the end of a block is the own file's or the foreign one's.
      if (op.error === EBADF || op.error === ECANCELED) refused += 1;
      else if (op.error === 0 && op.buffer?.bytes[100] === 0x5a) right += 1;
      else wrong += 1;
    };
    writeFileSync(foreign, Buffer.alloc(BLOCK_BYTES, 0xee));
    for (let round = 0; round < ROUNDS; round++) {
      const device = openFile(path, { engine, readOnly: true, lock: false });
      const pool = new AioServicePool(device, { service: 'inline', inFlightMax: 24 });
      for (const buffer of buffers) {
        buffer.bytes[100] = 0;
        const op = fill(pool.allocate(), { lengthBytes: BLOCK_BYTES });
        op.buffer = buffer;
        op.callback = count;
        pool.submit(op);
      }
      const closing =
        round % 2 === 0 ? [device.close(), pool.close({ cancel: round % 4 === 0 })] : [pool.close(), device.close()];
      const others = [openSync(foreign, 'r'), openSync(foreign, 'r')];
      await Promise.all(closing);
      for (const fd of others) closeSync(fd);
    }
    expect(wrong).toBe(0);
    expect(right + refused).toBe(ROUNDS * 32);
    expect(right).toBeGreaterThan(0);
  });
});

describe('pitfall 16: the synchronous mode', () => {
  it('gives what the asynchronous one gives, in the same order of one file', () => {
    const pool = new AioServicePool(openMem(65536));
    const orderingKey = new OrderingKey({ appendOffset: 0 });
    const log: string[] = [];
    start(pool, log, 'first', { ...write, orderingKey, lengthBytes: 100 });
    const op = fill(pool.allocate(), { ...write, orderingKey, lengthBytes: 50, callback: null });
    pool.submit(op);
    expect([log, op.offset, op.error, op.transferredBytes, pool.stats().submitted]).toEqual([['first'], 100, 0, 50, 1]);
  });
});

describe('pitfall 17: layered errors', () => {
  it('tell the lowest offset that has failed, and what was moved before it', async () => {
    const [one, two] = [openManual({ polled: false }), openManual({ polled: false })];
    const pool = new AioServicePool(openConcat([one.device, two.device]));
    // From the last bytes of the one to the first of the other, which fails first.
    const log: string[] = [];
    const op = start(pool, log, 'both', { offset: 2 ** 40 - 512, lengthBytes: 1024 });
    two.complete(undefined, ENOSPC, 0);
    expect([log, op.submitted]).toEqual([[], true]);
    one.complete(undefined, EIO, 100);
    await settled();
    expect([log, op.transferredBytes]).toEqual([[`both:${EIO}`], 100]);
  });
});

describe('pitfall 18, NB-2: teardown', () => {
  it('stops, cancels, waits and frees, with operations submitted at every moment of it', async () => {
    const random = seededRandom('teardown');
    for (let round = 0; round < 300; round++) {
      const manual = openManual({ abortable: random(2) === 0 });
      const pool = new AioServicePool(manual.device, { depth: 16, inFlightMax: 1 + random(4) });
      let open = 0;
      const submit = (): void => {
        const op = fill(pool.allocate(), random(4) === 0 ? flush : write);
        op.callback = () => {
          open -= 1;
          if (random(2) === 0) submit();
        };
        if (pool.submit(op) === 0) open += 1;
        else pool.release(op);
      };
      for (let count = 0; count < 12; count++) submit();
      const closed = pool.close({ cancel: random(2) === 0 });
      for (let count = 0; count < 4; count++) submit();
      manual.completeAll();
      await closed;
      expect([open, pool.inFlight]).toEqual([0, 0]);
      await manual.device.close();
    }
  });
});

describe('NB-3, NB-4: cancelling one request', () => {
  it('returns, gives it ECANCELED and the state of one that is done, and it can be used again', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { inFlightMax: 1 });
    start(pool, [], 'busy');
    const op = fill(new AioOp(), { callback: () => {} });
    pool.submit(op);
    expect(pool.cancel(op.id)).toBe('cancelled');
    await settled();
    expect([op.error, op.transferredBytes, op.state, op.submitted]).toEqual([ECANCELED, 0, IO_DONE, false]);
    expect(pool.submit(op)).toBe(0);
    manual.completeAll();
    expect([op.error, op.transferredBytes]).toEqual([0, 512]);
  });
});

describe('NB-16: memory for those who wait', () => {
  it('is in proportion to their number, and none is left', async () => {
    const manual = openManual();
    const pool = new AioServicePool(manual.device, { depth: 1 });
    start(pool, [], 'busy');
    let called = 0;
    for (let count = 0; count < 10_000; count++) pool.whenAvailable(() => (called += 1));
    await settled();
    expect(called).toBe(0);
    manual.complete();
    for (let turn = 0; turn < 10 && called < 10_000; turn++) await settled();
    expect(called).toBe(10_000);
    const reads = fill(pool.allocate(), { operation: BLOCK_READ, callback: () => {} });
    expect(pool.submit(reads)).toBe(0);
  });
});
