import { readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockDevice, openFile, openMem, openNull } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { engines } from './support/available.js';
import { seededRandom } from './support/random.js';
import { bufferOf, makeIo, type Order, type Outcome, runSync, start, write } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { EBADF, EFBIG, EINVAL, ENOTSUP, EROFS } = constants.errno;
const SIZE = 8192;
const folder = temporaryFolder();
const content = Buffer.from(Array.from({ length: SIZE }, (_, index) => (index * 31) % 253));

let files = 0;
function makeFile(): string {
  files += 1;
  const path = join(folder, `file-${files}`);
  writeFileSync(path, content);
  return path;
}

async function filled(device: BlockDevice): Promise<BlockDevice> {
  expect(await write(device, content, 0)).toEqual({ error: 0, transferredBytes: SIZE });
  return device;
}

const done = (transferredBytes: number): Outcome => ({ error: 0, transferredBytes });
const failed = (error: number): Outcome => ({ error, transferredBytes: 0 });

/** A request, and what it comes to on every device of `SIZE` bytes. */
const table: [string, Order, Outcome][] = [
  ['the first bytes', { lengthBytes: 10 }, done(10)],
  ['a part into the middle of the buffer', { bufferOffset: 100, offset: 5000, lengthBytes: 50 }, done(50)],
  ['the last block', { offset: SIZE - 512, lengthBytes: 512 }, done(512)],
  ['the last byte', { offset: SIZE - 1, lengthBytes: 1 }, done(1)],
  ['nothing', { lengthBytes: 0 }, done(0)],
  ['nothing at the end', { offset: SIZE, lengthBytes: 0 }, done(0)],
  ['nothing at the end of the buffer', { bufferOffset: 4096, lengthBytes: 0 }, done(0)],
  ['one byte past the end', { offset: SIZE - 511, lengthBytes: 512 }, failed(EINVAL)],
  ['behind the end', { offset: SIZE, lengthBytes: 1 }, failed(EINVAL)],
  ['nothing behind the end', { offset: SIZE + 1, lengthBytes: 0 }, failed(EINVAL)],
  ['far behind the end', { offset: 2 ** 52, lengthBytes: 512 }, failed(EINVAL)],
  ['2^53', { offset: 2 ** 53, lengthBytes: 1 }, failed(EINVAL)],
  ['a length of 2^53', { lengthBytes: 2 ** 53 }, failed(EINVAL)],
  ['the largest safe offset and length', { offset: 2 ** 53 - 1, lengthBytes: 2 ** 53 - 1 }, failed(EINVAL)],
  ['a negative offset', { offset: -1, lengthBytes: 1 }, failed(EINVAL)],
  ['a negative length', { lengthBytes: -1 }, failed(EINVAL)],
  ['a negative buffer offset', { bufferOffset: -1, lengthBytes: 1 }, failed(EINVAL)],
  ['NaN as offset', { offset: Number.NaN, lengthBytes: 1 }, failed(EINVAL)],
  ['NaN as length', { lengthBytes: Number.NaN }, failed(EINVAL)],
  ['NaN as buffer offset', { bufferOffset: Number.NaN, lengthBytes: 1 }, failed(EINVAL)],
  ['infinity', { offset: Number.POSITIVE_INFINITY, lengthBytes: 1 }, failed(EINVAL)],
  ['1.5 as offset', { offset: 1.5, lengthBytes: 1 }, failed(EINVAL)],
  ['1.5 as length', { lengthBytes: 1.5 }, failed(EINVAL)],
  ['a string as offset', { offset: '1' as unknown as number, lengthBytes: 1 }, failed(EINVAL)],
  ['a BigInt as offset', { offset: 1n as unknown as number, lengthBytes: 1 }, failed(EINVAL)],
  ['a buffer that is too small', { lengthBytes: 4097 }, failed(EINVAL)],
  ['a buffer offset that leaves too little', { bufferOffset: 4000, lengthBytes: 97 }, failed(EINVAL)],
  ['a buffer offset behind the buffer', { bufferOffset: 4097, lengthBytes: 0 }, failed(EINVAL)],
  ['no buffer', { buffer: null, lengthBytes: 1 }, failed(EINVAL)],
  ['no buffer and no bytes', { buffer: null, lengthBytes: 0 }, failed(EINVAL)],
];

const devices: [string, () => Promise<BlockDevice> | BlockDevice, boolean][] = [
  ['null', () => openNull(SIZE), false],
  ['mem', () => filled(openMem(SIZE)), true],
  ...engines.map((engine): [string, () => BlockDevice, boolean] => [
    `file, engine ${engine}`,
    () => openFile(makeFile(), { engine }),
    true,
  ]),
];

/** Both modes of one request, on fresh requests. */
async function both(device: BlockDevice, order: Order): Promise<[Outcome, Outcome, Uint8Array[]]> {
  const [first, second] = [makeIo(order), makeIo(order)];
  const asynchronous = await start(device, first);
  const synchronous = runSync(device, second);
  return [asynchronous, synchronous, [first.buffer, second.buffer].map((buffer) => buffer?.bytes ?? new Uint8Array())];
}

describe.each(devices)('strategy and strategySync of %s', (_name, open, keepsData) => {
  let opened: BlockDevice | undefined;
  const device = async (): Promise<BlockDevice> => {
    opened ??= await open();
    return opened;
  };
  afterAll(() => opened?.close());

  it.each(table)('agree on reading %s', async (_what, order, expected) => {
    const [asynchronous, synchronous, bytes] = await both(await device(), { ...order, operation: BLOCK_READ });
    expect(asynchronous).toEqual(expected);
    expect(synchronous).toEqual(expected);
    if (!keepsData || expected.error !== 0) return;
    const { bufferOffset = 0, offset = 0, lengthBytes = 0 } = order;
    const image = Buffer.alloc(bytes[0]?.length ?? 0);
    content.copy(image, bufferOffset, offset, offset + lengthBytes);
    // Not a byte beside the transfer has changed.
    for (const seen of bytes) expect(Buffer.compare(seen, image)).toBe(0);
  });

  it.each(table)('agree on writing %s', async (_what, order, expected) => {
    const [asynchronous, synchronous] = await both(await device(), { ...order, operation: BLOCK_WRITE });
    expect(asynchronous).toEqual(expected);
    expect(synchronous).toEqual(expected);
  });

  it('agree on a flush, whatever else the request says', async () => {
    for (const order of [{}, { buffer: null }, { offset: -5, lengthBytes: Number.NaN }]) {
      const [asynchronous, synchronous] = await both(await device(), { ...order, operation: BLOCK_FLUSH });
      expect([asynchronous, synchronous]).toEqual([done(0), done(0)]);
    }
  });

  it('agree on operations that nobody knows', async () => {
    for (const operation of [9, 100, -1, 0.5, Number.NaN]) {
      const [asynchronous, synchronous] = await both(await device(), { operation, lengthBytes: 1 });
      expect([asynchronous, synchronous]).toEqual([failed(ENOTSUP), failed(ENOTSUP)]);
    }
  });

  it('agree on a device that is closed', async () => {
    const closed = await open();
    await closed.close();
    for (const operation of [BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH]) {
      const [asynchronous, synchronous] = await both(closed, { operation, lengthBytes: 1 });
      expect([asynchronous, synchronous]).toEqual([failed(EBADF), failed(EBADF)]);
    }
  });
});

describe.each(engines)('strategy and strategySync of files, engine %s', (engine) => {
  it('agree that a file opened read-only is not written', async () => {
    const path = makeFile();
    const device = openFile(path, { engine, readOnly: true });
    const [asynchronous, synchronous] = await both(device, { operation: BLOCK_WRITE, lengthBytes: 1 });
    expect([asynchronous, synchronous]).toEqual([failed(EROFS), failed(EROFS)]);
    const flushes = await both(device, { operation: BLOCK_FLUSH });
    expect(flushes.slice(0, 2)).toEqual([done(0), done(0)]);
    expect(device.capabilities.readOnly).toBe(true);
    await device.close();
    expect(Buffer.compare(readFileSync(path), content)).toBe(0);
  });

  it('agree on the ends of a growable file', async () => {
    const device = openFile(makeFile(), { engine, growable: true });
    for (const [order, expected] of [
      [{ offset: SIZE - 10 }, done(10)],
      [{ offset: SIZE }, done(0)],
      [{ offset: SIZE + 4096 }, done(0)],
      [{ offset: 2 ** 43 }, done(0)],
      [{ offset: 2 ** 53 }, failed(EINVAL)],
      [{ offset: 2 ** 53 - 1, lengthBytes: 1 }, failed(EINVAL)],
    ] as const) {
      const [asynchronous, synchronous] = await both(device, order);
      expect([order, asynchronous, synchronous]).toEqual([order, expected, expected]);
    }
    const [asynchronous, synchronous] = await both(device, { operation: BLOCK_WRITE, offset: 2 ** 52 });
    expect(asynchronous).toEqual(synchronous);
    expect(asynchronous).toEqual(failed(EFBIG));
    await device.close();
  });

  it('agree on the alignment that O_DIRECT asks for', async () => {
    const device = openFile(makeFile(), { engine, direct: true });
    const buffer = IoBuffer.allocate(8192);
    for (const [order, expected] of [
      [{ offset: 512, lengthBytes: 1024 }, done(1024)],
      [{ offset: 512, bufferOffset: 512, lengthBytes: 512 }, done(512)],
      [{ offset: SIZE - 512, lengthBytes: 512 }, done(512)],
      [{ offset: 1, lengthBytes: 512 }, failed(EINVAL)],
      [{ offset: 0, lengthBytes: 511 }, failed(EINVAL)],
      // The layer copies what does not lie where the kernel wants it.
      [{ offset: 0, bufferOffset: 1, lengthBytes: 512 }, done(512)],
      [{ offset: SIZE, lengthBytes: 512 }, failed(EINVAL)],
    ] as const) {
      for (const operation of [BLOCK_READ, BLOCK_WRITE]) {
        const [asynchronous, synchronous] = await both(device, { ...order, operation, buffer });
        expect([order, asynchronous, synchronous]).toEqual([order, expected, expected]);
      }
    }
    expect(device.limits).toMatchObject({ blockSizeBytes: 512, sizeBytes: SIZE, memoryAlignmentBytes: 512 });
    await device.close();
  });
});

describe.each(devices.filter(([, , keepsData]) => keepsData))('%s and an array', (name, open) => {
  it('hold the same bytes after random requests of both modes', async () => {
    const random = seededRandom(name);
    const device = await open();
    const model = Buffer.from(content);
    for (let round = 0; round < 300; round++) {
      const offset = random(SIZE + 1);
      const lengthBytes = random(Math.min(4096, SIZE - offset) + 1);
      const bufferOffset = random(4096 - lengthBytes + 1);
      const bytes = Buffer.from(Array.from({ length: 4096 }, () => random(256)));
      const operation = random(2) === 0 ? BLOCK_READ : BLOCK_WRITE;
      const io = makeIo({ operation, buffer: bufferOf(bytes), offset, lengthBytes, bufferOffset });
      const outcome = random(2) === 0 ? await start(device, io) : runSync(device, io);
      expect(outcome).toEqual(done(lengthBytes));
      if (operation === BLOCK_READ) model.copy(bytes, bufferOffset, offset, offset + lengthBytes);
      else bytes.copy(model, offset, bufferOffset, bufferOffset + lengthBytes);
      expect(Buffer.compare(io.buffer?.bytes ?? bytes, bytes)).toBe(0);
    }
    const whole = IoBuffer.allocate(SIZE);
    expect(runSync(device, makeIo({ buffer: whole }))).toEqual(done(SIZE));
    expect(Buffer.compare(whole.bytes, model)).toBe(0);
    await device.close();
  });
});
