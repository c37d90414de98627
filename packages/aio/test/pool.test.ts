import { AioServicePool, EAGAIN, EBADF } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockDevice, openFile, openMem, openNull } from '@biodone/blockdev';
import { IoBuffer, probe } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BLOCK_BYTES, type Folder, makeFolder } from './support/files.js';
import { runChild } from './support/run-child.js';

const BLOCKS = 64;
const { available, reason } = probe();
if (!available) console.warn(`the tests on io_uring are skipped: ${reason}`);

let folder: Folder;
let path: string;

beforeAll(() => {
  folder = makeFolder();
  path = folder.numbered('numbered', BLOCKS);
});

afterAll(() => folder.remove());

const DEVICES: [string, () => BlockDevice][] = [
  ['mem', () => openMem(BLOCKS * BLOCK_BYTES)],
  ['file through fs', () => openFile(path, { engine: 'fs' })],
  ...(available ? [['file through io_uring', () => openFile(path, { engine: 'uring' })] as [string, () => BlockDevice]] : []),
];

describe.each(DEVICES)('a pool on %s', (_name, open) => {
  it('reads back what it wrote, by callbacks, many at once', async () => {
    const device = open();
    const pool = new AioServicePool(device, { service: 'inline' });
    await runAll(pool, BLOCK_WRITE, (block, buffer) => buffer.bytes.fill(block + 1));
    const seen: number[] = [];
    await runAll(
      pool,
      BLOCK_READ,
      () => {},
      (block, buffer) => {
        seen.push(block);
        expect(new Set(buffer.bytes)).toEqual(new Set([block + 1]));
      },
    );
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: BLOCKS }, (_, block) => block));
    await pool.close();
    await device.close();
  });

  it('never calls back before submit has returned', async () => {
    const device = open();
    const pool = new AioServicePool(device, { service: 'inline' });
    let submitting = true;
    await new Promise<void>((resolve) => {
      const op = pool.allocate();
      Object.assign(op, { operation: BLOCK_READ, buffer: IoBuffer.allocate(512), lengthBytes: 512, offset: 0 });
      op.callback = () => {
        expect(submitting).toBe(false);
        resolve();
      };
      expect(pool.submit(op)).toBe(0);
      submitting = false;
    });
    await pool.close();
    await device.close();
  });

  it('has the same results and errors with callback null, in the calling thread', async () => {
    const device = open();
    const pool = new AioServicePool(device, { service: 'inline' });
    const size = device.limits.sizeBytes as number;
    const cases = [
      { operation: BLOCK_READ, offset: 0, lengthBytes: 4096 },
      { operation: BLOCK_READ, offset: size - 1, lengthBytes: 1 },
      { operation: BLOCK_READ, offset: size, lengthBytes: 0 },
      { operation: BLOCK_READ, offset: size, lengthBytes: 1 },
      { operation: BLOCK_READ, offset: -1, lengthBytes: 1 },
      { operation: BLOCK_READ, offset: 2 ** 53, lengthBytes: 1 },
      { operation: BLOCK_READ, offset: 0, lengthBytes: 8193 },
      { operation: BLOCK_WRITE, offset: 4096, lengthBytes: 100 },
      { operation: BLOCK_FLUSH, offset: 0, lengthBytes: 0 },
    ];
    for (const fields of cases) {
      const asynchronous = await new Promise((resolve) => {
        const op = Object.assign(pool.allocate(), fields, { buffer: IoBuffer.allocate(8192) });
        op.callback = () => resolve({ error: op.error, transferredBytes: op.transferredBytes });
        pool.submit(op);
      });
      const op = Object.assign(pool.allocate(), fields, { buffer: IoBuffer.allocate(8192), callback: null });
      pool.submit(op);
      expect({ fields, error: op.error, transferredBytes: op.transferredBytes }).toEqual({ fields, ...(asynchronous as object) });
      pool.release(op);
    }
    await pool.close();
    await device.close();
  });
});

describe('the life of an operation', () => {
  it('gets a new id each time the pool takes it back', async () => {
    const pool = new AioServicePool(openNull());
    const op = pool.allocate();
    const first = op.id;
    await new Promise<void>((resolve) => {
      Object.assign(op, { buffer: IoBuffer.allocate(512), lengthBytes: 512, callback: () => resolve() });
      pool.submit(op);
    });
    const again = pool.allocate();
    expect(again).toBe(op);
    expect(again.id).not.toBe(first);
  });

  it('stays with a callback that returns true', async () => {
    const pool = new AioServicePool(openNull());
    const op = pool.allocate();
    const { id } = op;
    await new Promise<void>((resolve) => {
      Object.assign(op, { buffer: IoBuffer.allocate(512), lengthBytes: 512 });
      op.callback = () => {
        resolve();
        return true;
      };
      pool.submit(op);
    });
    expect(op.id).toBe(id);
    expect(pool.allocate()).not.toBe(op);
    pool.release(op);
    expect(pool.allocate()).toBe(op);
  });

  it('can be submitted again from its callback, whatever that returns', async () => {
    const pool = new AioServicePool(openNull());
    let rounds = 0;
    await new Promise<void>((resolve) => {
      const op = Object.assign(pool.allocate(), { buffer: IoBuffer.allocate(512), lengthBytes: 512 });
      op.callback = () => {
        rounds += 1;
        if (rounds === 5000) resolve();
        else pool.submit(op);
      };
      pool.submit(op);
    });
    expect(rounds).toBe(5000);
    expect(pool.inFlight).toBe(0);
  });

  it('is refused while it is in flight, and cannot be released', async () => {
    const pool = new AioServicePool(openNull());
    const op = Object.assign(pool.allocate(), { buffer: IoBuffer.allocate(512), lengthBytes: 512 });
    const done = new Promise<void>((resolve) => {
      op.callback = () => resolve();
    });
    pool.submit(op);
    expect(() => pool.submit(op)).toThrow(expect.objectContaining({ code: 'EALREADY' }));
    expect(() => pool.release(op)).toThrow(expect.objectContaining({ code: 'EBUSY' }));
    await done;
    expect(pool.inFlight).toBe(0);
  });
});

describe('limits', () => {
  it('refuses beyond the depth with EAGAIN, and that operation stays untouched', async () => {
    const pool = new AioServicePool(openNull(), { depth: 2 });
    let called = 0;
    const submit = (): number => {
      const op = Object.assign(pool.allocate(), { buffer: IoBuffer.allocate(512), lengthBytes: 512 });
      op.callback = () => {
        called += 1;
      };
      return pool.submit(op);
    };
    expect([submit(), submit(), submit()]).toEqual([0, 0, EAGAIN]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(called).toBe(2);
    expect(submit()).toBe(0);
  });

  it('does not limit synchronous operations', () => {
    const pool = new AioServicePool(openNull(), { depth: 1 });
    const asynchronous = Object.assign(pool.allocate(), { buffer: IoBuffer.allocate(512), lengthBytes: 512, callback: () => {} });
    pool.submit(asynchronous);
    const synchronous = Object.assign(pool.allocate(), { buffer: IoBuffer.allocate(512), lengthBytes: 512 });
    expect(pool.submit(synchronous)).toBe(0);
    expect(synchronous.transferredBytes).toBe(512);
  });

  it.each([0, -1, 1.5, 65537, Number.NaN])('refuses a depth of %s', (depth) => {
    expect(() => new AioServicePool(openNull(), { depth })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });
});

describe('closing', () => {
  it('waits for what is in flight, then refuses with EBADF', async () => {
    const pool = new AioServicePool(openMem(65536));
    let done = false;
    const op = Object.assign(pool.allocate(), { buffer: IoBuffer.allocate(512), lengthBytes: 512 });
    op.callback = () => {
      done = true;
    };
    pool.submit(op);
    const closed = pool.close();
    const late = Object.assign(pool.allocate(), { buffer: IoBuffer.allocate(512), lengthBytes: 512, callback: () => {} });
    expect(pool.submit(late)).toBe(EBADF);
    await closed;
    expect(done).toBe(true);
  });
});

describe('a thread that does not return to its event loop', () => {
  it.skipIf(!available)('sees completions by wait and poll', () => {
    const device = openFile(path, { engine: 'uring', readOnly: true });
    const pool = new AioServicePool(device);
    let done = 0;
    for (let block = 0; block < 8; block++) {
      const op = Object.assign(pool.allocate(), {
        operation: BLOCK_READ,
        buffer: IoBuffer.allocate(512),
        lengthBytes: 512,
        offset: block,
      });
      op.callback = () => {
        done += 1;
      };
      pool.submit(op);
    }
    while (done < 8) pool.wait(Number.POSITIVE_INFINITY);
    expect(pool.wait(0)).toBe(0);
  });

  it('is told where only the event loop can complete', async () => {
    const device = openFile(path, { engine: 'fs' });
    const pool = new AioServicePool(device, { service: 'inline' });
    const op = Object.assign(pool.allocate(), {
      operation: BLOCK_READ,
      buffer: IoBuffer.allocate(512),
      lengthBytes: 512,
      callback: () => {},
    });
    pool.submit(op);
    expect(() => pool.wait(10)).toThrow(expect.objectContaining({ code: 'EDEADLK' }));
    await pool.close();
    await device.close();
  });
});

describe('a callback that throws', () => {
  it('surfaces as an uncaught exception, and the operations behind it complete', async () => {
    const child = await runChild('throwing-callback.mjs');
    expect(child).toMatchObject({ status: 0, stdout: 'uncaught from callback 1\ncompleted 4 in flight 0\n' });
  });
});

describe('memory', () => {
  const young = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64'];
  const kinds = [['null'], ...(available ? [['file']] : [])] as [string][];
  // Two million operations take seconds, and on a busy machine many of them.
  it.each(kinds)('makes no object per operation: %s, a million with callbacks', { timeout: 120_000 }, async (kind) => {
    const child = await runChild('allocation.mjs', [kind, path], young);
    expect(child.stderr).toBe('');
    const { allocatedBytes, retainedBytes, collections } = JSON.parse(child.stdout) as Record<string, number>;
    expect(collections).toBe(0);
    expect(retainedBytes).toBeLessThan(1);
    // The smallest object takes 16 bytes. What is left is a turn of the event loop for every 1024 completions, and what a compiler that is late
    // on a busy machine has not seen yet.
    expect(allocatedBytes).toBeLessThan(12);
  });
});

/** Runs an operation on every block at once, and waits for all. */
async function runAll(
  pool: AioServicePool,
  operation: typeof BLOCK_READ | typeof BLOCK_WRITE,
  before: (block: number, buffer: IoBuffer) => void,
  after: (block: number, buffer: IoBuffer) => void = () => {},
): Promise<void> {
  await Promise.all(
    Array.from(
      { length: BLOCKS },
      (_, block) =>
        new Promise<void>((resolve, reject) => {
          const buffer = IoBuffer.allocate(BLOCK_BYTES);
          before(block, buffer);
          const op = Object.assign(pool.allocate(), { operation, buffer, lengthBytes: BLOCK_BYTES, offset: block * BLOCK_BYTES });
          op.callback = () => {
            if (op.error !== 0 || op.transferredBytes !== BLOCK_BYTES)
              reject(new Error(`error ${op.error}, ${op.transferredBytes} bytes`));
            after(block, buffer);
            resolve();
          };
          pool.submit(op);
        }),
    ),
  );
}
