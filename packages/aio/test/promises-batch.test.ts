import {
  AioServiceClass,
  AioServicePool,
  type AioServicePoolOptions,
  LINK_HARD,
  LINK_SOFT,
  OrderingKey,
  promises,
} from '@biodone/aio';
import {
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_RESET,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  openMem,
} from '@biodone/blockdev';
import { EIO, IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const buffer = IoBuffer.allocate(4096);
const read = { operation: BLOCK_READ, buffer, offset: 0 } as const;
const write = { operation: BLOCK_WRITE, buffer, offset: 0, lengthBytes: 512 } as const;

function manualPool(options: AioServicePoolOptions = {}) {
  const timers = new VirtualTimers();
  const manual = openManual({ timers });
  return { timers, manual, pool: new AioServicePool(manual.device, { timers, ...options }) };
}

/** What a batch says, in short. */
function shown(results: readonly PromiseSettledResult<promises.BatchOutcome>[]): unknown[] {
  return results.map((result) => (result.status === 'fulfilled' ? result.value.bytes : result.reason.code));
}

function failureOf(promise: Promise<unknown>): Promise<promises.ChainFailure & { code: string }> {
  return promise.then(
    () => {
      throw new Error('it has not failed');
    },
    (error) => error,
  );
}

describe('promises.batch', () => {
  it('does operations of all kinds, and says of each what it has done', async () => {
    const device = openMem(65536);
    const pool = new AioServicePool(device);
    const key = new OrderingKey({ appendOffset: 8192 });
    const compare = IoBuffer.allocate(512);
    const done = await promises.batch(pool, [
      { operation: BLOCK_WRITE, vector: [buffer, buffer], offset: 0, link: LINK_SOFT },
      { ...write, offset: undefined as unknown as number, orderingKey: key, link: LINK_SOFT },
      { operation: BLOCK_FLUSH, link: LINK_SOFT },
      { operation: BLOCK_COMPARE_AND_WRITE, compare, buffer, lengthBytes: 512, offset: 0, link: LINK_SOFT },
      { operation: BLOCK_DISCARD, offset: 32768, lengthBytes: 4096, link: LINK_SOFT },
      { operation: BLOCK_WRITE_ZEROES, offset: 32768, lengthBytes: 4096, link: LINK_SOFT },
      { operation: BLOCK_EXTENTS, offset: 0, lengthBytes: 65536 },
      read,
    ]);
    const values = done.map((result) => (result as PromiseFulfilledResult<promises.BatchOutcome>).value);
    expect(values.map(({ offset, bytes }) => [offset, bytes])).toEqual([
      [0, 8192],
      [8192, 512],
      [0, 0],
      [0, 512],
      [32768, expect.any(Number)],
      [32768, 4096],
      [0, 65536],
      [0, 4096],
    ]);
    expect(values[6]?.extents?.count).toBeGreaterThan(0);
    expect(values[7]?.extents).toBe(null);
    await pool.close();
    await device.close();
  });

  it('goes on behind one that fails or is refused, and never rejects for one', async () => {
    const { manual, pool } = manualPool({ depth: 2 });
    const results = promises.batch(pool, [read, { ...read, offset: 2 ** 41 }, read, write]);
    manual.completeAll();
    expect(shown(await results)).toEqual([4096, 'EINVAL', 'EAGAIN', 'EAGAIN']);
    expect(pool.inFlight).toBe(0);
    // All are back: as many as before can be had.
    expect(shown(await promises.batch(pool, []))).toEqual([]);
  });

  it('ends all that waits for room by its signal', async () => {
    const { manual, pool } = manualPool({ depth: 1 });
    const first = promises.read(pool, buffer, 0);
    const abort = new AbortController();
    const ended: unknown[] = [];
    promises
      .batch(pool, [read, write, read], { wait: true, signal: abort.signal })
      .then((results) => ended.push(...shown(results)));
    await settled();
    abort.abort();
    await settled();
    expect(ended).toEqual(['ABORT_ERR', 'ABORT_ERR', 'ABORT_ERR']);
    manual.complete();
    await first;
    expect(pool.stats().submitted).toBe(1);
  });

  it('whose deadline is over before it is submitted ends by it', async () => {
    const timers = new (class extends VirtualTimers {
      override now(): number {
        this.nowMs += 1;
        return super.now();
      }
    })();
    const pool = new AioServicePool(openManual({ timers, abortable: true }).device, { timers });
    const ends = Promise.all([
      promises.batch(pool, [read, write], { deadlineMs: 0 }),
      promises.batch(pool, [{ ...read, deadlineMs: 0 }, read, read], { deadlineMs: 1 }),
      failureOf(promises.chain(pool, [read, write], { deadlineMs: 0 })),
    ]);
    await timers.advance(100);
    const [all, one, chained] = await ends;
    expect([shown(all), shown(one)]).toEqual([new Array(2).fill('ETIMEDOUT'), new Array(3).fill('ETIMEDOUT')]);
    expect(chained.code).toBe('ETIMEDOUT');
  });

  it('waits for room in its order, and the deadline of the call runs meanwhile', async () => {
    const { manual, timers, pool } = manualPool({ depth: 1, inFlightMax: 1 });
    const results = promises.batch(pool, [read, { ...write, deadlineMs: 80 }, read, write], { wait: true, deadlineMs: 100 });
    await settled();
    expect(pool.inFlight).toBe(1);
    const behind = promises.read(pool, buffer, 0).catch(({ code }) => code);
    expect(await behind).toBe('EAGAIN');
    await timers.advance(50);
    manual.complete();
    await settled();
    expect(manual.started.map(({ operation }) => operation)).toEqual([BLOCK_WRITE]);
    // Of its 80 ms 30 are left; the driver cannot end it, but is asked to.
    await timers.advance(30);
    expect(pool.stats().cancels['in-progress']).toBe(1);
    manual.complete();
    await settled();
    await timers.advance(20);
    manual.complete();
    await settled();
    // The last has had no room before 100 ms were over.
    const ended = await results;
    expect(shown(ended)).toEqual([4096, 512, 4096, 'ETIMEDOUT']);
    expect((ended[3] as PromiseRejectedResult).reason.message).toMatch(/deadline/);
    expect([timers.pending, pool.inFlight]).toEqual([0, 0]);
  });

  it('ends by its signal: what waits in the pool or for room at once, what is started as it will', async () => {
    const { manual, pool } = manualPool({ depth: 2, inFlightMax: 1 });
    const abort = new AbortController();
    const results = promises.batch(pool, [read, read, read, read], { wait: true, signal: abort.signal });
    await settled();
    abort.abort(new Error('enough'));
    await settled();
    manual.completeAll();
    const ended = await results;
    expect(shown(ended)).toEqual([4096, 'ABORT_ERR', 'ABORT_ERR', 'ABORT_ERR']);
    for (const end of ended.slice(1)) expect((end as PromiseRejectedResult).reason.cause.message).toBe('enough');
    await expect(promises.batch(pool, [read], { signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('has chains in it, each taken as a whole, and single operations', async () => {
    const { manual, pool } = manualPool({ depth: 4 });
    const results = promises.batch(pool, [
      { ...write, link: LINK_SOFT },
      write,
      read,
      // There is room for one more, and not for both.
      { ...write, link: LINK_HARD },
      write,
      read,
    ]);
    await settled();
    expect(manual.started).toHaveLength(3);
    manual.completeAll();
    await settled();
    manual.completeAll();
    expect(shown(await results)).toEqual([512, 512, 4096, 'EAGAIN', 'EAGAIN', 4096]);
  });

  it('of a class goes to several pools, a chain to one', async () => {
    const manuals = [openManual(), openManual()];
    const target = new AioServiceClass(
      manuals.map(({ device }) => ({ device, depth: 2 })),
      { sameData: true, balance: 'round-robin' },
    );
    const results = promises.batch(target, [{ ...write, link: LINK_SOFT }, write, read, read, read], { wait: true });
    for (let turn = 0; turn < 4; turn++) {
      await settled();
      for (const manual of manuals) manual.completeAll();
    }
    expect(shown(await results)).toEqual([512, 512, 4096, 4096, 4096]);
    expect(target.stats().pools.every(({ completed }) => completed > 0)).toBe(true);
    await target.close();
  });

  it.each([
    ['an option that there is not', [read], { waitt: true }, /Did you mean 'wait'/],
    ['no array', 5, {}, /"operations"/],
    ['a field that there is not', [read, { ...read, ofset: 1 }], {}, /^operations\[1\]: .*Did you mean 'offset'/],
    ['an operation that is not done to data', [{ ...read, operation: BLOCK_RESET }], {}, /^operations\[0\]: .*"operation"/],
    ['no memory', [{ operation: BLOCK_READ, offset: 0 }], {}, /^operations\[0\]: .*"buffer".*IoBuffer.allocate/],
    ['a vector of no buffers', [{ operation: BLOCK_READ, vector: [8], offset: 0 }], {}, /"vector\[0\]"/],
    ['nothing to compare with', [{ ...write, operation: BLOCK_COMPARE_AND_WRITE }], {}, /"compare"/],
    ['no offset', [{ operation: BLOCK_WRITE, buffer }], {}, /"offset"/],
    ['no length', [{ operation: BLOCK_DISCARD, offset: 0 }], {}, /"lengthBytes"/],
    ['a link', [read, { ...read, link: 7 }, read], {}, /^operations\[1\]: .*"link"/],
    ['a deadline', [read, { ...read, deadlineMs: -1 }], {}, /^operations\[1\]: .*"deadlineMs"/],
    ['a priority', [read, { ...read, priority: 9 }], {}, /^operations\[1\]: .*priority/],
    ['a link timeout', [read, { ...read, linkTimeoutMs: '1' }], {}, /^operations\[1\]: .*"linkTimeoutMs"/],
  ])('names what is wrong, with nothing submitted: %s', async (_, operations, options, message) => {
    const { manual, pool } = manualPool();
    const error = await failureOf(promises.batch(pool, operations as promises.BatchOperation[], options as object));
    expect(error.message).toMatch(message);
    expect(error.code).toMatch(/^ERR_/);
    expect([manual.started.length, pool.inFlight]).toEqual([0, 0]);
    expect(() => pool.allocate()).not.toThrow();
  });
});

describe('promises.chain', () => {
  it('starts each when the one before has completed', async () => {
    const { manual, pool } = manualPool();
    const results = promises.chain(pool, [write, { operation: BLOCK_FLUSH }, { ...write, offset: 4096 }]);
    const seen: number[][] = [];
    for (let step = 0; step < 3; step++) {
      await settled();
      seen.push(manual.started.map(({ operation }) => operation));
      manual.complete();
    }
    expect(await results).toEqual([
      { offset: 0, bytes: 512, extents: null },
      { offset: 0, bytes: 0, extents: null },
      { offset: 4096, bytes: 512, extents: null },
    ]);
    expect(seen).toEqual([[BLOCK_WRITE], [BLOCK_FLUSH], [BLOCK_WRITE]]);
  });

  it('rejects with the error of the one that has failed, and says of those behind why they did not run', async () => {
    const { manual, pool } = manualPool();
    const failure = failureOf(promises.chain(pool, [read, write, { operation: BLOCK_FLUSH }, read]));
    await settled();
    manual.complete();
    await settled();
    manual.complete(undefined, EIO, 100);
    const error = await failure;
    expect(error).toMatchObject({ code: 'EIO', syscall: 'write', path: 'manual', index: 1 });
    expect(shown(error.results)).toEqual([4096, 'EIO', 'ECANCELED', 'ECANCELED']);
    for (const end of error.results.slice(2)) {
      expect((end as PromiseRejectedResult).reason.message).toMatch(/: operations\[1\], .* has failed with EIO$/);
    }
    expect((error.results[2] as PromiseRejectedResult).reason.syscall).toBe('fsync');
    expect(Object.keys(error)).not.toContain('results');
    expect(manual.started).toEqual([]);
  });

  it('is broken by a short transfer, and says so; the last may be short', async () => {
    const { manual, pool } = manualPool();
    const broken = failureOf(promises.chain(pool, [read, write]));
    manual.complete(undefined, 0, 100);
    const error = await broken;
    expect(error).toMatchObject({ code: 'ECANCELED', syscall: 'write', index: 1 });
    expect(error.message).toMatch(/operations\[0\], .* was short: 100 of 4096 bytes$/);
    expect(shown(error.results)).toEqual([100, 'ECANCELED']);
    const whole = promises.chain(pool, [write, read]);
    await settled();
    manual.complete();
    await settled();
    manual.complete(undefined, 0, 100);
    expect((await whole).map(({ bytes }) => bytes)).toEqual([512, 100]);
  });

  it('goes on behind a hard link, and rejects for what has failed', async () => {
    const { manual, pool } = manualPool();
    const failure = failureOf(promises.chain(pool, [{ ...write, link: LINK_HARD }, read]));
    await settled();
    manual.complete(undefined, EIO, 0);
    await settled();
    manual.complete();
    const error = await failure;
    expect([error.code, error.index, shown(error.results)]).toEqual(['EIO', 0, ['EIO', 4096]]);
  });

  it('ends by its signal: what has started completes as it will, those behind with an AbortError', async () => {
    const { manual, pool } = manualPool();
    const abort = new AbortController();
    const failure = failureOf(promises.chain(pool, [write, read, read], { signal: abort.signal }));
    await settled();
    abort.abort(new Error('enough'));
    await settled();
    manual.complete();
    const error = await failure;
    expect(error).toMatchObject({ name: 'AbortError', index: 1, cause: { message: 'enough' } });
    expect(shown(error.results)).toEqual([512, 'ABORT_ERR', 'ABORT_ERR']);
  });

  it('ends by the deadline of the call, and of one of its operations', async () => {
    const { manual, timers, pool } = manualPool();
    const late = failureOf(promises.chain(pool, [write, { ...read, deadlineMs: 10 }, read]));
    await timers.advance(10);
    manual.complete();
    const error = await late;
    expect(shown(error.results)).toEqual([512, 'ETIMEDOUT', 'ECANCELED']);
    expect(error).toMatchObject({ code: 'ETIMEDOUT', index: 1 });
    const all = failureOf(promises.chain(pool, [write, read], { deadlineMs: 10 }));
    await timers.advance(10);
    manual.complete();
    expect(shown((await all).results)).toEqual([512, 'ETIMEDOUT']);
    expect(timers.pending).toBe(0);
  });

  it('has link timeouts, from when the turn of their operations has come', async () => {
    const timers = new VirtualTimers();
    const manual = openManual({ timers, abortable: true });
    const pool = new AioServicePool(manual.device, { timers });
    const failure = failureOf(
      promises.chain(pool, [{ ...write, linkTimeoutMs: 20 }, { ...read, linkTimeoutMs: 20 }, read, read]),
    );
    await timers.advance(15);
    manual.complete();
    await settled();
    await timers.advance(19);
    expect(manual.started).toHaveLength(1);
    await timers.advance(1);
    const error = await failure;
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'read', index: 1, path: 'manual' });
    expect(error.message).toMatch(/its link timeout has come$/);
    expect(shown(error.results)).toEqual([512, 'ETIMEDOUT', 'ECANCELED', 'ECANCELED']);
    expect((error.results[2] as PromiseRejectedResult).reason.message).toMatch(/operations\[1\], .* has failed with ETIMEDOUT/);
    const inTime = promises.chain(pool, [{ ...write, linkTimeoutMs: 20 }]);
    manual.complete();
    expect(await inTime).toHaveLength(1);
    expect([timers.pending, pool.inFlight]).toEqual([0, 0]);
  });

  it('is refused as a whole: by a pool that is full, closed, or too shallow', async () => {
    const { manual, pool } = manualPool({ depth: 2 });
    void promises.read(pool, buffer, 0);
    const full = await failureOf(promises.chain(pool, [read, write]));
    expect(full).toMatchObject({ code: 'EAGAIN', syscall: 'read', index: 0 });
    expect(shown(full.results)).toEqual(['EAGAIN', 'EAGAIN']);
    const deep = await failureOf(promises.chain(pool, [read, { ...write, linkTimeoutMs: 5 }]));
    expect(deep).toMatchObject({ code: 'EINVAL', message: expect.stringMatching(/chain of 3, .* depth, 2$/) });
    manual.completeAll();
    await pool.close();
    const closed = await failureOf(promises.chain(pool, [read, write], { wait: true }));
    expect(closed).toMatchObject({ code: 'EBADF', message: expect.stringContaining('the pool is closed') });
  });

  it('of which one operation is refused names that one', async () => {
    const { manual, pool } = manualPool();
    const other = new AioServicePool(openManual().device);
    const orderingKey = new OrderingKey();
    void promises.write(other, buffer, 0, { orderingKey });
    const error = await failureOf(promises.chain(pool, [read, { ...write, orderingKey }, read]));
    expect(error).toMatchObject({ code: 'EINVAL', index: 1, message: expect.stringMatching(/ordering key .* another pool$/) });
    expect(shown(error.results)).toEqual(['ECANCELED', 'EINVAL', 'ECANCELED']);
    expect((error.results[0] as PromiseRejectedResult).reason.message).toMatch(/operations\[1\] of its chain was refused$/);
    expect(manual.started).toEqual([]);
  });

  it('waits for the room of all of it, and gives up by signal, deadline or close', async () => {
    const { manual, timers, pool } = manualPool({ depth: 2 });
    const first = promises.chain(pool, [read, write]);
    const late = failureOf(promises.chain(pool, [read, write], { wait: true, deadlineMs: 30 }));
    const abort = new AbortController();
    const aborted = failureOf(promises.chain(pool, [read, write], { wait: true, signal: abort.signal }));
    const last = promises.chain(pool, [read, write], { wait: true });
    await timers.advance(30);
    abort.abort(new Error('enough'));
    expect([(await late).code, shown((await late).results)]).toEqual(['ETIMEDOUT', ['ETIMEDOUT', 'ETIMEDOUT']]);
    expect([(await aborted).name, shown((await aborted).results)]).toEqual(['AbortError', ['ABORT_ERR', 'ABORT_ERR']]);
    manual.complete();
    await settled();
    expect(pool.inFlight).toBe(1);
    for (let step = 0; step < 3; step++) {
      manual.complete();
      await settled();
    }
    expect(await first).toHaveLength(2);
    expect(await last).toHaveLength(2);
    void promises.chain(pool, [read, write]);
    const closed = failureOf(promises.chain(pool, [read, write], { wait: true }));
    const end = pool.close();
    expect((await closed).code).toBe('EBADF');
    manual.complete();
    await settled();
    manual.complete();
    await end;
  });

  it('has no links that are none', async () => {
    const { pool } = manualPool();
    const error = await failureOf(promises.chain(pool, [{ ...read, link: 0 }, read]));
    expect(error).toMatchObject({ code: 'ERR_OUT_OF_RANGE', message: expect.stringMatching(/^operations\[0\]: .*"link"/) });
  });
});
