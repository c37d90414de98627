import { closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import {
  type BadBlockCause,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_WRITE,
  type BlockDevice,
  type BlockIo,
  type ChecksumOptions,
  openChecksum,
  openDevice,
  openFile,
  openMem,
  openMirror,
  openRaid,
  type RaidDevice,
  raidOf,
  scrub,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { afterEach, describe, expect, it } from 'vitest';
import { programPath, run as runProgram } from './support/child.js';
import { seededRandom } from './support/random.js';
import { makeIo, runSync, start } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { EEXIST, EILSEQ, EINVAL, EIO, ENOTSUP } = constants.errno;
const BLOCK = 4096;
const DISK_BYTES = 2 ** 20;
const folder = temporaryFolder();

const open: BlockDevice[] = [];
afterEach(async () => {
  for (const device of open.splice(0)) await device.close();
});

let disks = 0;
/** A disk under checksums, and what is really on it. */
class Disk {
  readonly path: string;

  constructor(sizeBytes = DISK_BYTES) {
    disks += 1;
    this.path = join(folder, `disk-${disks}`);
    writeFileSync(this.path, '');
    truncateSync(this.path, sizeBytes);
  }

  async open(options: ChecksumOptions = {}): Promise<BlockDevice> {
    const device = await openChecksum(openFile(this.path, { engine: 'sync' }), options);
    open.push(device);
    return device;
  }

  /** Where a block of this tag is, beside the journals, which have older copies. */
  find(tag: number): number {
    const content = readFileSync(this.path);
    const found = content.lastIndexOf(pattern(tag));
    expect(found).toBeGreaterThan(0);
    return found;
  }

  put(offset: number, bytes: Uint8Array): void {
    const fd = openSync(this.path, 'r+');
    writeSync(fd, bytes, 0, bytes.length, offset);
    closeSync(fd);
  }
}

/** Bytes that nobody else has. */
function pattern(tag: number): Buffer {
  return Buffer.from(Uint32Array.from({ length: BLOCK / 4 }, (_, index) => Math.imul(tag * 1000 + index, 0x9e3779b1)).buffer);
}

async function put(device: BlockDevice, block: number, tag: number, flags = 0): Promise<void> {
  const buffer = IoBuffer.allocate(BLOCK);
  buffer.bytes.set(pattern(tag));
  expect(await start(device, makeIo({ operation: BLOCK_WRITE, buffer, offset: block * BLOCK, flags }))).toEqual({
    error: 0,
    transferredBytes: BLOCK,
  });
}

async function flush(device: BlockDevice): Promise<void> {
  expect((await start(device, makeIo({ operation: BLOCK_FLUSH, buffer: null }))).error).toBe(0);
}

/** Memory in which a digest is taken where it is. */
const inPlace = [0, 1].map(() => IoBuffer.inWebAssembly(BLOCK));

/** What a read says, by callback and in the calling thread, into each kind of memory: its errno, or whether it is what was written. */
async function tagAt(device: BlockDevice, block: number, tag: number): Promise<number | 'right' | 'wrong'> {
  const offset = block * BLOCK;
  const [one, other, third, fourth] = [{}, {}, { buffer: inPlace[0] }, { buffer: inPlace[1] }].map((buffer) =>
    makeIo({ offset, ...(buffer as { buffer: IoBuffer }) }),
  ) as [BlockIo, BlockIo, BlockIo, BlockIo];
  for (const { bytes } of inPlace) bytes.fill(1);
  const { error } = await start(device, one);
  expect([runSync(device, other).error, (await start(device, third)).error, runSync(device, fourth).error]).toEqual([
    error,
    error,
    error,
  ]);
  if (error === EILSEQ) for (const { bytes } of inPlace) expect(bytes.every((byte) => byte === 0)).toBe(true);
  if (error !== 0) return error;
  return [one, other, third, fourth].every(({ buffer }) => Buffer.compare(buffer?.bytes ?? new Uint8Array(), pattern(tag)) === 0)
    ? 'right'
    : 'wrong';
}

/** A device with blocks 0 to 39 written, each with its number plus one as its tag, and all in their places. */
async function filled(disk: Disk, options: ChecksumOptions = {}): Promise<BlockDevice> {
  const device = await disk.open({ create: true, ...options });
  for (let block = 0; block < 40; block++) await put(device, block, block + 1);
  await flush(device);
  await flush(device);
  return device;
}

describe('a block under checksums', () => {
  it('reads as zeros until it is written, then as what was written, also when it is opened again', async () => {
    const disk = new Disk();
    let device = await filled(disk);
    const io = makeIo({ offset: 50 * BLOCK });
    expect((await start(device, io)).error).toBe(0);
    expect(io.buffer?.bytes.every((byte) => byte === 0)).toBe(true);
    const { sizeBytes } = device.limits;
    await open.pop()?.close();
    device = await disk.open();
    expect(device.limits.sizeBytes).toBe(sizeBytes);
    for (let block = 0; block < 40; block++) expect(await tagAt(device, block, block + 1)).toBe('right');
    expect(await scrub(device)).toEqual({ checkedBytes: sizeBytes, bad: [], badCount: 0 });
  });

  it.each<[string, BadBlockCause, (disk: Disk, old: Buffer) => void]>([
    ['one bit is other', 'damaged', (disk) => disk.put(disk.find(8) + 1234, Uint8Array.of((pattern(8)[1234] as number) ^ 16))],
    ['it is all zeros', 'damaged', (disk) => disk.put(disk.find(8), new Uint8Array(BLOCK))],
    ['half of it is from another block', 'damaged', (disk) => disk.put(disk.find(8), pattern(9).subarray(0, 2048))],
    ['it is another block, which was written to its place', 'misdirected', (disk) => disk.put(disk.find(8), pattern(12))],
    ['it is what was there before', 'stale', (disk, old) => disk.put(disk.find(8), old)],
  ])('ends a read with EILSEQ, and is no data, if %s', async (_how, cause, spoil) => {
    const disk = new Disk();
    const device = await filled(disk);
    await put(device, 7, 100);
    await flush(device);
    await put(device, 7, 8);
    await flush(device);
    await flush(device);
    spoil(disk, pattern(100));
    expect(await tagAt(device, 7, 8)).toBe(EILSEQ);
    // Of a longer read, what is before it is there.
    const io = makeIo({ buffer: IoBuffer.allocate(8 * BLOCK), offset: 4 * BLOCK });
    expect(await start(device, io)).toEqual({ error: EILSEQ, transferredBytes: 3 * BLOCK });
    expect(io.buffer?.bytes.subarray(3 * BLOCK, 4 * BLOCK).every((byte) => byte === 0)).toBe(true);
    const { bad, badCount } = await scrub(device);
    expect(badCount).toBe(1);
    expect(bad).toEqual([{ offset: 7 * BLOCK, lengthBytes: BLOCK, error: EILSEQ, cause }]);
    for (const block of [6, 8]) expect(await tagAt(device, block, block + 1)).toBe('right');
    await put(device, 7, 8);
    await flush(device);
    expect(await tagAt(device, 7, 8)).toBe('right');
    expect((await scrub(device)).badCount).toBe(0);
  });

  it('is found whichever bit of it is other', async () => {
    const below = seededRandom('one bit under checksums');
    const disk = new Disk();
    const device = await filled(disk);
    const at = disk.find(21);
    for (let round = 0; round < 300; round++) {
      const position = below(BLOCK);
      const bytes = pattern(21).subarray(position, position + 1);
      disk.put(at + position, Uint8Array.of((bytes[0] as number) ^ (1 << below(8))));
      expect(await tagAt(device, 20, 21)).toBe(EILSEQ);
      disk.put(at + position, bytes);
    }
    expect(await tagAt(device, 20, 21)).toBe('right');
  });

  it('ends a read with EIO if its checksum is damaged, also that of the blocks beside it, until they are written', async () => {
    const disk = new Disk();
    await filled(disk);
    await open.pop()?.close();
    const content = readFileSync(disk.path);
    // The first page of the table stands right behind the journals, which no layout says: it is the last that changes with block 0 alone.
    const before = Buffer.from(content);
    const again = await disk.open();
    await put(again, 0, 1);
    await open.pop()?.close();
    const after = readFileSync(disk.path);
    const changed: number[] = [];
    for (let at = 0; at < after.length; at += 512) {
      if (Buffer.compare(after.subarray(at, at + 512), before.subarray(at, at + 512)) !== 0) changed.push(at);
    }
    const data = disk.find(1);
    const page = changed.filter((at) => at < data).at(-1) as number;
    disk.put(page + 100, Uint8Array.of(0xa5, 0x5a, 0xa5));
    const device = await disk.open();
    expect(await tagAt(device, 0, 1)).toBe(EIO);
    expect(await tagAt(device, 30, 31)).toBe(EIO);
    expect(await tagAt(device, 35, 36)).toBe('right');
    await put(device, 0, 1);
    await flush(device);
    await flush(device);
    expect(await tagAt(device, 0, 1)).toBe('right');
    expect(await tagAt(device, 30, 31)).toBe(EIO);
    const { bad } = await scrub(device);
    expect(bad.length).toBe(30);
    expect(new Set(bad.map(({ cause }) => cause))).toEqual(new Set(['unreadable']));
  });

  it('is repaired under a mirror from the other half, by itself', async () => {
    const disks = [new Disk(), new Disk()];
    const halves: BlockDevice[] = [];
    for (const disk of disks) halves.push(await openChecksum(openFile(disk.path, { engine: 'sync' }), { create: true }));
    const mirror = await openMirror(halves, { create: true, halvesAreEqual: true });
    open.push(mirror.device);
    for (let block = 0; block < 40; block++) await put(mirror.device, block, block + 1);
    await flush(mirror.device);
    await flush(mirror.device);
    const [first, second] = disks as [Disk, Disk];
    first.put(first.find(8), pattern(12));
    second.put(second.find(31) + 9, Uint8Array.of(1, 2, 3));
    for (let block = 0; block < 40; block++) {
      // From whichever half: twice, so that both are asked.
      for (let turn = 0; turn < 2; turn++) expect(await tagAt(mirror.device, block, block + 1)).toBe('right');
    }
    await mirror.settled();
    expect(mirror.repaired).toBe(2);
    expect(mirror.halves().map(({ state }) => state)).toEqual(['good', 'good']);
    for (const half of halves) expect((await scrub(half)).bad).toEqual([]);
  });

  it('is repaired under a raid of level 5 from the other components, by itself, and so is parity', async () => {
    const disks = Array.from({ length: 4 }, () => new Disk());
    const components: BlockDevice[] = [];
    for (const disk of disks) components.push(await openChecksum(openFile(disk.path, { engine: 'sync' }), { create: true }));
    const device = await openRaid(components, { create: true, stripeBytes: BLOCK });
    open.push(device);
    const raid = raidOf(device) as RaidDevice;
    await raid.settled();
    for (let block = 0; block < 40; block++) await put(device, block, block + 1);
    await flush(device);
    await flush(device);
    expect(raid.repaired).toBe(0);
    const holderOf = (bytes: Buffer): Disk => disks.find(({ path }) => readFileSync(path).includes(bytes)) as Disk;
    const damage = (bytes: Buffer, other: Uint8Array): void => {
      const disk = holderOf(bytes);
      disk.put(readFileSync(disk.path).lastIndexOf(bytes), other);
    };
    const badOf = async (): Promise<number[]> => {
      const counts: number[] = [];
      for (const component of components) counts.push((await scrub(component)).badCount);
      return counts.sort();
    };

    // Three blocks of data a row: these are of the rows 2 and 10, and on different components.
    expect(holderOf(pattern(8))).not.toBe(holderOf(pattern(31)));
    damage(pattern(8), pattern(12));
    damage(pattern(31), new Uint8Array(BLOCK));
    expect(await badOf()).toEqual([0, 0, 1, 1]);
    for (const [at, tag] of [8, 31].entries()) {
      expect(await tagAt(device, tag - 1, tag)).toBe('right');
      expect(raid.repaired).toBe(at + 1);
    }
    await flush(device);
    expect(await badOf()).toEqual([0, 0, 0, 0]);

    // What no read of data asks for a scrub of the array finds.
    const row = [pattern(16), pattern(17), pattern(18)] as const;
    const parity = Buffer.from(row[0].map((byte, at) => byte ^ (row[1][at] as number) ^ (row[2][at] as number)));
    damage(parity, pattern(16));
    expect(await badOf()).toEqual([0, 0, 0, 1]);
    expect(await raid.scrub()).toMatchObject({ mismatches: 0, repaired: 1, unreadable: 0 });
    await flush(device);
    expect(await badOf()).toEqual([0, 0, 0, 0]);

    expect(raid).toMatchObject({ repaired: 3, state: 'optimal' });
    expect(await raid.scrub()).toMatchObject({ mismatches: 0, repaired: 0, unreadable: 0 });
    raid.fail(disks.indexOf(holderOf(pattern(8))));
    for (let block = 0; block < 40; block++) expect(await tagAt(device, block, block + 1)).toBe('right');
  });
});

describe('a device with checksums', () => {
  it('opens by either copy of its header, and says that it has one', async () => {
    const disk = new Disk();
    await filled(disk);
    await open.pop()?.close();
    for (const offset of [0, DISK_BYTES - 4096]) {
      const copy = readFileSync(disk.path).subarray(offset, offset + 4096);
      disk.put(offset + 40, Uint8Array.of(9));
      const device = await disk.open();
      expect(await tagAt(device, 3, 4)).toBe('right');
      await open.pop()?.close();
      disk.put(offset, copy);
    }
    const file = openFile(disk.path);
    open.push(file);
    await expect(openChecksum(file, { create: true })).rejects.toMatchObject({ errno: -EEXIST });
    const other = openMem(DISK_BYTES);
    open.push(other);
    await expect(openChecksum(other)).rejects.toMatchObject({ errno: -EINVAL, message: /create/ });
    const small = openMem(8192);
    open.push(small);
    await expect(openChecksum(small, { create: true })).rejects.toMatchObject({ errno: -EINVAL, message: /no room/ });
  });

  it('has what was flushed when nobody has closed it, and shows it to who only reads', async () => {
    const disk = new Disk();
    const device = await disk.open({ create: true });
    for (let block = 0; block < 5; block++) await put(device, block, block + 1, block === 4 ? BLOCK_FUA : 0);
    // As the power leaves it: what is on the disk now.
    const copy = new Disk();
    writeFileSync(copy.path, readFileSync(disk.path));
    const readOnly = await copy.open({ readOnly: true });
    for (let block = 0; block < 5; block++) expect(await tagAt(readOnly, block, block + 1)).toBe('right');
    await open.pop()?.close();
    expect(Buffer.compare(readFileSync(copy.path), readFileSync(disk.path))).toBe(0);
    const again = await copy.open();
    for (let block = 0; block < 5; block++) expect(await tagAt(again, block, block + 1)).toBe('right');
  });

  it('takes blocks of other sizes, and smaller writes if it is asked', async () => {
    for (const blockBytes of [512, 8192, 65536]) {
      const disk = new Disk(4 * DISK_BYTES);
      const device = await disk.open({ create: true, blockBytes, blockSizeBytes: 512 });
      expect(device.limits).toMatchObject({ blockSizeBytes: 512, transferUnitBytes: blockBytes });
      const buffer = IoBuffer.allocate(512);
      buffer.bytes.fill(blockBytes / 512);
      expect((await start(device, makeIo({ operation: BLOCK_WRITE, buffer, offset: 512 * 77 }))).error).toBe(0);
      const io = makeIo({ buffer: IoBuffer.allocate(1536), offset: 512 * 76 });
      expect((await start(device, io)).error).toBe(0);
      expect([...new Set(io.buffer?.bytes.subarray(512, 1024))]).toEqual([(blockBytes / 512) & 255]);
      expect(io.buffer?.bytes.subarray(1024, 1536).every((byte) => byte === 0)).toBe(true);
      await open.pop()?.close();
    }
  });

  it('keeps what it holds of its table within bounds, and reads the rest again', async () => {
    const disk = new Disk(64 * DISK_BYTES);
    const device = await disk.open({ create: true, cacheBytes: 1 });
    const blocks = Math.floor((device.limits.sizeBytes ?? 0) / BLOCK);
    const below = seededRandom('a small cache of checksums');
    const tags = new Map<number, number>();
    for (let round = 0; round < 600; round++) {
      const block = below(blocks);
      tags.set(block, round + 1);
      await put(device, block, round + 1);
    }
    for (const [block, tag] of tags) expect(await tagAt(device, block, tag)).toBe('right');
    await open.pop()?.close();
    const again = await disk.open({ cacheBytes: 1 });
    for (const [block, tag] of tags) expect(await tagAt(again, block, tag)).toBe('right');
  }, 60_000);

  it('is for one thread, opens by its name, and is what scrub wants', async () => {
    const disk = new Disk();
    const device = await openDevice(`checksum(${disk.path}, create=1)`);
    open.push(device);
    expect(() => device.handle()).toThrow(expect.objectContaining({ errno: -ENOTSUP }));
    await put(device, 1, 2);
    const config = device.config();
    expect(config).not.toHaveProperty('create');
    await open.pop()?.close();
    const again = await openDevice(config);
    open.push(again);
    expect(await tagAt(again, 1, 2)).toBe('right');
    const plain = openMem(4096);
    open.push(plain);
    await expect(scrub(plain)).rejects.toMatchObject({ errno: -EINVAL });
    const reason = new Error('enough');
    await expect(scrub(again, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it.each([
    ['no WebAssembly', ['--jitless', '--no-warnings'], []],
    ['WebAssembly without vectors', [], ['no vectors']],
  ])(
    'is refused where there is %s, and nothing is written',
    async (_what, flags, words) => {
      const { status, stdout } = await runProgram(
        process.execPath,
        [...flags, programPath('checksum-no-wasm.mjs'), ...words],
        50_000,
      );
      expect({ status, stdout }).toEqual({ status: 0, stdout: 'ENOSYS true true\n' });
    },
    60_000,
  );
});
