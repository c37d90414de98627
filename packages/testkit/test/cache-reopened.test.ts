import { type BlockDevice, type CacheOptions, openCache, openMem } from '@biodone/blockdev';
import { type CrashDevice, flushRequest, openCrash, readRequest, run, writeRequest } from '@biodone/testkit';
import { describe, expect, it } from 'vitest';
import { bytesOf, copyOf } from './support/contents.js';

const LINE = 4096;
const SIZE_BYTES = 64 * LINE;
/** Behind its label, and its map of a page. */
const LINES_AT = 65_536;
const KEPT_BYTES = LINES_AT + 16 * LINE;
const shape: CacheOptions = { cacheBytes: 16 * LINE, dirtyMaxBytes: 8 * LINE, writeBackDelayMs: 3_600_000, deviceName: 'it' };

const writeLine = (line: number, tag: number) => writeRequest(line * LINE, new Uint8Array(LINE).fill(tag));

async function byteAt(device: BlockDevice, offset: number): Promise<number | undefined> {
  const io = readRequest(offset, 1);
  expect((await run(device, io)).error).toBe(0);
  return io.buffer?.bytes[0];
}

/** A device on which some contents are stable, and others are what is read: in its volatile cache. */
async function withVolatile(stable: BlockDevice, read: BlockDevice): Promise<CrashDevice> {
  const device = openCrash(stable);
  expect((await run(device, writeRequest(0, bytesOf(read)))).error).toBe(0);
  return device;
}

describe.each<[string, (device: BlockDevice) => CacheOptions]>([
  ['on a device', (cacheDevice) => ({ cacheDevice })],
  ['with a log', (log) => ({ log })],
])('a cache %s that is opened again after the process has crashed', (_name, on) => {
  it('keeps what is found there, and flushed then, although the one before had not come to flush it', async () => {
    const [below, kept] = [openMem(SIZE_BYTES), openMem(KEPT_BYTES)];
    const device = await openCache(below, { ...shape, ...on(kept), create: true });
    await run(device, writeLine(1, 1));
    expect((await run(device, flushRequest())).error).toBe(0);
    const stable = copyOf(kept);
    await run(device, writeLine(1, 2));
    // A log has it only from a flush on, of which the last part is missing.
    if (device.describe()['log'] !== undefined) await run(device, flushRequest());
    const disk = await withVolatile(stable, copyOf(kept));
    const again = await openCache(copyOf(below), { ...shape, ...on(disk) });
    expect(await byteAt(again, LINE)).toBe(2);
    expect((await run(again, flushRequest())).error).toBe(0);
    disk.crash();
    const last = await openCache(copyOf(below), { ...shape, ...on(copyOf(disk)) });
    expect(await byteAt(last, LINE)).toBe(2);
    await last.close();
    await device.close();
  });
});

describe('a cache on a device that is opened again after the process has crashed', () => {
  it('gives no slot away by a map that is not stable', async () => {
    const [below, kept] = [openMem(SIZE_BYTES), openMem(KEPT_BYTES)];
    const open = (cacheDevice: BlockDevice) => openCache(below, { ...shape, cacheDevice, closeChildren: false });
    const device = await openCache(below, { ...shape, cacheDevice: kept, create: true, closeChildren: false });
    await run(device, writeLine(1, 1));
    expect((await run(device, flushRequest())).error).toBe(0);
    const stable = copyOf(kept);
    // Everything is below, and the map is empty; the flush of that is what is missing.
    await device.close();
    const disk = await withVolatile(stable, kept);
    const again = await open(disk);
    await run(again, writeLine(5, 5));
    const lines = bytesOf(disk).subarray(LINES_AT);
    disk.crash();
    // Of what was not stable, the disk has written the lines, and not the map.
    const found = copyOf(disk);
    expect((await run(found, writeRequest(LINES_AT, lines))).error).toBe(0);
    const last = await openCache(copyOf(below), { ...shape, cacheDevice: found });
    expect(await byteAt(last, LINE)).toBe(1);
    await last.close();
    await again.close();
  });
});
