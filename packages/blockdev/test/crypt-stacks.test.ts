import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  attachDevice,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockDevice,
  biowait,
  EXTENT_HOLE,
  ExtentList,
  formatCrypt,
  openCrypt,
  openFile,
  openMem,
  openThrottle,
} from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { describeRing, engines } from './support/available.js';
import { bufferOf, flush, makeIo, read, runSync, start, write } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const DATA = 131072;
const SECTOR = 4096;
const SIZE = 2 ** 20;
const secret = { passphrase: 'open sesame' };
const format = { ...secret, scrypt: { N: 16, r: 1, p: 1 }, dataOffsetBytes: DATA };
const folder = temporaryFolder();

let files = 0;
function makeFile(): string {
  files += 1;
  const path = join(folder, `disk-${files}`);
  writeFileSync(path, Buffer.alloc(DATA + SIZE));
  return path;
}

describe.each(engines)('an encrypted file, engine %s', (engine) => {
  it('is opened again by another opening of the file', async () => {
    const path = makeFile();
    const content = Buffer.alloc(SIZE, 'what is written here is read there ');
    const disk = openFile(path, { engine });
    await formatCrypt(disk, format);
    const device = await openCrypt(disk, secret);
    expect(await write(device, content, 0)).toEqual({ error: 0, transferredBytes: SIZE });
    expect((await flush(device)).error).toBe(0);
    await device.close();
    expect(readFileSync(path).includes('written')).toBe(false);
    const again = await openCrypt(openFile(path, { engine, readOnly: true }), secret);
    const buffer = IoBuffer.allocate(SIZE);
    expect(await read(again, buffer, 0)).toEqual({ error: 0, transferredBytes: SIZE });
    expect(content.equals(buffer.bytes)).toBe(true);
    expect(await flush(again)).toEqual({ error: 0, transferredBytes: 0 });
    expect((await write(again, Buffer.alloc(SECTOR), 0)).error).toBe(30);
    await again.close();
  });
});

describeRing('an encrypted file with O_DIRECT', () => {
  it('takes memory from anywhere, completes in biowait, and is shared', async () => {
    const disk = openFile(makeFile(), { direct: true, engine: 'uring' });
    await formatCrypt(disk, format);
    const device = await openCrypt(disk, secret);
    const memory = IoBuffer.allocate(10 * SECTOR + 100);
    memory.bytes.fill(7);
    const io = makeIo({ operation: BLOCK_WRITE, buffer: memory, bufferOffset: 33, offset: SECTOR, lengthBytes: 10 * SECTOR });
    device.strategy(io);
    biowait(io);
    expect(io).toMatchObject({ error: 0, transferredBytes: 10 * SECTOR });
    const other = attachDevice(structuredClone(device.handle()));
    const back = makeIo({ buffer: IoBuffer.allocate(SECTOR + 1), bufferOffset: 1, offset: 10 * SECTOR, lengthBytes: SECTOR });
    expect(runSync(other, back)).toEqual({ error: 0, transferredBytes: SECTOR });
    expect(back.buffer?.bytes.subarray(1).every((byte) => byte === 7)).toBe(true);
    await other.close();
    await device.close();
  });
});

describe('a stack', () => {
  it('is closed from above, and works in between', async () => {
    const disk = openMem(DATA + SIZE);
    await formatCrypt(disk, format);
    const device = openThrottle(await openCrypt(disk, secret), { writeIops: 1e6 });
    expect((await write(device, Buffer.alloc(3 * SECTOR, 'x'), SECTOR)).error).toBe(0);
    const buffer = IoBuffer.allocate(3 * SECTOR);
    expect((await read(device, buffer, SECTOR)).error).toBe(0);
    expect(buffer.bytes.every((byte) => byte === 120)).toBe(true);
    expect(device.config()).toMatchObject({ driver: 'throttle', device: { driver: 'crypt', device: { driver: 'mem' } } });
    await device.close();
    expect(disk.closed).toBe(true);
  });

  it('passes what a throttle knows on to the device below', async () => {
    const disk = openMem(SIZE);
    const device: BlockDevice = openThrottle(disk, { iops: 1e6 });
    await write(device, Buffer.alloc(SIZE, 1), 0);
    const swap = makeIo({ operation: BLOCK_COMPARE_AND_WRITE, buffer: bufferOf('new'), offset: 5 });
    swap.compare = bufferOf(Buffer.from([1, 1, 1]));
    expect(await start(device, swap)).toEqual({ error: 0, transferredBytes: 3 });
    const target = IoBuffer.allocate(3);
    const vectored = makeIo({ operation: BLOCK_READ, buffer: null, offset: 5, lengthBytes: 3 });
    vectored.vector = new IoVector([
      { memory: target, memoryOffset: 2, lengthBytes: 1 },
      { memory: target, memoryOffset: 0, lengthBytes: 2 },
    ]);
    expect((await start(device, vectored)).error).toBe(0);
    expect(Buffer.from(target.bytes).toString()).toBe('ewn');
    expect((await start(device, makeIo({ operation: BLOCK_DISCARD, buffer: null, lengthBytes: SIZE }))).error).toBe(0);
    const ask = makeIo({ operation: BLOCK_EXTENTS, buffer: null, lengthBytes: SIZE });
    ask.extents = new ExtentList();
    expect(await start(device, ask)).toEqual({ error: 0, transferredBytes: SIZE });
    if (process.platform === 'linux') expect([ask.extents.count, ask.extents.kind(0)]).toEqual([1, EXTENT_HOLE]);
    await device.close();
  });
});
