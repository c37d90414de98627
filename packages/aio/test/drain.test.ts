import { LINK_NONE, LINK_SOFT, OrderingKey } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_WRITE } from '@biodone/blockdev';
import { ECANCELED, EIO } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { chain, manualPool } from './support/chains.js';
import { type OpFields, start } from './support/operations.js';
import { seededRandom } from './support/random.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const write = { operation: BLOCK_WRITE } as const;
const drain = { ...write, drain: true } as const;
const flush = { operation: BLOCK_FLUSH, offset: 0, lengthBytes: 0 } as const;
const soft = { ...write, link: LINK_SOFT } as const;

describe('a drain (link_drain)', () => {
  it('waits for all earlier ones, queued ones and chains to their last member too', () => {
    const { manual, pool, log } = manualPool({ inFlightMax: 1 });
    chain(pool, log, { a: soft, b: write });
    start(pool, log, 'c', write);
    start(pool, log, 'drain', drain);
    for (const name of ['a', 'c', 'b']) {
      expect(manual.started.length).toBe(1);
      manual.complete();
      expect(log.at(-1)).toBe(name);
    }
    manual.complete();
    expect(log.at(-1)).toBe('drain');
  });

  it('holds all later ones back: chains, flushes, and those with a key', () => {
    const { manual, pool, log } = manualPool();
    start(pool, log, 'a', write);
    start(pool, log, 'drain', drain);
    chain(pool, log, { b: soft, c: write });
    start(pool, log, 'flush', flush);
    start(pool, log, 'd', { ...write, orderingKey: new OrderingKey() });
    expect(manual.started.length).toBe(1);
    manual.complete();
    expect(manual.started.length).toBe(1);
    manual.complete();
    expect(log).toEqual(['a', 'drain']);
    expect(manual.started.length).toBe(2);
    manual.completeAll();
    expect(log.slice(2)).toEqual(['b', 'd', 'c', 'flush']);
  });

  it('as the first of a chain holds the chain until all earlier ones are done', () => {
    const { manual, pool, log } = manualPool();
    start(pool, log, 'x', write);
    chain(pool, log, { a: { ...soft, drain: true }, b: write });
    start(pool, log, 'y', write);
    expect(manual.started.length).toBe(1);
    manual.complete();
    expect(manual.started.length).toBe(1);
    manual.complete();
    expect(log).toEqual(['x', 'a']);
    // The drain is over: what is behind the chain runs beside its rest.
    expect(manual.started.length).toBe(2);
    manual.completeAll();
    expect(log).toEqual(['x', 'a', 'b', 'y']);
  });

  it('in the middle of a chain waits for what came before the chain too', () => {
    const { manual, pool, log } = manualPool();
    const x = start(pool, log, 'x', write);
    chain(pool, log, { a: soft, b: { ...soft, drain: true }, c: write });
    start(pool, log, 'y', write);
    expect(manual.started.length).toBe(2);
    manual.complete(manual.started[1]);
    expect(manual.started).toEqual([x]);
    manual.complete();
    manual.complete();
    expect(log).toEqual(['a', 'x', 'b']);
    manual.completeAll();
    expect(log).toEqual(['a', 'x', 'b', 'c', 'y']);
  });

  it('in a chain that breaks before it holds nothing', async () => {
    const { manual, pool, log } = manualPool();
    chain(pool, log, { a: soft, b: { ...soft, drain: true }, c: write });
    start(pool, log, 'y', write);
    manual.complete(undefined, EIO, 0);
    await settled();
    manual.completeAll();
    expect([...log].sort()).toEqual([`a:${EIO}`, `b:${ECANCELED}`, `c:${ECANCELED}`, 'y']);
    expect([pool.inFlight, log.indexOf(`b:${ECANCELED}`) < log.indexOf(`c:${ECANCELED}`)]).toEqual([0, true]);
  });

  it('does not wait for timeouts, which are no operations on the file, nor holds them', async () => {
    const timers = new VirtualTimers();
    const { manual, pool, log } = manualPool({ timers });
    start(pool, log, 'timer', { timer: { timeoutMs: 50 } });
    start(pool, log, 'drain', drain);
    start(pool, log, 'short', { timer: { timeoutMs: 10 } });
    expect(manual.started.length).toBe(1);
    await timers.advance(10);
    expect(log).toEqual(['short:62']);
    manual.complete();
    expect(log.at(-1)).toBe('drain');
  });
});

it('drains, chains and plain operations keep their promises in 300 random orders of completion', async () => {
  const random = seededRandom('drain');
  for (let round = 0; round < 300; round++) {
    const { manual, pool, log } = manualPool({ inFlightMax: 1 + random(4) });
    const drains: number[] = [];
    let name = 0;
    while (name < 30) {
      const length = 1 + random(4);
      const members: Record<string, OpFields> = {};
      for (let index = 0; index < length; index++) {
        members[`n${name + index}`] = { ...write, drain: random(6) === 0, link: index + 1 < length ? LINK_SOFT : LINK_NONE };
      }
      for (const op of chain(pool, log, members)) {
        if (op.drain) drains.push(name);
        name += 1;
      }
    }
    while (manual.started.length > 0) manual.complete(manual.started[random(manual.started.length)]);
    const order = log.map((entry) => Number(entry.slice(1)));
    expect(order.length, `round ${round}`).toBe(name);
    for (const at of drains) {
      const place = order.indexOf(at);
      expect(order.slice(0, place).every((other) => other < at) && place === at, `round ${round}: drain ${at} in ${order}`).toBe(
        true,
      );
    }
  }
});
