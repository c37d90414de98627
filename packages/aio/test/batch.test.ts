import { AioOp, AioServicePool } from '@biodone/aio';
import { BLOCK_WRITE, openFile } from '@biodone/blockdev';
import { EALREADY, EINVAL, IoBuffer, probe, threadRing } from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { manualPool } from './support/chains.js';
import { BLOCK_BYTES, makeFolder } from './support/files.js';
import { fill, type OpFields, start } from './support/operations.js';
import { settled } from './support/virtual-timers.js';

const folder = makeFolder();
afterAll(() => folder.remove());

/** Operations of a pool that write down how they end. */
function many(pool: AioServicePool, log: string[], count: number, fields: OpFields = {}): AioOp[] {
  return Array.from({ length: count }, (_, index) =>
    fill(pool.allocate(), {
      offset: index * BLOCK_BYTES,
      callback: ({ error }) => void log.push(`${index}:${error}`),
      ...fields,
    }),
  );
}

describe('a batch', () => {
  it('starts its operations in their order, and says how many it has taken', () => {
    const { pool, log, manual } = manualPool();
    const ops = many(pool, log, 5);
    expect(pool.submitAll(ops)).toBe(5);
    expect(manual.started).toEqual(ops);
    manual.completeAll();
    expect(log).toEqual(['0:0', '1:0', '2:0', '3:0', '4:0']);
    expect(pool.submitAll([])).toBe(0);
  });

  it('keeps the order of submission in the queue too', () => {
    const { pool, log, manual } = manualPool({ inFlightMax: 1 });
    pool.submitAll(many(pool, log, 5));
    manual.completeAll();
    expect(log).toEqual(['0:0', '1:0', '2:0', '3:0', '4:0']);
  });

  it('goes on behind a bad operation, with a verdict on each', () => {
    const { pool, log, manual } = manualPool();
    const busy = start(pool, log, 'busy');
    const free = pool.allocate();
    pool.release(free);
    const foreign = fill(manualPool().pool.allocate(), { callback: () => {} });
    const own = fill(new AioOp(), { callback: () => void log.push('own') });
    const [a, b] = many(pool, log, 2) as [AioOp, AioOp];
    const verdicts = new Int32Array(8).fill(99);
    // The second time that one is in it, it is in flight.
    const batch = [a, busy, free, b, null as unknown as AioOp, foreign, own, own];
    // What is free is what allocate gave out next.
    expect(a).toBe(free);
    expect(pool.submitAll(batch, verdicts)).toBe(3);
    expect([...verdicts]).toEqual([0, EALREADY, EALREADY, 0, EINVAL, EINVAL, 0, EALREADY]);
    manual.completeAll();
    expect(log).toEqual(['busy', '0:0', '1:0', 'own']);
  });

  it('says EINVAL of an operation that was given back', () => {
    const { pool } = manualPool();
    const free = pool.allocate();
    pool.release(free);
    const verdicts: number[] = [];
    expect(pool.submitAll([free], verdicts)).toBe(0);
    expect(verdicts).toEqual([EINVAL]);
  });

  it('says EAGAIN of what there is no room for: it is the caller’s still, and can be submitted again', () => {
    const { pool, log, manual } = manualPool({ depth: 3 });
    const ops = many(pool, log, 5);
    const verdicts = new Int32Array(5);
    expect(pool.submitAll(ops, verdicts)).toBe(3);
    expect([...verdicts]).toEqual([0, 0, 0, 11, 11]);
    expect(pool.stats().refused).toBe(2);
    manual.completeAll();
    expect(pool.submitAll(ops.slice(3), verdicts)).toBe(2);
    manual.completeAll();
    expect(log).toEqual(['0:0', '1:0', '2:0', '3:0', '4:0']);
  });

  it('lets a smaller one in behind one that has too many bytes', () => {
    const { pool, log } = manualPool({ bytesMax: 1000 });
    const ops = many(pool, log, 3, { operation: BLOCK_WRITE, lengthBytes: 400 });
    (ops[1] as AioOp).lengthBytes = 700;
    const verdicts: number[] = [];
    expect(pool.submitAll(ops, verdicts)).toBe(2);
    expect(verdicts).toEqual([0, 11, 0]);
  });

  it('says EBADF of all when the pool is closed', async () => {
    const { pool, log } = manualPool();
    const ops = many(pool, log, 2);
    await pool.close();
    const verdicts: number[] = [];
    expect(pool.submitAll(ops, verdicts)).toBe(0);
    expect(verdicts).toEqual([9, 9]);
  });

  it('runs a synchronous operation when its turn in the batch comes', () => {
    const { pool, log, manual } = manualPool();
    const ops = many(pool, log, 3);
    (ops[1] as AioOp).callback = null;
    expect(pool.submitAll(ops)).toBe(3);
    expect([manual.started, manual.ran]).toEqual([[ops[0], ops[2]], [ops[1]]]);
    expect((ops[1] as AioOp).transferredBytes).toBe(512);
  });

  it('reaches the end although an operation of it has an error of its own', async () => {
    const { pool, log, manual } = manualPool();
    const ops = many(pool, log, 3);
    (ops[1] as AioOp).offset = -1;
    expect(pool.submitAll(ops)).toBe(3);
    expect(manual.started.length).toBe(2);
    manual.completeAll();
    await settled();
    expect([...log].sort()).toEqual(['0:0', `1:${EINVAL}`, '2:0']);
  });

  it('refuses an array of verdicts that is too short, with nothing done', () => {
    const { pool, log } = manualPool();
    const ops = many(pool, log, 2);
    expect(() => pool.submitAll(ops, new Int32Array(1))).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_RANGE', message: expect.stringContaining('verdicts.length') }),
    );
    expect(pool.inFlight).toBe(0);
    expect(pool.submitAll(ops, new Int32Array(5))).toBe(2);
  });

  it('can be submitted by a callback, of which none runs inside', () => {
    const { pool, log, manual } = manualPool({ instant: true });
    const first = fill(pool.allocate());
    let inside = false;
    const ops = many(pool, log, 3, { callback: () => void log.push(inside ? 'inside' : 'after') });
    first.callback = () => {
      inside = true;
      pool.submitAll(ops);
      inside = false;
    };
    pool.submit(first);
    while (pool.inFlight > 0) pool.poll();
    expect([log, manual.started.length]).toEqual([['after', 'after', 'after'], 0]);
  });
});

const available = probe().available;
if (!available) console.log(`batches on io_uring are not tested: ${probe().reason}`);

describe.skipIf(!available)('with io_uring', () => {
  it('a batch is one system call', async () => {
    const path = folder.numbered('batch', 64);
    const device = openFile(path, { engine: 'uring', readOnly: true });
    const pool = new AioServicePool(device);
    const buffers = Array.from({ length: 64 }, () => IoBuffer.allocate(BLOCK_BYTES));
    const seen: number[] = [];
    const ops = buffers.map((buffer, block) => {
      const callback = (): void => void seen.push(new DataView(buffer.bytes.buffer, buffer.bytes.byteOffset).getUint32(0, true));
      return Object.assign(new AioOp(), { buffer, offset: block * BLOCK_BYTES, lengthBytes: BLOCK_BYTES, callback });
    });
    const { ring } = threadRing();
    // Once before, so that what is done at the first use of a file is over.
    pool.submitAll(ops);
    while (pool.inFlight > 0) pool.wait(1000);
    seen.length = 0;
    const before = ring.statistics();
    expect(pool.submitAll(ops)).toBe(64);
    expect(ring.statistics().calls).toBe(before.calls);
    // The end of this turn hands all over.
    await Promise.resolve();
    const after = ring.statistics();
    expect([after.calls - before.calls, after.submitted - before.submitted]).toEqual([1, 64]);
    while (pool.inFlight > 0) pool.wait(1000);
    expect(seen.sort((left, right) => left - right)).toEqual(Array.from({ length: 64 }, (_, block) => block));
    await pool.close();
    await device.close();
  });
});
