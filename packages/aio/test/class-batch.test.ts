import { AioOp, AioServiceClass, LINK_HARD, LINK_SOFT, OrderingKey, queueCompletion } from '@biodone/aio';
import { attachDevice, BLOCK_FLUSH, BLOCK_WRITE, openFile, openMem } from '@biodone/blockdev';
import { EAGAIN, EALREADY, EBADF, ECANCELED, EINVAL, IoBuffer, probe, threadRing } from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { BLOCK_BYTES, makeFolder } from './support/files.js';
import { type Manual, openManual } from './support/manual-device.js';
import { fill, type OpFields } from './support/operations.js';

const folder = makeFolder();
afterAll(() => folder.remove());

const write = { operation: BLOCK_WRITE } as const;

function makeClass(depths: readonly number[], options: ConstructorParameters<typeof AioServiceClass>[1] = {}) {
  const manuals = depths.map(() => openManual());
  const pools = manuals.map(({ device }, index) => ({ device, depth: depths[index] as number }));
  return { target: new AioServiceClass(pools, { sameData: true, ...options }), manuals, log: [] as string[] };
}

/** Operations of the class that write down how they end. */
function many(target: AioServiceClass, log: string[], count: number, fields: OpFields = {}): AioOp[] {
  return Array.from({ length: count }, (_, index) =>
    fill(target.allocate(), { callback: ({ error }) => void log.push(`${index}:${error}`), ...fields }),
  );
}

/** The last has no link. */
function linked(ops: readonly AioOp[], link: typeof LINK_SOFT | typeof LINK_HARD = LINK_SOFT): readonly AioOp[] {
  for (const op of ops.slice(0, -1)) op.link = link;
  return ops;
}

function starts(manuals: readonly Manual[]): number[] {
  return manuals.map(({ started }) => started.length);
}

function completeAll(manuals: readonly Manual[]): void {
  while (manuals.some(({ started }) => started.length > 0)) for (const manual of manuals) manual.completeAll();
}

describe('a batch to a class', () => {
  it('spreads its operations over the pools, and says how many it has taken', () => {
    const { target, manuals, log } = makeClass([8, 8, 8]);
    expect(target.submitAll(many(target, log, 6))).toBe(6);
    expect(starts(manuals)).toEqual([2, 2, 2]);
    completeAll(manuals);
    expect(log.sort()).toEqual(['0:0', '1:0', '2:0', '3:0', '4:0', '5:0']);
    expect(target.submitAll([])).toBe(0);
  });

  it('goes on behind a bad operation, with a verdict on each', () => {
    const { target, manuals, log } = makeClass([8, 8]);
    const [a, b, busy] = many(target, log, 3) as [AioOp, AioOp, AioOp];
    target.submit(busy);
    const released = target.allocate();
    target.release(released);
    const foreign = fill(makeClass([8]).target.allocate(), { callback: () => {} });
    const guard = fill(target.allocate(), { callback: () => {}, timer: { timeoutMs: 1, link: true } });
    const own = fill(new AioOp(), { callback: () => void log.push('own') });
    const verdicts = new Int32Array(9).fill(99);
    const batch = [a, busy, foreign, guard, null as unknown as AioOp, b, b, own, own];
    expect(target.submitAll(batch, verdicts)).toBe(3);
    expect([...verdicts]).toEqual([0, EALREADY, EINVAL, EINVAL, EINVAL, 0, EALREADY, 0, EALREADY]);
    completeAll(manuals);
    expect(log.sort()).toEqual(['0:0', '1:0', '2:0', 'own']);
    expect(target.stats()).toMatchObject({ completed: 4, refused: 0, inFlight: 0 });
  });

  it('says EAGAIN where no pool has room, and EBADF where all are closed', async () => {
    const { target, manuals, log } = makeClass([1, 2]);
    const ops = many(target, log, 5);
    const verdicts: number[] = [];
    expect(target.submitAll(ops, verdicts)).toBe(3);
    expect(verdicts).toEqual([0, 0, 0, EAGAIN, EAGAIN]);
    expect(target.stats().refused).toBe(2);
    completeAll(manuals);
    await target.close();
    expect(target.submitAll(ops.slice(3), verdicts)).toBe(0);
    expect(verdicts.slice(0, 2)).toEqual([EBADF, EBADF]);
  });

  it('says EINVAL where operations with the ordering key are under way outside, instead of throwing', () => {
    const { target, manuals, log } = makeClass([8, 8]);
    const orderingKey = new OrderingKey();
    const outside = makeClass([8]);
    outside.target.submit(fill(outside.target.allocate(), { ...write, orderingKey, callback: () => {} }));
    const ops = many(target, log, 3, write);
    (ops[1] as AioOp).orderingKey = orderingKey;
    const verdicts: number[] = [];
    expect(target.submitAll(ops, verdicts)).toBe(2);
    expect(verdicts).toEqual([0, EINVAL, 0]);
    expect(() => target.submit(ops[1] as AioOp)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    completeAll(manuals);
  });

  it('submits again what nobody has reaped, to whichever pool', () => {
    const { target, manuals } = makeClass([2, 2]);
    const ops = Array.from({ length: 4 }, () => fill(target.allocate(), { callback: queueCompletion }));
    expect(target.submitAll(ops)).toBe(4);
    completeAll(manuals);
    expect(target.unreapedCount).toBe(4);
    expect(target.submitAll([...ops].reverse())).toBe(4);
    expect([target.unreapedCount, target.inFlight]).toEqual([0, 4]);
    completeAll(manuals);
    expect(target.stats()).toMatchObject({ completed: 8, unreaped: 4 });
  });
});

describe('a chain in a class', () => {
  it('goes to one pool, while others go to the rest', () => {
    const { target, manuals, log } = makeClass([8, 8]);
    const chain = linked(many(target, log, 3));
    const alone = many(target, log, 2, { callback: () => void log.push('alone') });
    expect(target.submitAll([...chain, ...alone])).toBe(5);
    expect(target.pools.map(({ inFlight }) => inFlight)).toEqual([3, 2]);
    completeAll(manuals);
    expect(log.filter((name) => name !== 'alone')).toEqual(['0:0', '1:0', '2:0']);
  });

  it('breaks as in a pool', () => {
    const { target, manuals, log } = makeClass([8, 8]);
    target.submitAll(linked(many(target, log, 3)));
    manuals[0]?.complete(undefined, 0, 100);
    completeAll(manuals);
    expect(log).toEqual([`0:0`]);
    while (target.inFlight > 0) target.poll();
    expect(log).toEqual(['0:0', `1:${ECANCELED}`, `2:${ECANCELED}`]);
  });

  it('passes a pool by that has no room for all of it', () => {
    const { target, manuals, log } = makeClass([2, 4]);
    const verdicts: number[] = [];
    expect(target.submitAll(linked(many(target, log, 3)), verdicts)).toBe(3);
    expect([verdicts, starts(manuals)]).toEqual([
      [0, 0, 0],
      [0, 1],
    ]);
    const more = linked(many(target, log, 3));
    expect(target.submitAll(more, verdicts)).toBe(0);
    expect([verdicts, target.stats().refused]).toEqual([[EAGAIN, EAGAIN, EAGAIN], 1]);
    expect(target.submitAll(linked(many(target, log, 5)), verdicts)).toBe(0);
    expect(verdicts).toEqual([EINVAL, EINVAL, EINVAL, EINVAL, EINVAL]);
    completeAll(manuals);
    expect(target.submitAll(more)).toBe(3);
  });

  it('can be waited for the room of', async () => {
    const { target, manuals, log } = makeClass([2, 4]);
    const more = linked(many(target, log, 3));
    target.submitAll(many(target, log, 4));
    const taken = new Promise<number>((resolve) => target.whenAvailable(() => resolve(target.submitAll(more)), 0, 3));
    manuals[0]?.completeAll();
    await Promise.resolve();
    expect(target.inFlight).toBeLessThan(4);
    manuals[1]?.completeAll();
    expect(await taken).toBe(3);
    expect(() => target.whenAvailable(() => {}, 0, 5)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });

  it('goes where the operations are that its ordering keys wait for, and cannot where those are in several pools', () => {
    const { target, manuals, log } = makeClass([8, 8]);
    const keys = [new OrderingKey(), new OrderingKey(), new OrderingKey()] as const;
    const [a, b] = many(target, log, 2, write) as [AioOp, AioOp];
    a.orderingKey = keys[0];
    b.orderingKey = keys[1];
    target.submitAll([a, b]);
    expect(starts(manuals)).toEqual([1, 1]);
    const both = linked(many(target, log, 2, write)) as [AioOp, AioOp];
    both[0].orderingKey = keys[0];
    both[1].orderingKey = keys[1];
    const verdicts: number[] = [];
    expect(target.submitAll(both, verdicts)).toBe(0);
    expect(verdicts).toEqual([EINVAL, EINVAL]);
    // A key with nothing under way goes with the others, and keeps to that pool.
    both[0].orderingKey = keys[2];
    expect(target.submitAll(both)).toBe(2);
    expect(target.pools.map(({ inFlight }) => inFlight)).toEqual([1, 3]);
    const late = fill(target.allocate(), { ...write, orderingKey: keys[2], callback: () => void log.push('late') });
    target.submit(late);
    expect(target.pools.map(({ inFlight }) => inFlight)).toEqual([1, 4]);
    completeAll(manuals);
    expect(target.inFlight).toBe(0);
  });

  it('goes where operations with its key are, that a drain holds', () => {
    const { target, manuals, log } = makeClass([8, 8]);
    const [first, second] = [new OrderingKey(), new OrderingKey()];
    const [a, b] = many(target, log, 2, write) as [AioOp, AioOp];
    a.orderingKey = first;
    b.orderingKey = second;
    target.submitAll([a, b]);
    expect(starts(manuals)).toEqual([1, 1]);
    completeAll(manuals);
    target.submitAll(many(target, log, 1, { drain: true }));
    const [held] = many(target, log, 1, { ...write, orderingKey: first }) as [AioOp];
    target.submit(held);
    expect([first.pending, second.pending]).toEqual([1, 0]);
    const chain = linked(many(target, log, 2, write)) as [AioOp, AioOp];
    chain[0].orderingKey = second;
    chain[1].orderingKey = first;
    target.submitAll(chain);
    expect(chain.map(({ owner }) => owner)).toEqual([held.owner, held.owner]);
    completeAll(manuals);
    expect([first.pending, second.pending, target.inFlight]).toEqual([0, 0, 0]);
  });

  it('is covered by a flush to another pool', () => {
    const { target, manuals, log } = makeClass([8, 8]);
    target.submitAll(linked(many(target, log, 2, write), LINK_HARD));
    target.submit(fill(target.allocate(), { operation: BLOCK_FLUSH, lengthBytes: 0, callback: () => void log.push('flush') }));
    expect(starts(manuals)).toEqual([1, 0]);
    completeAll(manuals);
    expect(log).toEqual(['0:0', '1:0', 'flush']);
  });

  it('is never taken by another pool, as a whole or in part', () => {
    const manuals = [openManual(), openManual()];
    const target = new AioServiceClass(
      manuals.map(({ device }) => ({ device, depth: 8, inFlightMax: 1 })),
      { sameData: true, balance: 'round-robin' },
    );
    const log: string[] = [];
    target.submitAll(many(target, log, 2));
    target.submitAll(linked(many(target, log, 3)));
    manuals[1]?.completeAll();
    expect([starts(manuals), target.stats().stolen]).toEqual([[1, 0], 0]);
    completeAll(manuals);
  });
});

const available = probe().available;
if (!available) console.log(`batches to classes on io_uring are not tested: ${probe().reason}`);

describe('one hand-over', () => {
  it.skipIf(!available)('is one system call for the channels of a file in this thread', async () => {
    const device = openFile(folder.numbered('class-batch', 64), { engine: 'uring', readOnly: true });
    const channel = attachDevice(device.handle());
    const target = new AioServiceClass([{ device }, { device: channel }]);
    const ops = Array.from({ length: 64 }, (_, block) =>
      Object.assign(new AioOp(), {
        buffer: IoBuffer.allocate(BLOCK_BYTES),
        offset: block * BLOCK_BYTES,
        lengthBytes: BLOCK_BYTES,
        callback: () => {},
      }),
    );
    const { ring } = threadRing();
    // Once before, so that what is done at the first use of a file is over.
    target.submitAll(ops);
    while (target.inFlight > 0) target.wait(1000);
    const before = ring.statistics();
    expect(target.submitAll(ops)).toBe(64);
    expect(ring.statistics().calls).toBe(before.calls);
    await Promise.resolve();
    const after = ring.statistics();
    expect([after.calls - before.calls, after.submitted - before.submitted]).toEqual([1, 64]);
    while (target.inFlight > 0) target.wait(1000);
    expect(target.stats().pools.map(({ completed }) => completed)).toEqual([64, 64]);
    await target.close();
    await channel.close();
    await device.close();
  });

  it('reaches the service threads of each pool', async () => {
    const device = openMem(65536);
    const target = new AioServiceClass([1, 2].map(() => ({ device, service: 'threads' as const, threads: 1 })));
    const done = await new Promise<number>((resolve) => {
      let left = 16;
      const callback = (): void => {
        left -= 1;
        if (left === 0) resolve(16);
      };
      const ops = Array.from({ length: 16 }, (_, index) => fill(target.allocate(), { ...write, offset: index * 512, callback }));
      expect(target.submitAll(ops)).toBe(16);
    });
    expect([done, target.stats().pools.map(({ completed }) => completed)]).toEqual([16, [8, 8]]);
    await target.close();
    await device.close();
  });

  it('takes verdicts only that are as many', () => {
    const { target, log } = makeClass([8]);
    expect(() => target.submitAll(many(target, log, 2), new Int32Array(1))).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
    );
    expect(target.inFlight).toBe(0);
  });
});
