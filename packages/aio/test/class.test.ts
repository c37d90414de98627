import {
  AioFile,
  AioOp,
  AioServiceClass,
  type AioServicePool,
  EAGAIN,
  EBADF,
  OrderingKey,
  PoolCloseError,
  promises,
  queueCompletion,
} from '@biodone/aio';
import { attachDevice, BLOCK_READ, BLOCK_WRITE, openFile, openMem, openNull } from '@biodone/blockdev';
import { ECANCELED, ETIMEDOUT, IoBuffer } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { type Manual, openManual } from './support/manual-device.js';
import { fill, type OpFields, start } from './support/operations.js';
import { seededRandom } from './support/random.js';
import { settled, VirtualTimers } from './support/virtual-timers.js';

let folder: Folder;
beforeAll(() => {
  folder = makeFolder();
});
afterAll(() => folder.remove());

/** A class over paths that the test moves on, each its own. */
function makeClass(
  paths: number,
  options: ConstructorParameters<typeof AioServiceClass>[1] & { depth?: number; inFlightMax?: number } = {},
): { target: AioServiceClass; manuals: Manual[]; log: string[] } {
  const { depth = 16, inFlightMax = depth, ...classOptions } = options;
  const manuals = Array.from({ length: paths }, () =>
    openManual(classOptions.timers === undefined ? {} : { timers: classOptions.timers }),
  );
  const pools = manuals.map(({ device }) => ({ device, depth, inFlightMax }));
  return { target: new AioServiceClass(pools, { sameData: true, ...classOptions }), manuals, log: [] };
}

function starts(manuals: readonly Manual[]): number[] {
  return manuals.map(({ started }) => started.length);
}

function loads(target: AioServiceClass): number[] {
  return target.pools.map(({ inFlight }) => inFlight);
}

describe('what the pools of a class are', () => {
  it('may be pools over one device object', async () => {
    const device = openMem(65536);
    const target = new AioServiceClass([{ device }, { device }]);
    const buffer = IoBuffer.allocate(512);
    buffer.bytes.fill(9);
    expect(await promises.write(target, buffer, 512)).toBe(512);
    expect(await promises.read(target, buffer, 512)).toBe(512);
    expect(target.pools.map((pool) => pool.stats().completed)).toEqual([1, 1]);
    await target.close();
    await device.close();
  });

  it('may be channels of one open device', async () => {
    const device = openFile(folder.numbered('channels', 4));
    const channel = attachDevice(device.handle());
    const target = new AioServiceClass([{ device }, { device: channel }]);
    const buffer = IoBuffer.allocate(4096);
    for (const block of [0, 1, 2, 3]) {
      await promises.read(target, buffer, block * 4096);
      expect(new DataView(buffer.bytes.buffer, buffer.bytes.byteOffset).getUint32(0, true)).toBe(block);
    }
    expect(target.pools.map((pool) => pool.stats().completed)).toEqual([2, 2]);
    await target.close();
    await channel.close();
    await device.close();
  });

  it('may be pools of service threads over one device', { timeout: 30_000 }, async () => {
    const device = openMem(65536);
    const target = new AioServiceClass([
      { device, service: 'threads', threads: 1, inFlightMax: 2 },
      { device, service: 'threads', threads: 1, inFlightMax: 2 },
    ]);
    const buffers = Array.from({ length: 8 }, (_, index) => {
      const buffer = IoBuffer.allocate(512);
      buffer.bytes.fill(index + 1);
      return buffer;
    });
    await Promise.all(buffers.map((buffer, index) => promises.write(target, buffer, index * 512)));
    await promises.flush(target);
    const back = IoBuffer.allocate(512);
    for (const [index, buffer] of buffers.entries()) {
      await promises.read(target, back, index * 512);
      expect(Buffer.compare(back.bytes, buffer.bytes)).toBe(0);
    }
    expect(target.pools.every((pool) => pool.stats().completed > 0)).toBe(true);
    await target.close();
    await device.close();
  });

  it('are refused where an operation could go to other data, and the error says the way out', () => {
    const make = () => new AioServiceClass([{ device: openMem(4096) }, { device: openMem(4096) }]);
    expect(make).toThrow(
      expect.objectContaining({
        code: 'EINVAL',
        message: expect.stringMatching(/pools\[1\] \(mem\) and pools\[0\] \(mem\).*attachDevice.*sameData/),
      }),
    );
  });

  it('may be other paths to the same data if the caller vouches for that', async () => {
    const path = folder.numbered('paths', 4);
    const devices = [openFile(path, { readOnly: true }), openFile(path, { readOnly: true })] as const;
    const pools = devices.map((device) => ({ device }));
    expect(() => new AioServiceClass(pools)).toThrow(/sameData/);
    const target = new AioServiceClass(pools, { sameData: true });
    expect(await promises.read(target, IoBuffer.allocate(512), 0)).toBe(512);
    await target.close();
    for (const device of devices) await device.close();
  });

  it.each([
    ['sizes', () => [openMem(4096), openMem(8192)], /pools\[1\] has sizeBytes 8192 and pools\[0\] 4096/],
    ['rights', () => [openMem(4096), openMem(4096, { readOnly: true })], /pools\[1\] has readOnly true and pools\[0\] false/],
  ])('are refused with different %s, whatever the caller says', (_, open, message) => {
    const pools = open().map((device) => ({ device }));
    expect(() => new AioServiceClass(pools, { sameData: true })).toThrow(message);
  });

  it.each([
    ['no pools', [], {}, 'ERR_OUT_OF_RANGE'],
    ['what is no list', 'pools', {}, 'ERR_INVALID_ARG_TYPE'],
    ['a pool without a device', [{}], {}, 'ERR_INVALID_ARG_TYPE'],
    ['a pool that is nothing', [null], {}, 'ERR_INVALID_ARG_TYPE'],
    ['an unknown balance', [{ device: openNull() }], { balance: 'fair' }, 'ENOENT'],
    ['an unknown discipline', [{ device: openNull(), discipline: 'lifo' }], {}, 'ENOENT'],
    ['a depth of 0', [{ device: openNull(), depth: 0 }], {}, 'ERR_OUT_OF_RANGE'],
    ['a steal that is no boolean', [{ device: openNull() }], { steal: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['a sameData that is no boolean', [{ device: openNull() }], { sameData: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
    ['a random that is no function', [{ device: openNull() }], { random: 4 }, 'ERR_INVALID_ARG_TYPE'],
    ['a file that is none', [{ device: openNull() }], { file: {} }, 'ERR_INVALID_ARG_TYPE'],
  ])('refuses %s', (_, pools, options, code) => {
    expect(() => new AioServiceClass(pools as never, options as never)).toThrow(expect.objectContaining({ code }));
  });
});

describe('the choice of a pool', () => {
  it('is the least loaded one', () => {
    const { target, manuals, log } = makeClass(3);
    for (let count = 0; count < 6; count++) start(target, log, `${count}`);
    expect(loads(target)).toEqual([2, 2, 2]);
    manuals[1]?.completeAll();
    start(target, log, 'next');
    start(target, log, 'and next');
    expect(loads(target)).toEqual([2, 2, 2]);
    expect(starts(manuals)).toEqual([2, 2, 2]);
    start(target, log, 'third');
    expect(loads(target).sort()).toEqual([2, 2, 3]);
  });

  it('takes turns among those that are equally loaded', async () => {
    const { target, manuals, log } = makeClass(3);
    for (let count = 0; count < 6; count++) {
      start(target, log, `${count}`);
      for (const manual of manuals) manual.completeAll();
      await settled();
    }
    expect(target.pools.map((pool) => pool.stats().completed)).toEqual([2, 2, 2]);
  });

  it('is the better one of two random ones, by the caller’s random numbers', () => {
    const numbers = [2, 0, 0, 0, 1, 1];
    const asked: number[] = [];
    const random = (below: number) => {
      asked.push(below);
      return numbers.shift() as number;
    };
    const { target, log } = makeClass(3, { balance: 'two-choices', random });
    // The third and the one behind it, which is the first: equal, so the third.
    start(target, log, 'a');
    expect(loads(target)).toEqual([0, 0, 1]);
    // The first and the second.
    start(target, log, 'b');
    expect(loads(target)).toEqual([1, 0, 1]);
    // The second, and the one two behind it, which is the first again.
    start(target, log, 'c');
    expect(loads(target)).toEqual([1, 1, 1]);
    expect(asked).toEqual([3, 2, 3, 2, 3, 2]);
  });

  it('never compares a pool with itself: of two pools the better one is always found', () => {
    const { target, log } = makeClass(2, { balance: 'two-choices', random: seededRandom('two choices'), depth: 128 });
    for (let count = 0; count < 100; count++) start(target, log, `${count}`);
    expect(loads(target)).toEqual([50, 50]);
  });

  it('is one after the other for comparison', () => {
    const { target, manuals, log } = makeClass(3, { balance: 'round-robin' });
    for (let count = 0; count < 5; count++) start(target, log, `${count}`);
    manuals[0]?.completeAll();
    start(target, log, 'sixth');
    expect(starts(manuals)).toEqual([0, 2, 2]);
  });

  it('passes by what is full, and refuses with EAGAIN when all are', () => {
    const { target, log } = makeClass(2, { balance: 'round-robin', depth: 2 });
    for (let count = 0; count < 4; count++) start(target, log, `${count}`);
    const op = fill(target.allocate(), { callback: () => {} });
    expect(target.submit(op)).toBe(EAGAIN);
    expect(op.submitted).toBe(false);
    expect(target.stats()).toMatchObject({ submitted: 4, refused: 1 });
    target.release(op);
  });

  it('passes by a pool whose device is closed', async () => {
    const { target, manuals, log } = makeClass(2);
    await manuals[0]?.device.close();
    for (let count = 0; count < 4; count++) start(target, log, `${count}`);
    expect(starts(manuals)).toEqual([0, 4]);
    expect(log).toEqual([]);
  });

  it('runs an operation without a callback in the calling thread', () => {
    const { target, manuals } = makeClass(2);
    const op = fill(target.allocate(), { callback: null });
    expect(target.submit(op)).toBe(0);
    expect({ error: op.error, transferredBytes: op.transferredBytes }).toEqual({ error: 0, transferredBytes: 512 });
    expect(manuals.flatMap(({ ran }) => ran)).toEqual([op]);
    target.release(op);
  });

  it('takes operations of one’s own', async () => {
    const { target, manuals } = makeClass(2);
    const op = fill(new AioOp(), { callback: () => {} });
    for (let count = 0; count < 3; count++) {
      expect(target.submit(op)).toBe(0);
      for (const manual of manuals) manual.completeAll();
      await settled();
    }
    expect(target.stats()).toMatchObject({ submitted: 3, completed: 3 });
  });
});

describe('stealing', () => {
  it('starts what waits in a loaded pool’s queue on one that has room', async () => {
    const { target, manuals, log } = makeClass(2, { balance: 'round-robin', inFlightMax: 1 });
    for (const name of ['a', 'b', 'c', 'd']) start(target, log, name);
    expect(starts(manuals)).toEqual([1, 1]);
    manuals[1]?.complete();
    await settled();
    // The second pool has started its own 'd' first, then what waits for the first one.
    manuals[1]?.complete();
    await settled();
    manuals[1]?.complete();
    await settled();
    expect(log).toEqual(['b', 'd', 'c']);
    expect(starts(manuals)).toEqual([1, 0]);
    expect(target.stats()).toMatchObject({ stolen: 1, queued: 0, inFlight: 1 });
    expect(target.pools.map((pool) => pool.stats().stolen)).toEqual([0, 1]);
    manuals[0]?.complete();
    await settled();
    expect(log).toEqual(['b', 'd', 'c', 'a']);
  });

  it('happens at once where a pool is idle when another one’s queue gets its first operation', () => {
    const { target, manuals, log } = makeClass(2, { balance: 'round-robin', inFlightMax: 1 });
    start(target, log, 'a');
    start(target, log, 'b');
    manuals[1]?.complete();
    start(target, log, 'c');
    expect(starts(manuals)).toEqual([1, 1]);
    expect(loads(target)).toEqual([1, 1]);
  });

  it('takes in the order of the discipline', async () => {
    const manuals = [openManual(), openManual()] as const;
    const pools = manuals.map(({ device }) => ({ device, inFlightMax: 1, discipline: 'priocscan' as const }));
    const target = new AioServiceClass(pools, { balance: 'round-robin', sameData: true });
    const log: string[] = [];
    const fields: OpFields[] = [{ priority: 0 }, {}, { priority: 0 }, {}, { priority: 2 }];
    for (const [index, each] of fields.entries()) start(target, log, `${index}`, each);
    for (let count = 0; count < 3; count++) {
      manuals[1].complete();
      await settled();
    }
    expect(log).toEqual(['1', '3', '4']);
  });

  it('can be switched off', async () => {
    const { target, manuals, log } = makeClass(2, { balance: 'round-robin', inFlightMax: 1, steal: false });
    for (const name of ['a', 'b', 'c']) start(target, log, name);
    manuals[1]?.complete();
    await settled();
    expect(starts(manuals)).toEqual([1, 0]);
    expect(target.stats()).toMatchObject({ stolen: 0, queued: 1 });
  });

  it('takes nothing beyond the limits of the taker', async () => {
    const manuals = [openManual(), openManual()] as const;
    const target = new AioServiceClass(
      [
        { device: manuals[0].device, inFlightMax: 1 },
        { device: manuals[1].device, inFlightMax: 2, bytesMax: 1000 },
      ],
      { balance: 'round-robin', sameData: true },
    );
    const log: string[] = [];
    start(target, log, 'a');
    start(target, log, 'b');
    start(target, log, 'c', { lengthBytes: 600 });
    expect(loads(target)).toEqual([2, 1]);
    manuals[1].complete();
    await settled();
    // One that is larger by itself goes alone.
    expect(loads(target)).toEqual([1, 1]);
  });

  it('leaves deadlines and signals with the operation', async () => {
    const timers = new VirtualTimers();
    const { target, manuals, log } = makeClass(2, { balance: 'round-robin', inFlightMax: 1, timers });
    const abort = new AbortController();
    start(target, log, 'a');
    start(target, log, 'b');
    start(target, log, 'late', { deadlineMs: 50 });
    start(target, log, 'aborted', { signal: abort.signal });
    start(target, log, 'stays');
    manuals[1]?.complete();
    manuals[1]?.complete();
    await settled();
    expect(target.stats().stolen).toBe(1);
    abort.abort();
    await timers.advance(60);
    for (let count = 0; count < 4; count++) {
      for (const manual of manuals) manual.completeAll();
      await settled();
    }
    // What the driver has it completes as it will.
    expect(log.sort()).toEqual(['a', 'aborted', 'b', 'late', 'stays']);
    expect(timers.pending).toBe(0);
  });

  it('cancels by a deadline where the operation is by then', async () => {
    const timers = new VirtualTimers();
    const manuals = [openManual({ timers }), openManual({ timers, abortable: true })] as const;
    const pools = manuals.map(({ device }) => ({ device, inFlightMax: 1 }));
    const target = new AioServiceClass(pools, { balance: 'round-robin', timers, sameData: true });
    const log: string[] = [];
    start(target, log, 'a');
    start(target, log, 'b');
    start(target, log, 'late', { deadlineMs: 50 });
    manuals[1].complete();
    await settled();
    expect(starts(manuals)).toEqual([1, 1]);
    await timers.advance(60);
    expect(log).toEqual(['b', `late:${ETIMEDOUT}`]);
    expect(starts(manuals)).toEqual([1, 0]);
  });

  it('lets no signal of an earlier use end an operation that was stolen then', async () => {
    const { target, manuals, log } = makeClass(2, { balance: 'round-robin', inFlightMax: 1 });
    const abort = new AbortController();
    start(target, log, 'a');
    start(target, log, 'b');
    const op = fill(target.allocate(), { signal: abort.signal, callback: () => true });
    target.submit(op);
    manuals[1]?.complete();
    await settled();
    expect(target.stats().stolen).toBe(1);
    manuals[1]?.complete();
    await settled();
    start(target, log, 'c');
    op.signal = null;
    let ended = -1;
    op.callback = ({ error }) => {
      ended = error;
      return true;
    };
    target.submit(op);
    expect(target.stats().queued).toBe(1);
    abort.abort();
    await settled();
    expect(target.stats().queued).toBe(1);
    for (let count = 0; count < 2; count++) {
      for (const manual of manuals) manual.completeAll();
      await settled();
    }
    expect(ended).toBe(0);
  });

  it('begins when a completion is reaped that took the room for it', async () => {
    const manuals = [openManual(), openManual()] as const;
    const pools = [
      { device: manuals[0].device, inFlightMax: 1 },
      { device: manuals[1].device, depth: 1 },
    ];
    const target = new AioServiceClass(pools, { balance: 'round-robin', sameData: true });
    const log: string[] = [];
    start(target, log, 'a');
    target.submit(fill(target.allocate(), { callback: queueCompletion }));
    start(target, log, 'b');
    manuals[1].complete();
    await settled();
    expect(starts(manuals)).toEqual([1, 0]);
    const op = target.reap() as AioOp;
    expect(starts(manuals)).toEqual([1, 1]);
    target.release(op);
  });

  it('begins when a completion is released that took the room for it', async () => {
    const manuals = [openManual(), openManual()] as const;
    const pools = [
      { device: manuals[0].device, inFlightMax: 1 },
      { device: manuals[1].device, depth: 1 },
    ];
    const target = new AioServiceClass(pools, { balance: 'round-robin', sameData: true });
    const log: string[] = [];
    start(target, log, 'a');
    const op = fill(target.allocate(), { callback: queueCompletion });
    target.submit(op);
    start(target, log, 'b');
    manuals[1].complete();
    await settled();
    target.release(op);
    expect(starts(manuals)).toEqual([1, 1]);
  });

  it('lets a pool that is closed alone end when its queue has been taken away', async () => {
    const { target, manuals, log } = makeClass(2, { balance: 'round-robin', inFlightMax: 1 });
    for (const name of ['a', 'b', 'c']) start(target, log, name);
    const closing = target.pools[0]?.close();
    manuals[0]?.complete();
    await settled();
    for (const manual of manuals) manual.completeAll();
    await closing;
    expect(log.sort()).toEqual(['a', 'b', 'c']);
  });
});

describe('the order in a class', () => {
  it('keeps what has one ordering key in one pool, whatever the load', async () => {
    const { target, manuals, log } = makeClass(3);
    const key = new OrderingKey({ appendOffset: 0 });
    for (let count = 0; count < 3; count++) {
      start(target, log, `write ${count}`, { operation: BLOCK_WRITE, orderingKey: key });
      start(target, log, `read ${count}`);
    }
    const home = target.pools.findIndex((pool) => pool.inFlight >= 3);
    expect(home).toBeGreaterThanOrEqual(0);
    for (let count = 0; count < 4; count++) {
      for (const manual of manuals) manual.completeAll();
      await settled();
    }
    // Also when nothing with it is under way.
    start(target, log, 'read 3');
    start(target, log, 'write 3', { operation: BLOCK_WRITE, orderingKey: key });
    const writes = manuals[home]?.started.filter(({ operation }) => operation === BLOCK_WRITE);
    expect(writes?.map(({ offset }) => offset)).toEqual([3 * 512]);
    expect(log.filter((name) => name.startsWith('write'))).toEqual(['write 0', 'write 1', 'write 2']);
  });

  it('never steals what has an ordering key', async () => {
    const { target, manuals, log } = makeClass(2, { balance: 'round-robin', inFlightMax: 1 });
    const key = new OrderingKey();
    start(target, log, 'a');
    start(target, log, 'b');
    // The key's home is the first pool.
    start(target, log, 'ordered', { orderingKey: key });
    manuals[1]?.complete();
    await settled();
    expect(starts(manuals)).toEqual([1, 0]);
    manuals[0]?.complete();
    await settled();
    expect(starts(manuals)).toEqual([1, 0]);
    manuals[0]?.complete();
    await settled();
    expect(log).toEqual(['b', 'a', 'ordered']);
    expect(target.stats().stolen).toBe(0);
  });

  it('answers EAGAIN where the pool of the key is full, though others are not', () => {
    const { target, log } = makeClass(2, { depth: 1 });
    const key = new OrderingKey();
    start(target, log, 'first', { orderingKey: key });
    const op = fill(target.allocate(), { orderingKey: key, callback: () => {} });
    expect(target.submit(op)).toBe(EAGAIN);
    expect(loads(target)).toEqual([1, 0]);
    target.release(op);
  });

  it('finds a key another pool when its own is closed and nothing with it is under way', async () => {
    const { target, manuals, log } = makeClass(2);
    const key = new OrderingKey();
    start(target, log, 'first', { orderingKey: key });
    manuals[0]?.complete();
    await settled();
    await target.pools[0]?.close();
    start(target, log, 'second', { orderingKey: key });
    expect(loads(target)).toEqual([0, 1]);
  });

  it('refuses a key with operations under way elsewhere', () => {
    const one = makeClass(2);
    const other = makeClass(2);
    const key = new OrderingKey();
    start(one.target, one.log, 'first', { orderingKey: key });
    const op = fill(other.target.allocate(), { orderingKey: key, callback: () => {} });
    expect(() => other.target.submit(op)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    other.target.release(op);
  });

  it('lets a flush cover what was submitted before it to all pools', async () => {
    const { target, manuals, log } = makeClass(3);
    for (const name of ['a', 'b', 'c']) start(target, log, name, { operation: BLOCK_WRITE });
    const flush = target.allocate();
    flush.callback = ({ error }) => void log.push(`flush:${error}`);
    expect(target.sync(flush)).toBe(0);
    // What comes later it does not wait for.
    start(target, log, 'later', { operation: BLOCK_WRITE });
    manuals[0]?.complete();
    manuals[1]?.complete(undefined, 5, 0);
    await settled();
    expect(manuals.flatMap(({ started }) => started)).not.toContain(flush);
    manuals[2]?.complete(manuals[2].started.find(({ operation }) => operation === BLOCK_WRITE));
    await settled();
    const at = manuals.find(({ started }) => started.includes(flush));
    expect(at).toBeDefined();
    at?.complete(flush);
    await settled();
    expect(log).toEqual(['a', 'b:5', 'c', 'flush:5']);
  });

  it('covers what has been stolen too', async () => {
    const { target, manuals, log } = makeClass(2, { balance: 'round-robin', inFlightMax: 1 });
    for (const name of ['a', 'b', 'c']) start(target, log, name, { operation: BLOCK_WRITE });
    const flush = target.allocate();
    flush.callback = () => void log.push('flush');
    target.sync(flush);
    for (let count = 0; count < 4; count++) {
      manuals[1]?.completeAll();
      await settled();
    }
    expect(log).toEqual(['b', 'c']);
    manuals[0]?.complete();
    await settled();
    for (const manual of manuals) manual.completeAll();
    await settled();
    expect(log).toEqual(['b', 'c', 'a', 'flush']);
  });

  it('lets a drain hold and wait for the operations of all pools', async () => {
    const { target, manuals, log } = makeClass(2);
    start(target, log, 'a');
    start(target, log, 'b');
    start(target, log, 'drain', { drain: true });
    start(target, log, 'c');
    expect(starts(manuals)).toEqual([1, 1]);
    manuals[0]?.complete();
    await settled();
    expect(manuals.map(({ started }) => started.length)).toEqual([0, 1]);
    for (let count = 0; count < 3; count++) {
      for (const manual of manuals) manual.completeAll();
      await settled();
    }
    expect(log).toEqual(['a', 'b', 'drain', 'c']);
  });

  it('lets a synchronous flush wait for what was submitted before it to all pools', () => {
    const { target, manuals, log } = makeClass(2);
    start(target, log, 'a', { operation: BLOCK_WRITE });
    start(target, log, 'b', { operation: BLOCK_WRITE });
    const flush = target.allocate();
    flush.callback = null;
    expect(target.sync(flush)).toBe(0);
    expect(flush.error).toBe(0);
    expect(log.sort()).toEqual(['a', 'b']);
    expect(manuals.flatMap(({ ran }) => ran)).toEqual([flush]);
    target.release(flush);
  });

  it('lets a synchronous operation with an ordering key wait for its turn', () => {
    const { target, log } = makeClass(2);
    const key = new OrderingKey({ appendOffset: 0 });
    start(target, log, 'first', { operation: BLOCK_WRITE, orderingKey: key });
    const op = fill(target.allocate(), { operation: BLOCK_WRITE, orderingKey: key, callback: null });
    expect(target.submit(op)).toBe(0);
    expect(log).toEqual(['first']);
    expect({ error: op.error, offset: op.offset }).toEqual({ error: 0, offset: 512 });
    target.release(op);
  });

  it('can have the file in common with pools outside', async () => {
    const file = new AioFile();
    const { target, manuals, log } = makeClass(2, { file });
    expect(target.file).toBe(file);
    start(target, log, 'a');
    expect(file.cancelAll()).toEqual({ cancelled: 0, inProgress: 1 });
    manuals[0]?.complete();
    await settled();
  });
});

describe('a class is used as a pool', () => {
  it('reads, writes, flushes, discards, zeroes and asks for extents', async () => {
    const device = openMem(65536);
    const target = new AioServiceClass([{ device }, { device }]);
    const buffer = IoBuffer.allocate(1024);
    buffer.bytes.fill(3);
    const done = (op: AioOp, refused: number) => {
      if (refused !== 0) throw new Error(`refused ${refused}`);
      return new Promise<[number, number]>((resolve) => {
        op.callback = () => resolve([op.error, op.transferredBytes]);
      });
    };
    const submit = async (how: (op: AioOp) => number) => {
      const op = target.allocate();
      op.callback = () => {};
      return done(op, how(op));
    };
    expect(await submit((op) => target.write(op, buffer, 512))).toEqual([0, 1024]);
    expect(await submit((op) => target.sync(op))).toEqual([0, 0]);
    expect(await submit((op) => target.zeroes(op, 512, 512))).toEqual([0, 512]);
    expect(await submit((op) => target.read(op, buffer, 512))).toEqual([0, 1024]);
    expect([buffer.bytes[511], buffer.bytes[512]]).toEqual([0, 3]);
    expect(await submit((op) => target.discard(op, 0, 4096))).toEqual([0, 4096]);
    const list = await promises.extents(target, 0, 65536);
    expect(list.count).toBeGreaterThan(0);
    await target.close();
    await device.close();
  });

  it('finds and cancels by id, wherever the operation is', async () => {
    const { target, manuals, log } = makeClass(2, { inFlightMax: 1 });
    const ops = ['a', 'b', 'c', 'd'].map((name) => start(target, log, name));
    const ids = ops.map(({ id }) => id);
    expect(new Set(ids).size).toBe(4);
    expect(target.find(ids[3] as number)).toBe(ops[3]);
    expect(target.cancel(ids[3] as number)).toBe('cancelled');
    expect(target.cancel(ids[2] as number)).toBe('cancelled');
    expect(target.cancel(ops[0] as AioOp)).toBe('in-progress');
    await settled();
    expect(log.sort()).toEqual([`c:${ECANCELED}`, `d:${ECANCELED}`]);
    expect(target.cancel(ids[3] as number)).toBe('done');
    expect(() => target.cancel(2 ** 20 - 1)).toThrow(expect.objectContaining({ code: 'ESRCH' }));
    for (const manual of manuals) manual.completeAll();
    await settled();
    expect(target.stats().cancels).toEqual({ cancelled: 2, 'in-progress': 1, done: 1 });
  });

  it('cancels all, or all of a kind', async () => {
    const { target, manuals, log } = makeClass(2, { inFlightMax: 1 });
    for (const name of ['a', 'b', 'c', 'd']) start(target, log, name);
    start(target, log, 'w', { operation: BLOCK_WRITE });
    expect(target.cancelAll({ operation: BLOCK_WRITE })).toEqual({ cancelled: 1, inProgress: 0 });
    expect(target.cancelAll()).toEqual({ cancelled: 2, inProgress: 2 });
    for (const manual of manuals) manual.completeAll();
    await settled();
    expect(log.sort()).toEqual(['a', 'b', `c:${ECANCELED}`, `d:${ECANCELED}`, `w:${ECANCELED}`]);
  });

  it.each(['cancelAll', 'close'] as const)(
    'starts nothing that a drain held, in any pool, when all is cancelled by %s',
    async (how) => {
      const { target, manuals, log } = makeClass(2);
      start(target, log, 'a');
      for (const name of ['drain', 'b', 'c']) start(target, log, name, { drain: name === 'drain' });
      const closing = how === 'close' ? target.close({ cancel: true }) : null;
      if (how === 'cancelAll') expect(target.cancelAll()).toEqual({ cancelled: 3, inProgress: 1 });
      await settled();
      expect(log.sort()).toEqual([`b:${ECANCELED}`, `c:${ECANCELED}`, `drain:${ECANCELED}`]);
      expect(starts(manuals)).toEqual([1, 0]);
      manuals[0]?.complete();
      await closing;
    },
  );

  it('cancels and waits', () => {
    const { target, log } = makeClass(2, { inFlightMax: 1 });
    const ops = ['a', 'b', 'c'].map((name) => start(target, log, name));
    expect(target.cancelSync(ops[2] as AioOp)).toBe('cancelled');
    expect(target.cancelSync((ops[0] as AioOp).id)).toBe('done');
  });

  it('refuses an operation of another pool, and one that is in flight', () => {
    const { target, log } = makeClass(2);
    const other = makeClass(1);
    const op = start(target, log, 'a');
    expect(() => target.submit(op)).toThrow(expect.objectContaining({ code: 'EALREADY' }));
    expect(() => target.release(op)).toThrow(expect.objectContaining({ code: 'EBUSY' }));
    expect(() => target.submit(fill(other.target.allocate()))).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });

  it('reaps the completions of all pools, and lets what was reaped go to any', async () => {
    const { target, manuals } = makeClass(2);
    const ops = [0, 1, 2, 3].map(() => fill(target.allocate(), { callback: queueCompletion }));
    for (const op of ops) target.submit(op);
    for (const manual of manuals) manual.completeAll();
    await settled();
    expect(target.unreapedCount).toBe(4);
    const reaped = new Set([target.reap(), target.reap(), target.waitComplete()]);
    expect(reaped.size).toBe(3);
    const left = ops.find((op) => !reaped.has(op)) as AioOp;
    // Submitting it again reaps it.
    expect(target.submit(left)).toBe(0);
    expect(target.unreapedCount).toBe(0);
    expect(target.waitComplete()).toBe(left);
    expect(target.reap()).toBe(null);
    for (const op of ops) target.release(op);
  });

  it('iterates over the completions of all pools', async () => {
    const { target, manuals } = makeClass(2);
    for (let count = 0; count < 4; count++) target.submit(fill(target.allocate(), { callback: queueCompletion }));
    const seen: AioOp[] = [];
    const loop = (async () => {
      for await (const op of target.completions()) {
        seen.push(op);
        target.release(op);
      }
    })();
    for (const manual of manuals) manual.completeAll();
    await target.close();
    await loop;
    expect(new Set(seen).size).toBe(4);
  });

  it('polls and waits for all pools', () => {
    const { target, manuals, log } = makeClass(2);
    start(target, log, 'a');
    start(target, log, 'b');
    expect(target.wait(1000)).toBeGreaterThan(0);
    while (target.inFlight > 0) target.wait(1000);
    expect(log.sort()).toEqual(['a', 'b']);
    expect(target.wait(1000)).toBe(0);
    expect(starts(manuals)).toEqual([0, 0]);
  });

  it('says EDEADLK if only the event loop can complete what is under way', async () => {
    const path = folder.numbered('fs', 4);
    const device = openFile(path, { engine: 'fs' });
    const target = new AioServiceClass([0, 1].map(() => ({ device, service: 'inline' as const })));
    const reads = [0, 1].map(() => promises.read(target, IoBuffer.allocate(512), 0));
    expect(() => target.wait(1000)).toThrow(expect.objectContaining({ code: 'EDEADLK' }));
    await Promise.all(reads);
    await target.close();
    await device.close();
  });

  it('calls back when any pool has room', async () => {
    const { target, manuals, log } = makeClass(2, { depth: 1 });
    start(target, log, 'a');
    start(target, log, 'b');
    target.whenAvailable((error) => void log.push(`room:${error}`));
    await settled();
    expect(log).toEqual([]);
    manuals[1]?.complete();
    await settled();
    expect(log).toEqual(['b', 'room:0']);
    target.whenAvailable((error) => void log.push(`again:${error}`));
    await settled();
    expect(log).toEqual(['b', 'room:0', 'again:0']);
  });

  it('waits for room with promises', async () => {
    const { target, manuals } = makeClass(2, { depth: 1 });
    const buffer = IoBuffer.allocate(512);
    const reads = [1, 2, 3, 4].map(() => promises.read(target, buffer, 0, { wait: true }));
    for (let count = 0; count < 6; count++) {
      for (const manual of manuals) manual.completeAll();
      await settled();
    }
    expect(await Promise.all(reads)).toEqual([512, 512, 512, 512]);
  });

  it('tells statistics all together and for each pool', async () => {
    const { target, manuals, log } = makeClass(2);
    for (let count = 0; count < 3; count++) start(target, log, `${count}`);
    start(target, log, 'w', { operation: BLOCK_WRITE, lengthBytes: 1024 });
    manuals[0]?.complete();
    manuals[1]?.complete(undefined, 5, 0);
    manuals[1]?.complete();
    await settled();
    const { pools, operations, ...sums } = target.stats();
    expect(sums).toMatchObject({ submitted: 4, completed: 3, errors: 1, bytes: 512 + 1024, inFlight: 1, refused: 0 });
    expect(pools.map(({ completed }) => completed)).toEqual([1, 2]);
    expect(operations['read']).toMatchObject({ completed: 2, errors: 1, bytes: 512 });
    expect(operations['read']?.latency.count).toBe(2);
    expect(operations['write']).toMatchObject({ completed: 1, errors: 0, bytes: 1024 });
    expect(sums.queueWait.count).toBe(0);
  });

  it('dumps what is under way, and with which pool', () => {
    const { target, log } = makeClass(2, { inFlightMax: 1 });
    const ops = ['a', 'b', 'c'].map((name) => start(target, log, name));
    const dump = target.dump();
    expect(dump.map(({ id }) => id).sort()).toEqual(ops.map(({ id }) => id).sort());
    expect(dump.map(({ phase }) => phase).sort()).toEqual(['queued', 'started', 'started']);
    expect(dump.filter(({ phase }) => phase === 'started').map(({ pool }) => pool)).toEqual([0, 1]);
  });

  it('closes all pools: nothing more comes in, and what is there ends', async () => {
    const { target, manuals, log } = makeClass(2, { inFlightMax: 1 });
    for (const name of ['a', 'b', 'c']) start(target, log, name);
    let told = -1;
    target.whenAvailable((error) => {
      told = error;
    });
    await settled();
    expect(told).toBe(0);
    const closing = target.close({ cancel: true });
    expect(target.closed).toBe(true);
    const op = fill(target.allocate(), { callback: () => {} });
    expect(target.submit(op)).toBe(EBADF);
    target.whenAvailable((error) => {
      told = error;
    });
    for (const manual of manuals) manual.completeAll();
    await closing;
    await settled();
    expect(told).toBe(EBADF);
    expect(log.sort()).toEqual(['a', 'b', `c:${ECANCELED}`]);
    await target.close();
  });

  it('tells what has not ended by the deadline, in all pools', async () => {
    const timers = new VirtualTimers();
    const { target, manuals, log } = makeClass(2, { timers });
    const ops = ['a', 'b'].map((name) => start(target, log, name));
    const closing = target.close({ deadlineMs: 100 });
    const caught = closing.catch((error: unknown) => error);
    await timers.advance(150);
    const error = (await caught) as PoolCloseError;
    expect(error).toBeInstanceOf(PoolCloseError);
    expect(error.operations.map(({ id }) => id).sort()).toEqual(ops.map(({ id }) => id).sort());
    for (const manual of manuals) manual.completeAll();
    await target.close();
    expect(timers.pending).toBe(0);
  });

  it('checks times at once', async () => {
    const { target } = makeClass(1);
    await expect(target.close({ deadlineMs: -1 })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(target.closed).toBe(false);
    expect(() => target.waitComplete(Number.NaN)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    await target.close();
  });
});

it('a class’s operations are those of a read until told otherwise', () => {
  const { target } = makeClass(1);
  expect(target.allocate().operation).toBe(BLOCK_READ);
});

it('a pool with room takes what has become the next operation of another one’s queue by a new discipline', () => {
  const { target, manuals, log } = makeClass(2, { inFlightMax: 1, balance: 'round-robin' });
  const orderingKey = new OrderingKey();
  for (const name of ['a', 'b']) start(target, log, name);
  start(target, log, 'key', { operation: BLOCK_WRITE, offset: 4096, orderingKey });
  start(target, log, 'd');
  const last = start(target, log, 'last', { offset: 0 });
  manuals[1]?.complete();
  manuals[1]?.complete();
  // What has a key stays, and this one is behind it.
  expect([starts(manuals), log]).toEqual([
    [1, 0],
    ['b', 'd'],
  ]);
  (target.pools[0] as AioServicePool).discipline = 'disksort';
  expect([starts(manuals), last.owner]).toEqual([[1, 1], target.pools[1]]);
});

it.each(['submit', 'submitAll'] as const)(
  'a pool takes what waits elsewhere when its completion is reaped by %s to another pool',
  (call) => {
    // The second pool is full by what nobody has reaped.
    const manuals = [openManual(), openManual()];
    const pools = manuals.map(({ device }, index) => ({ device, depth: index === 0 ? 8 : 1, inFlightMax: 1 }));
    const target = new AioServiceClass(pools, { sameData: true, balance: 'round-robin' });
    const log: string[] = [];
    start(target, log, 'a');
    const op = start(target, log, 'b');
    op.callback = queueCompletion;
    for (const name of ['c', 'd']) start(target, log, name);
    manuals[1]?.complete();
    expect([starts(manuals), loads(target), target.unreapedCount]).toEqual([[1, 0], [3, 0], 1]);
    // Its key belongs to the first pool.
    op.orderingKey = Object.assign(new OrderingKey(), { home: target.pools[0] });
    op.callback = () => {};
    expect(call === 'submit' ? target.submit(op) : target.submitAll([op])).toBe(call === 'submit' ? 0 : 1);
    expect([starts(manuals), loads(target)]).toEqual([
      [1, 1],
      [3, 1],
    ]);
  },
);
