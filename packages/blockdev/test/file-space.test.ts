import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FAST_ONLY,
  BLOCK_FUA,
  BLOCK_NO_UNMAP,
  BLOCK_READ,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type BlockIo,
  EXTENT_DATA,
  EXTENT_HOLE,
  ExtentList,
  type FileOptions,
  openFile,
  wrapDescriptor,
} from '@biodone/blockdev';
import { EINVAL, ENOTSUP, EROFS, IoBuffer, libc } from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { ask, extentsOf, type Mode, modes } from './support/ask.js';
import { describeRing, engines } from './support/available.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
const KIB = 1024;
const SIZE = 256 * KIB;

/** Whether the file system of the tests has holes and unwritten ranges; others make these tests mean little. */
function fileSystemRefuses(): string | null {
  const path = join(folder, 'probe');
  writeFileSync(path, Buffer.alloc(65_536, 1));
  const fd = openSync(path, 'r+');
  const { fallocate, close } = libc();
  const works = fallocate?.(fd, 3, 0, 4096) === 0 && fallocate(fd, 0x11, 8192, 4096) === 0;
  close(fd);
  return works ? null : `the file system of ${folder} has no holes or zero ranges`;
}

const refusal = fileSystemRefuses();
if (refusal !== null) console.warn(`discards and zeros of files are not tested: ${refusal}`);

let files = 0;
function newFile(content: Uint8Array = Buffer.alloc(SIZE, 0x55)): string {
  files += 1;
  const path = join(folder, `file-${files}`);
  writeFileSync(path, content);
  return path;
}

async function extents(device: BlockDevice, mode: Mode, offset = 0, lengthBytes = SIZE - offset, capacity = 64) {
  const io = await ask(device, mode, { operation: BLOCK_EXTENTS, offset, lengthBytes, extents: new ExtentList(capacity) });
  expect(io.error).toBe(0);
  return { list: extentsOf(io), transferredBytes: io.transferredBytes };
}

describe.skipIf(refusal !== null).each(engines)('the space of a file, engine %s', (engine) => {
  const open = (path: string, options: FileOptions = {}): BlockDevice => openFile(path, { engine, ...options });

  describe.each(modes)('by %s', (mode) => {
    it.each([false, true])('is given back by a discard, and reads as zeros, direct %s', async (direct) => {
      const path = newFile();
      const device = open(path, { direct });
      expect(device.capabilities).toMatchObject({ discard: true, extents: true, zeroes: 'fast' });
      const before = statSync(path).blocks;
      expect((await extents(device, mode)).list).toEqual([[0, SIZE, EXTENT_DATA]]);
      const io = await ask(device, mode, { operation: BLOCK_DISCARD, offset: 64 * KIB, lengthBytes: 128 * KIB });
      expect([io.error, io.transferredBytes]).toEqual([0, 128 * KIB]);
      expect((await extents(device, mode)).list).toEqual([
        [0, 64 * KIB, EXTENT_DATA],
        [64 * KIB, 128 * KIB, EXTENT_HOLE],
        [192 * KIB, 64 * KIB, EXTENT_DATA],
      ]);
      expect(before - statSync(path).blocks).toBe(256);
      expect(statSync(path).size).toBe(SIZE);
      await device.close();
      const content = readFileSync(path);
      expect(content.subarray(64 * KIB, 192 * KIB).every((byte) => byte === 0)).toBe(true);
      expect(content.subarray(0, 64 * KIB).every((byte) => byte === 0x55)).toBe(true);
    });

    it('is zeroed to the byte, and given back unless BLOCK_NO_UNMAP keeps it', async () => {
      for (const flags of [0, BLOCK_NO_UNMAP, BLOCK_FAST_ONLY, BLOCK_FAST_ONLY | BLOCK_NO_UNMAP, BLOCK_FUA]) {
        const path = newFile();
        const device = open(path);
        const before = statSync(path).blocks;
        const [offset, lengthBytes] = [10 * KIB + 1, 100 * KIB];
        const io = await ask(device, mode, { operation: BLOCK_WRITE_ZEROES, flags, offset, lengthBytes });
        expect([flags, io.error, io.transferredBytes]).toEqual([flags, 0, lengthBytes]);
        const freed = before - statSync(path).blocks;
        if ((flags & BLOCK_NO_UNMAP) === 0) expect(freed).toBe(192);
        else expect(freed).toBeLessThanOrEqual(0);
        const content = readFileSync(path);
        expect(content.subarray(offset, offset + lengthBytes).every((byte) => byte === 0)).toBe(true);
        expect([content[offset - 1], content[offset + lengthBytes]]).toEqual([0x55, 0x55]);
        await device.close();
      }
    });

    it('is made longer by zeros behind the end of a growable file, and not by a discard', async () => {
      for (const flags of [0, BLOCK_NO_UNMAP]) {
        const path = newFile(Buffer.alloc(1000, 1));
        const device = open(path, { growable: true });
        const discard = await ask(device, mode, { operation: BLOCK_DISCARD, offset: 500, lengthBytes: 10_000 });
        expect([discard.error, discard.transferredBytes, statSync(path).size]).toEqual([0, 10_000, 1000]);
        const zeros = await ask(device, mode, { operation: BLOCK_WRITE_ZEROES, flags, offset: 400, lengthBytes: 20_000 });
        expect([zeros.error, zeros.transferredBytes, statSync(path).size]).toEqual([0, 20_000, 20_400]);
        expect(
          readFileSync(path)
            .subarray(400)
            .every((byte) => byte === 0),
        ).toBe(true);
        await device.close();
      }
    });

    it('is zeroed in a file that somebody has cut off, so that reads are not short there', async () => {
      const path = newFile();
      const device = open(path);
      truncateSync(path, 1000);
      const io = await ask(device, mode, { operation: BLOCK_WRITE_ZEROES, lengthBytes: 8192 });
      expect([io.error, io.transferredBytes]).toEqual([0, 8192]);
      const read = await ask(device, mode, { operation: BLOCK_READ, buffer: IoBuffer.allocate(8192), lengthBytes: 8192 });
      expect([read.error, read.transferredBytes]).toEqual([0, 8192]);
      await device.close();
    });

    it('is not changed by requests for nothing, or on a file that is opened read-only', async () => {
      const path = newFile();
      const device = open(path);
      for (const operation of [BLOCK_DISCARD, BLOCK_WRITE_ZEROES] as const) {
        const nothing = await ask(device, mode, { operation, offset: 100, lengthBytes: 0 });
        expect([nothing.error, nothing.transferredBytes]).toEqual([0, 0]);
        const beyond = await ask(device, mode, { operation, offset: SIZE, lengthBytes: 1 });
        expect([beyond.error, beyond.transferredBytes]).toEqual([EINVAL, 0]);
        const reader = open(path, { readOnly: true });
        const refused = await ask(reader, mode, { operation, lengthBytes: 4096 });
        expect([refused.error, refused.transferredBytes]).toEqual([EROFS, 0]);
        await reader.close();
      }
      await device.close();
      expect(Buffer.compare(readFileSync(path), Buffer.alloc(SIZE, 0x55))).toBe(0);
    });

    it('is told as far as the list has room, from any byte, and to the end of the file', async () => {
      const path = newFile();
      const device = open(path);
      for (const offset of [32, 96, 160]) {
        await ask(device, mode, { operation: BLOCK_DISCARD, offset: offset * KIB, lengthBytes: 32 * KIB });
      }
      const part = await extents(device, mode, 40 * KIB + 7, SIZE - 40 * KIB - 7, 2);
      expect(part).toEqual({
        list: [
          [40 * KIB + 7, 24 * KIB - 7, EXTENT_HOLE],
          [64 * KIB, 32 * KIB, EXTENT_DATA],
        ],
        transferredBytes: 56 * KIB - 7,
      });
      const inside = await extents(device, mode, 100 * KIB, 10);
      expect(inside).toEqual({ list: [[100 * KIB, 10, EXTENT_HOLE]], transferredBytes: 10 });
      expect(await extents(device, mode, 0, 0)).toEqual({ list: [], transferredBytes: 0 });
      truncateSync(path, 110 * KIB);
      expect(await extents(device, mode, 64 * KIB)).toEqual({
        list: [
          [64 * KIB, 32 * KIB, EXTENT_DATA],
          [96 * KIB, 14 * KIB, EXTENT_HOLE],
        ],
        transferredBytes: 46 * KIB,
      });
      expect(await extents(device, mode, 200 * KIB)).toEqual({ list: [], transferredBytes: 0 });
      await device.close();
    });

    it('may be changed by many requests at a time', async () => {
      const path = newFile();
      const device = open(path);
      const asked = Array.from({ length: 64 }, (_, index) =>
        ask(device, mode, {
          operation: index % 2 === 0 ? BLOCK_DISCARD : BLOCK_WRITE_ZEROES,
          offset: index * 4096,
          lengthBytes: index % 8 === 7 ? 0 : 4096,
        }),
      );
      expect((await Promise.all(asked)).every(({ error }) => error === 0)).toBe(true);
      await device.close();
      const content = readFileSync(path);
      for (let index = 0; index < 64; index++) expect(content[index * 4096]).toBe(index % 8 === 7 ? 0x55 : 0);
    });
  });
});

describeRing('the space of a wrapped descriptor', () => {
  it('is not changed: each of its requests is one call', async () => {
    const fd = openSync(newFile(), 'r+');
    const device = wrapDescriptor(fd);
    expect(device.capabilities).toMatchObject({ discard: false, extents: false, zeroes: 'emulate' });
    const io = await ask(device, 'strategy', { operation: BLOCK_DISCARD, lengthBytes: 4096 });
    expect([io.error, io.transferredBytes]).toEqual([ENOTSUP, 0]);
    await device.close();
    closeSync(fd);
  });
});

/** A file system that has holes, but no zero ranges. */
const memoryFolder = '/dev/shm';
const TMPFS_MAGIC = 0x01021994;
const isMemory = existsSync(memoryFolder) && statfsSync(memoryFolder).type === TMPFS_MAGIC;
if (!isMemory) console.warn(`zeros without zero ranges are not tested: ${memoryFolder} is no tmpfs`);

describe.skipIf(!isMemory).each(engines)('a file system without zero ranges, engine %s', (engine) => {
  const path = join(memoryFolder, `biodone-test-${process.pid}-${engine}`);
  afterAll(() => rmSync(path, { force: true }));

  it.each(modes)('has zeros written by the layer, unless they are to be fast: %s', async (mode) => {
    writeFileSync(path, Buffer.alloc(SIZE, 0x55));
    const device = openFile(path, { engine, growable: true });
    const zero = (flags: number, offset: number): Promise<BlockIo> =>
      ask(device, mode, { operation: BLOCK_WRITE_ZEROES, flags, offset, lengthBytes: 10_000 });
    const outcome = ({ error, transferredBytes }: BlockIo): unknown => [error, transferredBytes];
    expect(outcome(await zero(BLOCK_NO_UNMAP | BLOCK_FAST_ONLY, 100))).toEqual([ENOTSUP, 0]);
    expect(readFileSync(path)[100]).toBe(0x55);
    expect(outcome(await zero(BLOCK_NO_UNMAP, 100))).toEqual([0, 10_000]);
    expect(outcome(await zero(BLOCK_FAST_ONLY, 20_000))).toEqual([0, 10_000]);
    // Behind the end there is nothing to punch out: the file has to become longer.
    expect(outcome(await zero(0, SIZE - 5000))).toEqual([0, 10_000]);
    await device.close();
    const content = readFileSync(path);
    expect(content.length).toBe(SIZE + 5000);
    for (const [offset, lengthBytes] of [
      [100, 10_000],
      [20_000, 10_000],
      [SIZE - 5000, 10_000],
    ] as const) {
      expect(content.subarray(offset, offset + lengthBytes).every((byte) => byte === 0)).toBe(true);
      expect(content[offset - 1]).toBe(0x55);
    }
  });
});
