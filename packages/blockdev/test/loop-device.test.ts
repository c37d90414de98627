import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import {
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FAST_ONLY,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_NO_UNMAP,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type BlockOperation,
  EXTENT_DATA,
  ExtentList,
  openFile,
} from '@biodone/blockdev';
import { EINVAL, ENOTSUP, EROFS, IoBuffer, IoVector } from '@biodone/uring';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { ask, extentsOf, modes } from './support/ask.js';
import { engines } from './support/available.js';
import { programPath } from './support/child.js';
import { attachLoop, detachLoop, loopRefusal, must } from './support/loop-device.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
const MIB = 2 ** 20;
let files = 0;
function image(sizeBytes: number, byte = 0x33): string {
  files += 1;
  const path = join(folder, `image-${files}`);
  writeFileSync(path, Buffer.alloc(sizeBytes, byte));
  return path;
}

const refusal = loopRefusal(image(MIB));
if (refusal !== null) console.warn(`block devices are not tested: ${refusal}`);

const attached: string[] = [];
const opened: BlockDevice[] = [];
function loop(path: string, ...options: string[]): string {
  const device = attachLoop(path, ...options);
  attached.push(device);
  return device;
}
function open(...[path, options]: Parameters<typeof openFile>): BlockDevice {
  const device = openFile(path, options);
  opened.push(device);
  return device;
}
afterEach(async () => {
  for (const device of opened.splice(0)) await device.close();
  for (const device of attached.splice(0)) detachLoop(device);
});

describe.skipIf(refusal !== null).each(engines)('a loop device, engine %s', (engine) => {
  it.each([512, 4096])('tells its size and its sectors of %i bytes', (sectorBytes) => {
    const path = loop(image(3 * MIB), '--sector-size', String(sectorBytes));
    const direct = open(path, { engine, direct: true });
    expect(direct.limits).toMatchObject({ sizeBytes: 3 * MIB, blockSizeBytes: sectorBytes });
    expect(direct.limits.physicalBlockSizeBytes).toBeGreaterThanOrEqual(sectorBytes);
    expect(direct.describe()).toMatchObject({ kind: 'block device', engine, direct: true, sizeBytes: 3 * MIB });
    const cached = open(path, { engine, lock: false, growable: true });
    expect(cached.limits).toMatchObject({ sizeBytes: 3 * MIB, blockSizeBytes: 1 });
    expect(cached.config()).toMatchObject({ driver: 'file', path, growable: false });
    const name = path.replace('/dev/', '');
    const rotational = readFileSync(`/sys/block/${name}/queue/rotational`, 'utf8').trim() === '1';
    expect(cached.capabilities.rotational).toBe(rotational);
  });

  it('is read-only where it says so', async () => {
    const path = loop(image(MIB), '--read-only');
    expect(() => openFile(path, { engine })).toThrow(expect.objectContaining({ code: expect.stringMatching(/^E(ROFS|ACCES)$/) }));
    const device = open(path, { engine, readOnly: true });
    const io = await ask(device, 'strategy', { operation: BLOCK_WRITE, buffer: IoBuffer.allocate(512), lengthBytes: 512 });
    expect(io.error).toBe(EROFS);
  });

  it('has one writer', () => {
    const path = loop(image(MIB));
    open(path, { engine });
    expect(() => openFile(path, { engine })).toThrow(expect.objectContaining({ code: 'EBUSY', path }));
    open(path, { engine, readOnly: true });
  });

  describe.each(modes)('by %s', (mode) => {
    it.each([false, true])('is read and written, at once and for good, direct %s', async (direct) => {
      const path = image(MIB);
      const device = open(loop(path), { engine, direct });
      const buffer = IoBuffer.allocate(8192);
      buffer.bytes.fill(7);
      const range = { offset: MIB - 8192, lengthBytes: 8192, buffer };
      for (const flags of [0, BLOCK_FUA]) {
        const io = await ask(device, mode, { operation: BLOCK_WRITE, flags, ...range });
        expect([io.error, io.transferredBytes]).toEqual([0, 8192]);
      }
      expect((await ask(device, mode, { operation: BLOCK_FLUSH })).error).toBe(0);
      expect(
        readFileSync(path)
          .subarray(-8192)
          .every((byte) => byte === 7),
      ).toBe(true);
      buffer.bytes.fill(0);
      const io = await ask(device, mode, { operation: BLOCK_READ, ...range });
      expect([io.error, io.transferredBytes, buffer.bytes[8191]]).toEqual([0, 8192, 7]);
      const beyond = await ask(device, mode, { operation: BLOCK_READ, ...range, offset: MIB - 4096 });
      expect(beyond.error).toBe(EINVAL);
    });

    it('has a stable write on the medium when it completes, through the cache too', async () => {
      const name = loop(image(MIB));
      const device = open(name, { engine });
      // Of the counters of a disk, the seventh is how many sectors were written to it.
      const sectorsWritten = (): number =>
        Number(
          readFileSync(`/sys/block/${name.replace('/dev/', '')}/stat`, 'utf8')
            .trim()
            .split(/\s+/)[6],
        );
      const buffer = IoBuffer.allocate(8192);
      for (const memory of [
        { buffer },
        {
          vector: new IoVector([
            { memory: buffer, lengthBytes: 100 },
            { memory: buffer, memoryOffset: 100 },
          ]),
        },
      ]) {
        const before = sectorsWritten();
        const range = { offset: 65_536, lengthBytes: 8192, ...memory };
        const io = await ask(device, mode, { operation: BLOCK_WRITE, flags: BLOCK_FUA, ...range });
        expect([io.error, io.transferredBytes]).toEqual([0, 8192]);
        expect(sectorsWritten() - before).toBeGreaterThanOrEqual(16);
      }
    });

    it.each([false, true])('discards and zeroes whole sectors, direct %s', async (direct) => {
      const path = image(4 * MIB);
      const device = open(loop(path), { engine, direct });
      const before = statSync(path).blocks;
      // What is no whole sector is left out of a discard.
      const uneven = direct ? 0 : 100;
      const discard = await ask(device, mode, {
        operation: BLOCK_DISCARD,
        offset: MIB + uneven,
        lengthBytes: MIB - 2 * uneven,
      });
      expect([discard.error, discard.transferredBytes]).toEqual([0, MIB - 2 * uneven]);
      const freed = before - statSync(path).blocks;
      expect(freed).toBeGreaterThan(2000);
      expect(freed).toBeLessThanOrEqual(2048);
      const kept = await ask(device, mode, {
        operation: BLOCK_READ,
        offset: MIB - 512,
        lengthBytes: 512,
        buffer: IoBuffer.allocate(512),
      });
      expect([kept.error, kept.buffer?.bytes.every((byte) => byte === 0x33)]).toEqual([0, true]);
      for (const [flags, offset] of [
        [0, 2 * MIB],
        [BLOCK_FAST_ONLY, 2 * MIB + 65_536],
        [BLOCK_NO_UNMAP, 3 * MIB],
        [BLOCK_FUA, 3 * MIB + 65_536],
      ] as const) {
        const zeros = await ask(device, mode, { operation: BLOCK_WRITE_ZEROES, flags, offset, lengthBytes: 65_536 });
        expect([flags, zeros.error, zeros.transferredBytes]).toEqual([flags, 0, 65_536]);
        const buffer = IoBuffer.allocate(65_536);
        await ask(device, mode, { operation: BLOCK_READ, offset, lengthBytes: 65_536, buffer });
        expect(buffer.bytes.every((byte) => byte === 0)).toBe(true);
      }
      const fast = { operation: BLOCK_WRITE_ZEROES, flags: BLOCK_FAST_ONLY | BLOCK_NO_UNMAP, lengthBytes: 4096 } as const;
      expect((await ask(device, mode, fast)).error).toBe(ENOTSUP);
    });

    it('zeroes parts of sectors through the cache, by writing', async () => {
      const path = image(MIB);
      const device = open(loop(path), { engine });
      const io = await ask(device, mode, { operation: BLOCK_WRITE_ZEROES, flags: BLOCK_FUA, offset: 1001, lengthBytes: 5000 });
      expect([io.error, io.transferredBytes]).toEqual([0, 5000]);
      const content = readFileSync(path);
      expect(content.subarray(1001, 6001).every((byte) => byte === 0)).toBe(true);
      expect([content[1000], content[6001]]).toEqual([0x33, 0x33]);
    });

    it('is data all over', async () => {
      const device = open(loop(image(MIB)), { engine });
      const io = await ask(device, mode, { operation: BLOCK_EXTENTS, lengthBytes: MIB, extents: new ExtentList() });
      expect([io.error, io.transferredBytes, extentsOf(io)]).toEqual([0, MIB, [[0, MIB, EXTENT_DATA]]]);
    });
  });

  it('is larger once somebody has looked, and says so', async () => {
    const path = image(MIB);
    const name = loop(path);
    const device = open(name, { engine });
    const sizes: number[] = [];
    device.on('resize', (sizeBytes) => sizes.push(sizeBytes));
    device.refresh();
    truncateSync(path, 2 * MIB);
    must('losetup', '--set-capacity', name);
    const last = { operation: BLOCK_READ, offset: 2 * MIB - 512, lengthBytes: 512, buffer: IoBuffer.allocate(512) } as const;
    expect((await ask(device, 'strategy', last)).error).toBe(EINVAL);
    device.refresh();
    expect(sizes).toEqual([2 * MIB]);
    expect(device.limits.sizeBytes).toBe(2 * MIB);
    expect(device.describe()['sizeBytes']).toBe(2 * MIB);
    const io = await ask(device, 'strategy', last);
    expect([io.error, io.transferredBytes]).toEqual([0, 512]);
    device.refresh();
    expect(sizes.length).toBe(1);
  });

  it('is gone when it has no size any more, as a disk that was pulled out', async () => {
    const path = image(MIB);
    const name = loop(path);
    const device = open(name, { engine });
    let removed = 0;
    device.on('remove', () => {
      removed += 1;
    });
    truncateSync(path, 0);
    must('losetup', '--set-capacity', name);
    device.refresh();
    device.refresh();
    expect(removed).toBe(1);
    const buffer = IoBuffer.allocate(512);
    for (const mode of modes) {
      const io = await ask(device, mode, { operation: BLOCK_READ, lengthBytes: 512, buffer });
      expect(io.error).toBe(constants.errno.ENODEV);
    }
  });

  it.for([false, true])('carries a file system that was copied through it, direct %s', async (direct, { skip }) => {
    if (spawnSync('mkfs.ext4', ['-V']).error !== undefined) {
      console.warn('no file system is made: there is no mkfs.ext4');
      skip('there is no mkfs.ext4');
    }
    const made = image(8 * MIB, 0);
    must('mkfs.ext4', '-q', '-F', '-d', programPath('.'), made);
    const source = open(made, { engine, direct });
    const copied = image(8 * MIB, 0x44);
    const target = open(loop(copied), { engine, direct });
    await copy(source, target);
    await target.close();
    must('e2fsck', '-f', '-n', copied);
    expect(Buffer.compare(readFileSync(copied), readFileSync(made))).toBe(0);
  });
});

/** A file system without fallocate(2): a loop device on it can neither discard nor make zeros without writing them. */
function mountRamfs(): { path: string; refusal: string | null } {
  const path = join(folder, 'ramfs');
  mkdirSync(path);
  const { error, status, stderr } = spawnSync('mount', ['-t', 'ramfs', 'biodone-test', path], { encoding: 'utf8' });
  const reason = error?.message ?? (status === 0 ? null : stderr.trim());
  if (reason === null) afterAll(() => spawnSync('umount', ['--lazy', path]));
  else console.warn(`a disk without discards is not tested: ${reason}`);
  return { path, refusal: refusal ?? reason };
}

const plain = mountRamfs();

describe.skipIf(plain.refusal !== null).each(engines)('a disk that cannot discard, engine %s', (engine) => {
  it.each(modes)('says so, and has zeros written: %s', async (mode) => {
    const path = join(plain.path, `${engine}-${mode}`);
    writeFileSync(path, Buffer.alloc(MIB, 0x33));
    const device = open(loop(path), { engine });
    const range = { offset: 65_536, lengthBytes: 65_536 };
    const run = async (operation: BlockOperation, flags = 0): Promise<number[]> => {
      const { error, transferredBytes } = await ask(device, mode, { operation, flags, ...range });
      return [error, transferredBytes];
    };
    expect(await run(BLOCK_DISCARD)).toEqual([ENOTSUP, 0]);
    expect(await run(BLOCK_WRITE_ZEROES, BLOCK_FAST_ONLY)).toEqual([ENOTSUP, 0]);
    expect(readFileSync(path)[70_000]).toBe(0x33);
    expect(await run(BLOCK_WRITE_ZEROES, BLOCK_FUA)).toEqual([0, 65_536]);
    const content = readFileSync(path);
    expect(content.subarray(65_536, 131_072).every((byte) => byte === 0)).toBe(true);
    expect([content[65_535], content[131_072]]).toEqual([0x33, 0x33]);
  });
});

/** Copies data, and zeroes what the source has no data for. */
async function copy(source: BlockDevice, target: BlockDevice): Promise<void> {
  const sizeBytes = source.limits.sizeBytes as number;
  const map = await ask(source, 'strategy', { operation: BLOCK_EXTENTS, lengthBytes: sizeBytes, extents: new ExtentList(1000) });
  expect([map.error, map.transferredBytes]).toEqual([0, sizeBytes]);
  const moves = extentsOf(map).map(async ([offset, lengthBytes, kind]) => {
    const zeros = { operation: BLOCK_WRITE_ZEROES, offset, lengthBytes } as const;
    if (kind !== EXTENT_DATA) return ask(target, 'strategy', zeros);
    const buffer = IoBuffer.allocate(lengthBytes);
    const read = await ask(source, 'strategy', { operation: BLOCK_READ, offset, lengthBytes, buffer });
    expect(read.error).toBe(0);
    return ask(target, 'strategy', { operation: BLOCK_WRITE, offset, lengthBytes, buffer });
  });
  for (const io of await Promise.all(moves)) expect([io.error, io.transferredBytes]).toEqual([0, io.lengthBytes]);
  expect((await ask(target, 'strategy', { operation: BLOCK_FLUSH })).error).toBe(0);
}
