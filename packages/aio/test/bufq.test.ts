import {
  AioOp,
  AioServicePool,
  type DisciplineName,
  disciplineNames,
  drainQueue,
  makeDiscipline,
  moveQueue,
  PRIORITY_NONCRITICAL,
  PRIORITY_TIMECRITICAL,
  PRIORITY_TIMELIMITED,
  type QueueDiscipline,
} from '@biodone/aio';
import { BLOCK_READ, BLOCK_WRITE, openNull } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { openManual } from './support/manual-device.js';
import { fill, type OpFields, start } from './support/operations.js';
import { seededRandom } from './support/random.js';

let order = 0;

function queued(queue: QueueDiscipline, fields: OpFields): AioOp {
  order += 1;
  const op = Object.assign(fill(new AioOp(), fields), { order });
  queue.put(op);
  return op;
}

function takeAll(queue: QueueDiscipline): AioOp[] {
  const ops: AioOp[] = [];
  drainQueue(queue, (op) => ops.push(op));
  return ops;
}

function offsets(ops: AioOp[]): number[] {
  return ops.map(({ offset }) => offset);
}

describe.each(disciplineNames)('the queue %s', (name) => {
  it('is as a list that is searched: put, get, peek and cancel at random', () => {
    const random = seededRandom(name);
    const queue = makeDiscipline(name);
    const inside = new Set<AioOp>();
    for (let step = 0; step < 20_000; step++) {
      const what = random(5);
      if (what < 2) {
        const operation = random(2) === 0 ? BLOCK_READ : BLOCK_WRITE;
        inside.add(queued(queue, { operation, offset: random(200), priority: random(3) as 0 }));
      } else if (what < 4) {
        const next = queue.peek();
        expect(queue.get()).toBe(next);
        expect(next === null ? inside.size === 0 : inside.delete(next)).toBe(true);
      } else {
        const op = [...inside][random(Math.max(1, inside.size))];
        if (op !== undefined) {
          inside.delete(op);
          expect(queue.cancel(op)).toBe(true);
          expect(queue.cancel(op)).toBe(false);
        }
      }
      expect(queue.length).toBe(inside.size);
    }
    expect(new Set(takeAll(queue))).toEqual(inside);
    expect(queue.get()).toBe(null);
  });

  it('leaves what it has given back as it was, to be put into another queue', () => {
    const queue = makeDiscipline(name);
    const other = makeDiscipline(name);
    const op = queued(queue, {});
    expect(other.cancel(op)).toBe(false);
    expect(queue.get()).toBe(op);
    expect([op.queue, op.queueNext, op.queuePrevious]).toEqual([null, null, null]);
    other.put(op);
    expect(other.length).toBe(1);
  });

  it('holds 65536 operations that come in the order of their offsets', () => {
    const queue = makeDiscipline(name);
    for (let offset = 0; offset < 65536; offset++) queued(queue, { offset, operation: BLOCK_WRITE });
    // A tree that were not balanced would take 2 * 10^9 steps here.
    expect(offsets(takeAll(queue))).toEqual(Array.from({ length: 65536 }, (_, index) => index));
  });
});

describe('fcfs', () => {
  it('gives what came first', () => {
    const queue = makeDiscipline('fcfs');
    for (const offset of [5, 1, 9, 1]) queued(queue, { offset });
    expect(offsets(takeAll(queue))).toEqual([5, 1, 9, 1]);
  });
});

describe('disksort', () => {
  it('goes upwards in two ascending runs: what comes below the elevator waits for its next way up', () => {
    const queue = makeDiscipline('disksort');
    for (const offset of [50, 10, 30]) queued(queue, { offset });
    expect(offsets([queue.get(), queue.get()] as AioOp[])).toEqual([10, 30]);
    for (const offset of [20, 60, 40, 25]) queued(queue, { offset });
    expect(offsets(takeAll(queue))).toEqual([40, 50, 60, 20, 25]);
  });

  it('gives those of one offset in their order', () => {
    const queue = makeDiscipline('disksort');
    const ops = [7, 3, 7, 7].map((offset) => queued(queue, { offset }));
    expect(takeAll(queue)).toEqual([ops[1], ops[0], ops[2], ops[3]]);
  });

  it('does not stay at a place to which more and more operations come', () => {
    const queue = makeDiscipline('disksort');
    queued(queue, { offset: 10 });
    queued(queue, { offset: 10 });
    const far = queued(queue, { offset: 99 });
    const taken: (AioOp | null)[] = [];
    for (let count = 0; count < 4; count++) {
      taken.push(queue.get());
      queued(queue, { offset: 10 });
    }
    expect(taken.indexOf(far)).toBe(2);
  });

  it('loses none whose offset was changed while they waited, nor those around them', () => {
    for (let seed = 0; seed < 50; seed++) {
      const queue = makeDiscipline('disksort');
      const ops = Array.from({ length: 20 }, (_, offset) => queued(queue, { offset: (offset * 7 + seed) % 20 }));
      for (const [index, offset] of [99, Number.NaN, -1, 5].entries()) (ops[index * 5 + 1] as AioOp).offset = offset;
      const cancelled = ops[seed % 20] as AioOp;
      expect(queue.cancel(cancelled)).toBe(true);
      expect(new Set([cancelled, ...takeAll(queue)])).toEqual(new Set(ops));
    }
  });
});

describe('readprio', () => {
  it('lets 48 reads go, then 16 writes, while both wait', () => {
    const queue = makeDiscipline('readprio');
    for (let count = 0; count < 100; count++) {
      queued(queue, { operation: BLOCK_READ, offset: 1000 - count });
      queued(queue, { operation: BLOCK_WRITE, offset: 1000 - count });
    }
    const ops = takeAll(queue);
    const runs: [number, number][] = [];
    for (const { operation } of ops) {
      const last = runs.at(-1);
      if (last?.[0] === operation) last[1] += 1;
      else runs.push([operation, 1]);
    }
    expect(runs).toEqual([
      [BLOCK_READ, 48],
      [BLOCK_WRITE, 16],
      [BLOCK_READ, 48],
      [BLOCK_WRITE, 16],
      [BLOCK_READ, 4],
      [BLOCK_WRITE, 68],
    ]);
    const reads = offsets(ops.filter(({ operation }) => operation === BLOCK_READ));
    expect(reads).toEqual(Array.from({ length: 100 }, (_, count) => 1000 - count));
    const writes = offsets(ops.filter(({ operation }) => operation === BLOCK_WRITE));
    expect(writes).toEqual([...writes].sort((left, right) => left - right));
  });

  it('does not count reads while no write waits', () => {
    const queue = makeDiscipline('readprio');
    for (let count = 0; count < 60; count++) queued(queue, { operation: BLOCK_READ });
    for (let count = 0; count < 50; count++) queue.get();
    queued(queue, { operation: BLOCK_WRITE });
    expect(
      takeAll(queue)
        .map(({ operation }) => operation)
        .indexOf(BLOCK_WRITE),
    ).toBe(10);
  });
});

describe('priocscan', () => {
  it('serves bursts of 64, 16 and 4 while all priorities wait, and starves none', () => {
    const queue = makeDiscipline('priocscan');
    for (let count = 0; count < 200; count++) {
      for (const priority of [PRIORITY_NONCRITICAL, PRIORITY_TIMELIMITED, PRIORITY_TIMECRITICAL] as const) {
        queued(queue, { priority, offset: count });
      }
    }
    const runs: [number, number][] = [];
    for (let count = 0; count < 168; count++) {
      const { priority } = queue.get() as AioOp;
      const last = runs.at(-1);
      if (last?.[0] === priority) last[1] += 1;
      else runs.push([priority, 1]);
    }
    expect(runs).toEqual([
      [2, 64],
      [1, 16],
      [0, 4],
      [2, 64],
      [1, 16],
      [0, 4],
    ]);
    const rest = takeAll(queue);
    expect(rest.length).toBe(600 - 168);
    for (const priority of [0, 1, 2]) {
      const own = offsets(rest.filter((op) => op.priority === priority));
      expect(own).toEqual([...own].sort((left, right) => left - right));
    }
  });

  it('uses nothing up of a priority that is alone', () => {
    const queue = makeDiscipline('priocscan');
    for (let count = 0; count < 100; count++) queued(queue, { priority: PRIORITY_NONCRITICAL, offset: count });
    for (let count = 0; count < 90; count++) queue.get();
    for (let count = 0; count < 64; count++) queued(queue, { priority: PRIORITY_TIMECRITICAL });
    expect(takeAll(queue).map(({ priority }) => priority)).toEqual([...Array(64).fill(2), ...Array(10).fill(0)]);
  });

  it('finds an operation whose priority was changed while it waited', () => {
    const queue = makeDiscipline('priocscan');
    const op = queued(queue, { priority: PRIORITY_NONCRITICAL });
    op.priority = PRIORITY_TIMECRITICAL;
    expect(queue.cancel(op)).toBe(true);
    expect(queue.length).toBe(0);
  });
});

describe('choosing by name', () => {
  it('refuses an unknown name, and says which ones there are', () => {
    const unknown = 'elevator' as DisciplineName;
    const error = { code: 'ENOENT', message: expect.stringContaining('fcfs, disksort, readprio, priocscan') };
    expect(() => makeDiscipline(unknown)).toThrow(expect.objectContaining(error));
    expect(() => new AioServicePool(openNull(), { discipline: unknown })).toThrow(expect.objectContaining(error));
    const pool = new AioServicePool(openNull(), { discipline: 'disksort' });
    expect(() => {
      pool.discipline = unknown;
    }).toThrow(expect.objectContaining(error));
    expect(pool.discipline).toBe('disksort');
    expect(() => makeDiscipline('constructor' as DisciplineName)).toThrow(expect.objectContaining(error));
  });

  it.each(disciplineNames)('moves everything into %s as if it had come there first', (name) => {
    const source = makeDiscipline('disksort');
    const direct = makeDiscipline(name);
    const moved = makeDiscipline(name);
    const fields = Array.from({ length: 200 }, (_, index) => ({
      offset: (index * 37) % 101,
      operation: index % 3 === 0 ? BLOCK_WRITE : BLOCK_READ,
      priority: (index % 3) as 0,
    }));
    for (const each of fields) queued(source, each);
    for (const each of fields) queued(direct, each);
    moveQueue(source, moved);
    expect(source.length).toBe(0);
    expect(offsets(takeAll(moved))).toEqual(offsets(takeAll(direct)));
  });

  it('can be switched while operations wait: none is lost, and the new order is that of the new discipline', async () => {
    const { device, started, completeAll } = openManual();
    const pool = new AioServicePool(device, { inFlightMax: 1 });
    const log: string[] = [];
    for (const offset of [0, 30, 10, 20]) start(pool, log, `at ${offset}`, { offset });
    expect(started.map(({ offset }) => offset)).toEqual([0]);
    pool.discipline = 'disksort';
    completeAll();
    expect(log).toEqual(['at 0', 'at 10', 'at 20', 'at 30']);
    await pool.close();
  });
});
