import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  type AioCancelMessage,
  type AioCompleteMessage,
  type AioMessage,
  type AioOp,
  AioServiceClass,
  AioServicePool,
  type AioStartMessage,
  LINK_HARD,
  promises,
  queueCompletion,
} from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_WRITE, openNull } from '@biodone/blockdev';
import { ECANCELED, IoBuffer } from '@biodone/uring';
import { afterEach, describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { fill, start } from './support/operations.js';
import { runChild } from './support/run-child.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

const EVENTS = ['submit', 'start', 'complete', 'cancel'] as const;
type EventName = (typeof EVENTS)[number];
type Message = AioMessage & Partial<AioStartMessage & AioCompleteMessage & AioCancelMessage>;
type Seen = [EventName, Message];

let undo: (() => void)[] = [];
afterEach(() => {
  for (const each of undo) each();
  undo = [];
});

/** Listens, and writes down what comes. */
function listen(events: readonly EventName[] = EVENTS, also: (event: EventName, message: Message) => void = () => {}): Seen[] {
  const seen: Seen[] = [];
  for (const event of events) {
    const listener = (message: unknown): void => {
      seen.push([event, message as Message]);
      also(event, message as Message);
    };
    subscribe(`biodone:aio:${event}`, listener);
    undo.push(() => unsubscribe(`biodone:aio:${event}`, listener));
  }
  return seen;
}

describe('tracing by diagnostics_channel', () => {
  it('tells of submit, start and complete, in this order and before the callback', async () => {
    const timers = new VirtualTimers();
    const { device, complete } = openManual({ timers });
    const pool = new AioServicePool(device, { timers });
    const log: string[] = [];
    const seen = listen(EVENTS, (event) => log.push(event));
    const op = start(pool, log, 'callback', { operation: BLOCK_WRITE, offset: 4096, priority: 2 });
    const { id } = op;
    expect(log).toEqual(['submit', 'start']);
    await timers.advance(5);
    complete();
    await settled();
    expect(log).toEqual(['submit', 'start', 'complete', 'callback']);
    const about = { pool, id, operation: 'write', offset: 4096, lengthBytes: 512, priority: 2 };
    expect(seen).toEqual([
      ['submit', about],
      ['start', { ...about, waitedUs: 0 }],
      ['complete', { ...about, error: 0, transferredBytes: 512, tookUs: 5000 }],
    ]);
  });

  it('tells how long an operation has waited, and what came of a cancel', async () => {
    const timers = new VirtualTimers();
    const { device, complete, completeAll } = openManual({ timers });
    const pool = new AioServicePool(device, { inFlightMax: 1, timers });
    const log: string[] = [];
    const seen = listen();
    start(pool, log, 'a');
    const second = start(pool, log, 'b');
    const third = start(pool, log, 'c');
    const ids = [second.id, third.id];
    await timers.advance(3);
    pool.cancel(third);
    complete();
    await settled();
    pool.cancel(second);
    completeAll();
    await settled();
    const started = seen.filter(([event, { id }]) => event === 'start' && id === ids[0]);
    expect(started.map(([, { waitedUs }]) => waitedUs)).toEqual([3000]);
    expect(seen.filter(([event]) => event === 'cancel').map(([, { id, verdict }]) => [id, verdict])).toEqual([
      [ids[1], 'cancelled'],
      [ids[0], 'in-progress'],
    ]);
    const ended = seen.filter(([event, { id }]) => event === 'complete' && id === ids[1]);
    expect(ended.map(([, { error }]) => error)).toEqual([ECANCELED]);
    // What was cancelled in the queue has never been started.
    expect(seen.some(([event, { id }]) => event === 'start' && id === ids[1])).toBe(false);
  });

  it('tells of a cancel by a deadline', async () => {
    const timers = new VirtualTimers();
    const { device, completeAll } = openManual({ timers });
    const pool = new AioServicePool(device, { inFlightMax: 1, timers });
    const seen = listen(['cancel']);
    start(pool, [], 'a');
    start(pool, [], 'late', { deadlineMs: 10 });
    await timers.advance(20);
    expect(seen.map(([, { verdict }]) => verdict)).toEqual(['cancelled']);
    completeAll();
    await settled();
  });

  it('tells of flushes, of what is reaped, and of synchronous operations', async () => {
    const pool = new AioServicePool(openManual().device);
    const seen = listen();
    const op = fill(pool.allocate(), { callback: queueCompletion });
    pool.submit(op);
    expect(pool.waitComplete()).toBe(op);
    pool.release(op);
    const flush = fill(pool.allocate(), { operation: BLOCK_FLUSH, lengthBytes: 0, callback: null });
    pool.submit(flush);
    expect(seen.map(([event, { operation }]) => `${event} ${operation}`)).toEqual([
      'submit read',
      'start read',
      'complete read',
      'submit fsync',
      'start fsync',
      'complete fsync',
    ]);
  });

  it('tells of each operation of a class with the pool that has it', async () => {
    const manuals = [openManual(), openManual()] as const;
    const pools = manuals.map(({ device }) => ({ device, inFlightMax: 1 }));
    const target = new AioServiceClass(pools, { balance: 'round-robin', sameData: true });
    const seen = listen(['submit', 'start']);
    for (const name of ['a', 'b', 'c']) start(target, [], name);
    manuals[1].complete();
    await settled();
    const where = seen.map(([event, { pool }]) => `${event} ${target.pools.indexOf(pool as AioServicePool)}`);
    // The third was submitted to the first pool, and the second one has stolen it.
    expect(where).toEqual(['submit 0', 'start 0', 'submit 1', 'start 1', 'submit 0', 'start 1']);
  });

  it('hears of a new listener with the next turn, also in a pool whose operations never wait', async () => {
    const pool = new AioServicePool(openNull());
    const run = () =>
      new Promise<void>((resolve) => {
        pool.submit(fill(pool.allocate(), { callback: () => resolve() }));
      });
    for (let count = 0; count < 100; count++) await run();
    const seen = listen();
    await settled();
    await run();
    expect(seen.map(([event]) => event)).toEqual(['submit', 'start', 'complete']);
    for (const each of undo.splice(0)) each();
    await settled();
    await run();
    expect(seen.length).toBe(3);
    expect(pool.stats()).toMatchObject({ submitted: 102, completed: 102, inFlight: 0, queued: 0 });
  });

  it('hears of a new listener within a turn too, after 64 looks at the clock at most', () => {
    const pool = new AioServicePool(openNull());
    const op = fill(pool.allocate(), { callback: null });
    pool.submit(op);
    const seen = listen(['submit']);
    for (let count = 0; count < 65; count++) pool.submit(op);
    expect(seen.length).toBeGreaterThan(0);
    pool.release(op);
  });

  it('needs all channels to be left before it ends', async () => {
    const pool = new AioServicePool(openManual().device);
    const completes = listen(['complete']);
    const starts = listen(['start']);
    undo.splice(0, 1)[0]?.();
    start(pool, [], 'a');
    expect(starts.length).toBe(1);
    expect(completes.length).toBe(0);
    pool.poll();
  });

  it('lets a listener submit, cancel and poll', async () => {
    const { device, completeAll } = openManual();
    const pool = new AioServicePool(device, { inFlightMax: 2 });
    const log: string[] = [];
    let left = 3;
    listen(EVENTS, (event, { id }) => {
      if (event === 'submit' && left > 0) {
        left -= 1;
        start(pool, log, `inner ${left}`);
      }
      if (event !== 'cancel') pool.cancel(id);
      if (event === 'complete') pool.poll();
    });
    start(pool, log, 'outer');
    for (let turn = 0; turn < 5; turn++) {
      completeAll();
      await settled();
    }
    expect(log.map((name) => name.split(':')[0]).sort()).toEqual(['inner 0', 'inner 1', 'inner 2', 'outer']);
    expect(pool.stats()).toMatchObject({ submitted: 4, completed: 4, inFlight: 0, queued: 0 });
    await pool.close();
  });

  it('lets a listener cancel what it hears is submitted, alone and in a chain', async () => {
    const manual = openManual({ polled: false });
    const pool = new AioServicePool(manual.device);
    const log: string[] = [];
    const verdicts: string[] = [];
    const seen = listen(['submit'], (_event, { id, offset }) => {
      if (offset === 4096) verdicts.push(pool.cancel(id));
    });
    const { id } = start(pool, log, 'alone', { offset: 4096 });
    start(pool, log, 'timeout', { offset: 4096, timer: { timeoutMs: 1 } });
    const callback = (op: AioOp): void => void log.push(`${op.private}:${op.error}`);
    const chain = ['first', 'second', 'third'].map((name, index) =>
      fill(pool.allocate(), { private: name, callback, link: LINK_HARD, offset: index * 4096 }),
    );
    expect(pool.submitAll(chain)).toBe(3);
    expect([verdicts, seen[0]?.[1].id]).toEqual([['cancelled', 'cancelled', 'cancelled'], id]);
    await settled();
    expect(log).toEqual([`alone:${ECANCELED}`, `timeout:${ECANCELED}`, `second:${ECANCELED}`, `third:${ECANCELED}`]);
    expect(manual.started.length).toBe(1);
    manual.complete();
    await settled();
    expect([log.at(-1), pool.inFlight]).toEqual(['first:0', 0]);
  });

  it('lets a listener close the pool', async () => {
    const { device, completeAll } = openManual();
    const pool = new AioServicePool(device);
    let closing: Promise<void> | null = null;
    listen(['submit'], () => {
      closing ??= pool.close();
    });
    const log: string[] = [];
    start(pool, log, 'a');
    completeAll();
    await closing;
    expect(log).toEqual(['a']);
  });

  it('lets the exception of a listener disturb nothing', { timeout: 30_000 }, async () => {
    const { status, stdout, stderr } = await runChild('throwing-listener.mjs');
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'uncaught: listener\ndone 0 512\n', stderr: '' });
  });
});

it('a message’s pool is a pool, whose statistics can be asked for', async () => {
  const pool = new AioServicePool(openNull());
  const seen: unknown[] = [];
  const listen = (message: unknown): void => void seen.push((message as AioMessage).pool.stats().submitted);
  subscribe('biodone:aio:complete', listen);
  await promises.read(pool, IoBuffer.allocate(16), 0);
  unsubscribe('biodone:aio:complete', listen);
  expect(seen).toEqual([1]);
});
