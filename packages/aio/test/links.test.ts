import { AioOp, LINK_HARD, LINK_NONE, LINK_SOFT, OrderingKey } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE } from '@biodone/blockdev';
import { EALREADY, ECANCELED, EINVAL, EIO, ETIME, ETIMEDOUT } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { chain, manualPool, refusedChain } from './support/chains.js';
import { fill, start } from './support/operations.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const soft = { operation: BLOCK_WRITE, link: LINK_SOFT } as const;
const hard = { operation: BLOCK_WRITE, link: LINK_HARD } as const;
const last = { operation: BLOCK_WRITE } as const;
const flush = { operation: BLOCK_FLUSH, offset: 0, lengthBytes: 0 } as const;

describe('a soft chain', () => {
  it('starts an operation when the one before has completed, and not earlier', () => {
    const { manual, pool, log } = manualPool();
    const ops = chain(pool, log, { a: soft, b: soft, c: last });
    expect(manual.started).toEqual([ops[0]]);
    expect(pool.dump().map(({ phase }) => phase)).toEqual(['started', 'linked', 'linked']);
    manual.complete();
    expect([manual.started, log]).toEqual([[ops[1]], ['a']]);
    manual.complete();
    manual.complete();
    expect(log).toEqual(['a', 'b', 'c']);
    expect(pool.inFlight).toBe(0);
  });

  it('is broken by an error: the rest complete with ECANCELED, each by its own callback, in order, and reach no device', async () => {
    const { manual, pool, log } = manualPool();
    chain(pool, log, { a: soft, b: soft, c: soft, d: last });
    manual.complete(undefined, EIO, 0);
    await settled();
    expect(log).toEqual([`a:${EIO}`, ...['b', 'c', 'd'].map((name) => `${name}:${ECANCELED}`)]);
    expect([manual.started.length, pool.inFlight, pool.stats().completed]).toEqual([0, 0, 4]);
  });

  it.each([BLOCK_READ, BLOCK_WRITE] as const)(
    'is broken by a short transfer, whose own error is 0: operation %i (short-read)',
    async (operation) => {
      const { manual, pool, log } = manualPool();
      chain(pool, log, { a: { operation, link: LINK_SOFT, lengthBytes: 512 }, b: last });
      manual.complete(undefined, 0, 511);
      await settled();
      expect(log).toEqual(['a', `b:${ECANCELED}`]);
      chain(pool, log, { c: { operation, link: LINK_SOFT, lengthBytes: 512 }, d: last });
      manual.complete(undefined, 0, 512);
      expect(manual.started.length).toBe(1);
    },
  );

  it('ends with the first operation that has no link, and the next chain runs beside it', () => {
    const { manual, pool, log } = manualPool();
    const ops = chain(pool, log, { a: soft, b: last, c: soft, d: last, e: last });
    expect(manual.started).toEqual([ops[0], ops[2], ops[4]]);
    manual.complete(ops[2]);
    expect(manual.started).toEqual([ops[0], ops[4], ops[3]]);
    manual.completeAll();
    expect(log).toEqual(['c', 'a', 'e', 'd', 'b']);
  });

  it('ends with the batch, whatever link the last one has', () => {
    const { manual, pool, log } = manualPool();
    chain(pool, log, { a: soft, b: soft });
    start(pool, log, 'c', soft);
    start(pool, log, 'd', last);
    // The second of the batch waits for the first, and nobody for the second.
    expect(manual.started.length).toBe(3);
    manual.completeAll();
    expect(log).toEqual(['a', 'c', 'd', 'b']);
  });

  it('can be submitted again by the callback of its last one, and of a member that the callback keeps', async () => {
    const { manual, pool, log } = manualPool();
    const ops = [0, 1].map(() => fill(new AioOp(), { ...last, callback: () => void log.push('once') }));
    const [first, second] = ops as [AioOp, AioOp];
    first.link = LINK_SOFT;
    let rounds = 3;
    second.callback = () => {
      rounds -= 1;
      log.push(`round ${rounds}`);
      if (rounds > 0) pool.submitAll(ops);
    };
    pool.submitAll(ops);
    manual.completeAll();
    expect(log).toEqual(['once', 'round 2', 'once', 'round 1', 'once', 'round 0']);
  });

  it('does not lose its order on a device that completes at once', async () => {
    const { pool, log } = manualPool({ instant: true });
    chain(pool, log, { a: soft, b: hard, c: { ...flush, link: LINK_SOFT }, d: last });
    pool.poll();
    await settled();
    expect(log).toEqual(['a', 'b', 'c', 'd']);
  });
});

describe('a hard link', () => {
  it('goes on after an error and after a short transfer', async () => {
    const { manual, pool, log } = manualPool();
    chain(pool, log, { a: hard, b: hard, c: last });
    manual.complete(undefined, EIO, 0);
    manual.complete(undefined, 0, 1);
    manual.complete();
    expect(log).toEqual([`a:${EIO}`, 'b', 'c']);
  });

  it('goes on where the device refuses the request, which is its completion', async () => {
    const { manual, pool, log } = manualPool();
    chain(pool, log, { a: { ...hard, offset: -1 }, b: last });
    await settled();
    manual.complete();
    expect(log).toEqual([`a:${EINVAL}`, 'b']);
  });

  it('does not go on after a submit error: nothing of the chain is taken (submit-link-fail)', async () => {
    const { pool, log, manual } = manualPool();
    const { verdicts, ops, taken } = refusedChain(pool, log, { a: hard, b: { ...hard, callback: null }, c: last });
    expect([taken, verdicts]).toEqual([0, [ECANCELED, EINVAL, ECANCELED]]);
    await settled();
    expect([log, manual.started.length, pool.inFlight]).toEqual([[], 0, 0]);
    for (const op of ops) pool.release(op);
  });

  it('and a soft one can be in one chain', async () => {
    const { manual, pool, log } = manualPool();
    chain(pool, log, { a: hard, b: soft, c: hard, d: last });
    manual.complete(undefined, EIO, 0);
    manual.complete(undefined, EIO, 0);
    await settled();
    expect(log).toEqual([`a:${EIO}`, `b:${EIO}`, `c:${ECANCELED}`, `d:${ECANCELED}`]);
  });
});

describe('submitting a chain', () => {
  it.each([0, 1, 2])('with an operation that is in flight at place %i takes none of it (submit-link-fail)', (place) => {
    const { pool, log } = manualPool();
    const busy = start(pool, log, 'busy');
    const ops = [0, 1, 2].map(() => fill(pool.allocate(), { ...soft, callback: () => {} }));
    ops[place] = busy;
    // It is tied to nothing, so the chain ends with it.
    const verdicts = [7, 7, 7];
    pool.submitAll(ops, verdicts);
    if (place === 0) expect(verdicts).toEqual([EALREADY, 0, 0]);
    if (place === 1) expect(verdicts).toEqual([ECANCELED, EALREADY, 0]);
    if (place === 2) expect(verdicts).toEqual([ECANCELED, ECANCELED, EALREADY]);
  });

  it('refuses one that is in it twice, one that was given back, and one of another pool', () => {
    const { pool, log, manual } = manualPool();
    const twice = fill(pool.allocate(), { ...soft, callback: () => {} });
    const verdicts: number[] = [];
    pool.submitAll([twice, twice], verdicts);
    expect(verdicts).toEqual([ECANCELED, EALREADY]);
    const free = pool.allocate();
    pool.release(free);
    pool.submitAll([twice, free], verdicts);
    expect(verdicts).toEqual([ECANCELED, EINVAL]);
    const foreign = fill(manualPool().pool.allocate(), { ...last, callback: () => {} });
    pool.submitAll([twice, foreign], verdicts);
    expect(verdicts).toEqual([ECANCELED, EINVAL]);
    pool.submitAll([twice, {} as AioOp], verdicts);
    expect(verdicts).toEqual([ECANCELED, EINVAL]);
    // None of this has left anything behind.
    expect(pool.submitAll([twice])).toBe(1);
    manual.complete();
    expect([log, pool.inFlight]).toEqual([[], 0]);
  });

  it('counts it in the limits as a whole: all are admitted, or EAGAIN for all', () => {
    const { pool, log, manual } = manualPool({ depth: 4 });
    start(pool, log, 'before');
    const refused = refusedChain(pool, log, { a: soft, b: soft, c: soft, d: last });
    expect([refused.taken, refused.verdicts]).toEqual([0, [11, 11, 11, 11]]);
    expect([pool.inFlight, pool.stats().refused]).toEqual([1, 1]);
    manual.complete();
    expect(pool.submitAll(refused.ops)).toBe(4);
    expect(pool.inFlight).toBe(4);
    manual.completeAll();
    expect(log).toEqual(['before', 'a', 'b', 'c', 'd']);
  });

  it('counts the bytes of all of it', () => {
    const { pool, log, manual } = manualPool({ bytesMax: 1000 });
    start(pool, log, 'before', { lengthBytes: 400 });
    const { verdicts, ops } = refusedChain(pool, log, { a: { ...soft, lengthBytes: 300 }, b: { ...last, lengthBytes: 301 } });
    expect(verdicts).toEqual([11, 11]);
    (ops[1] as AioOp).lengthBytes = 300;
    expect(pool.submitAll(ops)).toBe(2);
    manual.completeAll();
    expect(pool.inFlight).toBe(0);
  });

  it('that is longer than the pool is deep is EINVAL: room for it will never come', () => {
    const { pool, log } = manualPool({ depth: 2 });
    expect(refusedChain(pool, log, { a: soft, b: soft, c: last }).verdicts).toEqual([EINVAL, EINVAL, EINVAL]);
  });

  it('waits for room for all of it on request', async () => {
    const { pool, log, manual } = manualPool({ depth: 3 });
    start(pool, log, 'x');
    start(pool, log, 'y');
    const { ops } = refusedChain(pool, log, { a: soft, b: last });
    pool.whenAvailable((error) => log.push(`room:${error}:${pool.submitAll(ops)}`), 0, 2);
    await settled();
    expect(log).toEqual([]);
    manual.complete();
    await settled();
    expect(log).toEqual(['x', 'room:0:2']);
    expect(() => pool.whenAvailable(() => {}, 0, 4)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });

  it('to a pool that is closed is EBADF for all', async () => {
    const { pool, log } = manualPool();
    const closed = pool.close();
    expect(refusedChain(pool, log, { a: soft, b: last }).verdicts).toEqual([9, 9]);
    await closed;
  });

  it('is waited for by close, to its end', async () => {
    const { pool, log, manual } = manualPool();
    chain(pool, log, { a: soft, b: last });
    const closed = pool.close().then(() => log.push('closed'));
    manual.complete();
    await settled();
    manual.complete();
    await closed;
    expect(log).toEqual(['a', 'b', 'closed']);
  });

  it('is refused for a link that there is not', () => {
    const { pool } = manualPool();
    const op = pool.allocate();
    expect(op.link).toBe(LINK_NONE);
    for (const link of [3, -1, Number.NaN, '1']) {
      expect(() => Object.assign(op, { link })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    }
    op.link = LINK_HARD;
    op.callback = () => {};
    pool.release(op);
    expect(pool.allocate().link).toBe(LINK_NONE);
  });
});

describe('the order of a file', () => {
  it('a flush as a link covers what is before it in the chain, and what is behind it waits for the flush', () => {
    const { manual, pool, log } = manualPool();
    const ops = chain(pool, log, { write: soft, flush: { ...flush, link: LINK_SOFT }, commit: soft, sync: flush });
    for (let step = 0; step < 4; step++) {
      expect(manual.started).toEqual([ops[step]]);
      manual.complete();
    }
    expect(log).toEqual(['write', 'flush', 'commit', 'sync']);
  });

  it('two flushes in a row run one after the other', () => {
    const { manual, pool, log } = manualPool();
    const ops = chain(pool, log, { f: { ...flush, link: LINK_SOFT }, g: { ...flush, link: LINK_SOFT }, w: last });
    expect(manual.started).toEqual([ops[0]]);
    manual.complete();
    expect(manual.started).toEqual([ops[1]]);
    manual.completeAll();
    expect(log).toEqual(['f', 'g', 'w']);
  });

  it('a flush as a link does not start when the write before it fails, and one behind a hard link reports that error', async () => {
    const { manual, pool, log } = manualPool();
    chain(pool, log, { w: soft, f: flush });
    manual.complete(undefined, EIO, 0);
    await settled();
    expect(log).toEqual([`w:${EIO}`, `f:${ECANCELED}`]);
    expect(manual.started).toEqual([]);
    chain(pool, log, { x: hard, g: flush });
    manual.complete(undefined, EIO, 0);
    manual.complete();
    expect(log.slice(2)).toEqual([`x:${EIO}`, `g:${EIO}`]);
  });

  it('a flush behind the chain covers all of it, also what has not started yet', async () => {
    const { manual, pool, log } = manualPool();
    chain(pool, log, { a: soft, f: { ...flush, link: LINK_SOFT }, b: last });
    start(pool, log, 'flush', flush);
    for (let step = 0; step < 3; step++) {
      expect(manual.started.length).toBe(1);
      manual.complete();
    }
    expect(log).toEqual(['a', 'f', 'b']);
    manual.complete();
    expect(log.at(-1)).toBe('flush');
    chain(pool, log, { c: soft, d: last });
    start(pool, log, 'late', flush);
    manual.complete(undefined, EIO, 0);
    await settled();
    manual.complete();
    expect(log.slice(4)).toEqual([`c:${EIO}`, `d:${ECANCELED}`, `late:${EIO}`]);
  });

  it('two chains with the same keys crosswise wait for each other in no circle', () => {
    const { manual, pool, log } = manualPool();
    const k = new OrderingKey();
    const l = new OrderingKey();
    chain(pool, log, { a: { ...soft, orderingKey: k }, b: { ...last, orderingKey: l } });
    chain(pool, log, { c: { ...soft, orderingKey: l }, d: { ...last, orderingKey: k } });
    expect(manual.started.length).toBe(1);
    manual.completeAll();
    expect([log, k.pending, l.pending]).toEqual([['a', 'b', 'c', 'd'], 0, 0]);
  });

  it('a member that waits in the queue goes by its discipline, and the next one after it', () => {
    const { manual, pool, log } = manualPool({ inFlightMax: 1 });
    start(pool, log, 'busy');
    chain(pool, log, { a: soft, b: last });
    start(pool, log, 'c');
    manual.completeAll();
    expect(log).toEqual(['busy', 'a', 'c', 'b']);
  });
});

describe('cancelling a member of a chain', () => {
  it('that waits ends it and those behind it, soft or hard; what is before goes on', async () => {
    const { manual, pool, log } = manualPool();
    const [, b] = chain(pool, log, { a: hard, b: hard, c: hard, d: last }) as [AioOp, AioOp];
    expect(pool.cancel(b)).toBe('cancelled');
    await settled();
    expect(log).toEqual(['b', 'c', 'd'].map((name) => `${name}:${ECANCELED}`));
    manual.complete();
    expect([log.at(-1), pool.inFlight, manual.started.length]).toEqual(['a', 0, 0]);
  });

  it('that the device can end ends those behind it in order', async () => {
    const { pool, log } = manualPool({ abortable: true });
    const [a] = chain(pool, log, { a: hard, b: last }) as [AioOp];
    expect(pool.cancel(a)).toBe('cancelled');
    await settled();
    expect(log).toEqual([`a:${ECANCELED}`, `b:${ECANCELED}`]);
  });

  it('that has started lets it complete as it will, and those behind it end then', async () => {
    const { manual, pool, log } = manualPool();
    const [a] = chain(pool, log, { a: hard, b: soft, c: last }) as [AioOp];
    expect(pool.cancel(a)).toBe('in-progress');
    manual.complete();
    await settled();
    expect(log).toEqual(['a', `b:${ECANCELED}`, `c:${ECANCELED}`]);
    expect(manual.started).toEqual([]);
  });

  it('that is done, with its callback to come, changes nothing', async () => {
    const { manual, pool, log } = manualPool();
    const [a] = chain(pool, log, { a: { ...hard, offset: -1 }, b: last }) as [AioOp];
    expect(pool.cancel(a)).toBe('done');
    await settled();
    manual.complete();
    expect(log).toEqual([`a:${EINVAL}`, 'b']);
  });

  it('is what the signal of a member does, also one that was aborted before', async () => {
    const { manual, pool, log } = manualPool();
    const abort = new AbortController();
    chain(pool, log, { a: hard, b: { ...hard, signal: abort.signal }, c: last });
    abort.abort();
    await settled();
    expect(log).toEqual([`b:${ECANCELED}`, `c:${ECANCELED}`]);
    manual.complete();
    chain(pool, log, { d: { ...hard, signal: abort.signal }, e: last });
    await settled();
    expect(log.slice(2)).toEqual(['a', `d:${ECANCELED}`, `e:${ECANCELED}`]);
    expect(manual.started).toEqual([]);
  });

  it('and all others, cancelAll counts each once', async () => {
    const { manual, pool, log } = manualPool();
    chain(pool, log, { a: hard, b: soft, f: { ...flush, link: LINK_HARD }, c: last });
    expect(pool.cancelAll()).toEqual({ cancelled: 3, inProgress: 1 });
    await settled();
    expect([...log].sort()).toEqual([`b:${ECANCELED}`, `c:${ECANCELED}`, `f:${ECANCELED}`]);
    manual.complete();
    expect(pool.inFlight).toBe(0);
  });

  it('synchronously returns when that one has ended', () => {
    const { pool, log, manual } = manualPool({ polled: false });
    const [, b] = chain(pool, log, { a: soft, b: last }) as [AioOp, AioOp];
    expect(pool.cancelSync(b, 1000)).toBe('cancelled');
    manual.complete();
    expect(log).toEqual([`b:${ECANCELED}`, 'a']);
  });
});

describe('the deadline of a member', () => {
  it('runs from the submission of the chain, and ends one that waits: a soft link breaks', async () => {
    const timers = new VirtualTimers();
    const { manual, pool, log } = manualPool({ timers });
    chain(pool, log, { a: soft, b: { ...soft, deadlineMs: 10 }, c: last });
    await timers.advance(10);
    expect(log).toEqual([`b:${ETIMEDOUT}`, `c:${ECANCELED}`]);
    manual.complete();
    expect(log.at(-1)).toBe('a');
  });

  it('behind a hard link lets the next one wait on for those that are before', async () => {
    const timers = new VirtualTimers();
    const { manual, pool, log } = manualPool({ timers });
    const ops = chain(pool, log, { a: hard, b: { ...hard, deadlineMs: 10 }, c: { ...hard, deadlineMs: 20 }, d: last });
    await timers.advance(20);
    expect(log).toEqual([`b:${ETIMEDOUT}`, `c:${ETIMEDOUT}`]);
    expect(manual.started).toEqual([ops[0]]);
    manual.complete();
    expect(manual.started).toEqual([ops[3]]);
    manual.complete();
    expect(log.slice(2)).toEqual(['a', 'd']);
  });

  it('that comes when it has started lets it complete, and the chain goes on', async () => {
    const timers = new VirtualTimers();
    const { manual, pool, log } = manualPool({ timers });
    chain(pool, log, { a: { ...soft, deadlineMs: 10 }, b: last });
    await timers.advance(20);
    manual.complete();
    manual.complete();
    expect(log).toEqual(['a', 'b']);
  });
});

describe('a link timeout', () => {
  const guard = (timeoutMs: number) => ({ timer: { timeoutMs, link: true }, link: LINK_SOFT }) as const;
  const finalGuard = (timeoutMs: number) => ({ timer: { timeoutMs, link: true } }) as const;

  it('is cancelled when the operation is done in time, and the chain goes on', async () => {
    const timers = new VirtualTimers();
    const { manual, pool, log } = manualPool({ timers });
    const ops = chain(pool, log, { a: soft, timer: guard(10), b: last });
    expect(pool.dump().map(({ operation, phase }) => [operation, phase])).toEqual([
      ['write', 'started'],
      ['link-timeout', 'timing'],
      ['write', 'linked'],
    ]);
    manual.complete();
    expect(manual.started).toEqual([ops[2]]);
    await settled();
    expect(log).toEqual(['a', `timer:${ECANCELED}`]);
    await timers.advance(100);
    expect(manual.started).toEqual([ops[2]]);
    expect(timers.pending).toBe(0);
  });

  it('ends the operation with ECANCELED, itself with ETIME, and breaks the soft chain', async () => {
    const timers = new VirtualTimers();
    const { manual, pool, log } = manualPool({ timers, abortable: true });
    chain(pool, log, { a: soft, timer: guard(10), b: last });
    await timers.advance(10);
    expect(log).toEqual([`a:${ECANCELED}`, `timer:${ETIME}`, `b:${ECANCELED}`]);
    expect(manual.started).toEqual([]);
  });

  it('does not break a hard link: the next one runs', async () => {
    const timers = new VirtualTimers();
    const { manual, pool, log } = manualPool({ timers, abortable: true });
    chain(pool, log, { a: hard, timer: guard(10), b: last });
    await timers.advance(10);
    manual.complete();
    expect(log).toEqual([`a:${ECANCELED}`, `timer:${ETIME}`, 'b']);
  });

  it('says EALREADY where the operation cannot be ended any more, which completes as it will', async () => {
    const timers = new VirtualTimers();
    const { manual, pool, log } = manualPool({ timers });
    chain(pool, log, { a: soft, timer: guard(10), b: last });
    await timers.advance(10);
    expect(log).toEqual([`timer:${EALREADY}`]);
    manual.complete();
    manual.complete();
    expect(log.slice(1)).toEqual(['a', 'b']);
  });

  it('says EALREADY at once of one that has started, also if that one ends with ECANCELED later', async () => {
    const timers = new VirtualTimers();
    const { pool, log, manual } = manualPool({ timers });
    chain(pool, log, { read: { link: LINK_HARD }, limit: { timer: { timeoutMs: 10, link: true } } });
    await timers.advance(10);
    expect(log).toEqual([`limit:${EALREADY}`]);
    manual.complete(undefined, ECANCELED, 0);
    expect(log.at(-1)).toBe(`read:${ECANCELED}`);
  });

  it('covers the operation before it only: its time begins when that one’s turn comes, and ends with it', async () => {
    const timers = new VirtualTimers();
    const { manual, pool, log } = manualPool({ timers, abortable: true });
    chain(pool, log, { a: soft, b: soft, timer: guard(10), c: last });
    await timers.advance(50);
    manual.complete();
    await timers.advance(9);
    expect(log).toEqual(['a']);
    manual.complete();
    await timers.advance(50);
    expect(log).toEqual(['a', 'b', `timer:${ECANCELED}`]);
    manual.complete();
    expect(log.at(-1)).toBe('c');
  });

  it('covers one that waits in the pool’s queue', async () => {
    const timers = new VirtualTimers();
    const { pool, log } = manualPool({ timers, inFlightMax: 1 });
    start(pool, log, 'busy');
    chain(pool, log, { a: soft, timer: finalGuard(10) });
    await timers.advance(10);
    expect(log).toEqual([`a:${ECANCELED}`, `timer:${ETIME}`]);
  });

  it('ends with its operation when the chain is broken before', async () => {
    const { manual, pool, log } = manualPool();
    chain(pool, log, { a: soft, b: soft, timer: guard(10), c: last });
    manual.complete(undefined, EIO, 0);
    await settled();
    expect(log).toEqual([`a:${EIO}`, `b:${ECANCELED}`, `timer:${ECANCELED}`, `c:${ECANCELED}`]);
  });

  it('that is cancelled leaves its operation without a limit', async () => {
    const timers = new VirtualTimers();
    const { manual, pool, log } = manualPool({ timers });
    const [, timer] = chain(pool, log, { a: soft, timer: guard(10), b: last }) as [AioOp, AioOp];
    expect(pool.cancel(timer)).toBe('cancelled');
    await timers.advance(100);
    manual.complete();
    manual.complete();
    expect(log).toEqual([`timer:${ECANCELED}`, 'a', 'b']);
  });

  it('with nothing before it, or another one, is a submit error', () => {
    const { pool, log } = manualPool();
    expect(refusedChain(pool, log, { timer: guard(10), b: last }).verdicts).toEqual([EINVAL, ECANCELED]);
    expect(refusedChain(pool, log, { timer: finalGuard(10) }).verdicts).toEqual([EINVAL]);
    const two = refusedChain(pool, log, { a: soft, one: guard(10), two: guard(10), b: last });
    expect(two.verdicts).toEqual([ECANCELED, ECANCELED, EINVAL, ECANCELED]);
    expect(() => start(pool, log, 'alone', finalGuard(10))).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(pool.inFlight).toBe(0);
  });
});
