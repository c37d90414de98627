import { spawnSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import {
  attachDevice,
  BLOCK_EXTENTS,
  BLOCK_WRITE,
  type BlockDevice,
  EXTENT_DATA,
  ExtentList,
  openDevice,
  openFile,
  openMem,
  openQcow2,
  openVhd,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { openFailing } from './support/failing-device.js';
import { seededRandom } from './support/random.js';
import { makeIo, read, runSync, start, write } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { EINVAL, EIO, ELOOP, ENOTSUP, EROFS } = constants.errno;
const folder = temporaryFolder();
const env = { ...process.env, LC_ALL: 'C' };
const MiB = 2 ** 20;

function qemu(program: 'qemu-img' | 'qemu-io', ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', env, cwd: folder });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stdout} ${stderr}`);
  return stdout;
}

const missing = ['qemu-img', 'qemu-io'].filter((name) => spawnSync(name, ['--version']).error !== undefined);
if (missing.length > 0) console.warn(`images of other programs are not tested: there is no ${missing.join(' and no ')}`);

let made = 0;
function newPath(suffix: string): string {
  made += 1;
  return join(folder, `image-${made}.${suffix}`);
}

function imageFile(path: string): BlockDevice {
  return openFile(path, { readOnly: true, engine: 'sync' });
}

/** Writes and zeros at seeded places, some of them compressed. */
function scribble(path: string, below: (limit: number) => number, sizeBytes: number, isQcow2: boolean): void {
  const commands: string[] = [];
  for (let left = 12; left > 0; left--) {
    const offset = below(sizeBytes / 512 - 600) * 512;
    const length = (1 + below(500)) * 512;
    const kind = below(isQcow2 ? 6 : 4);
    if (kind === 4) commands.push(`write -z ${offset} ${length}`);
    else if (kind === 5) commands.push(`write -z -u ${offset} ${length}`);
    else commands.push(`write -P ${1 + below(255)} ${offset} ${length}`);
  }
  qemu('qemu-io', '-f', isQcow2 ? 'qcow2' : 'vpc', ...commands.flatMap((command) => ['-c', command]), path);
}

function contentOf(path: string, format: string): Buffer {
  const raw = newPath('raw');
  qemu('qemu-img', 'convert', '-f', format, '-O', 'raw', path, raw);
  return readFileSync(raw);
}

/** Compares a device with what it should hold: in pieces of mixed lengths, by callbacks and in the calling thread. */
async function expectContent(device: BlockDevice, expected: Buffer, below: (limit: number) => number): Promise<void> {
  expect(device.limits.sizeBytes).toBe(expected.length);
  for (let offset = 0; offset < expected.length; ) {
    const length = Math.min(expected.length - offset, below(4) === 0 ? 512 * (1 + below(4000)) : 512 * (1 + below(300)));
    const buffer = IoBuffer.allocate(length);
    const io = makeIo({ buffer, offset });
    const outcome = below(2) === 0 ? await start(device, io) : runSync(device, io);
    expect(outcome).toEqual({ error: 0, transferredBytes: length });
    const wanted = expected.subarray(offset, offset + length);
    if (Buffer.compare(buffer.bytes.subarray(0, length), wanted) !== 0) {
      const at = wanted.findIndex((byte, index) => byte !== buffer.bytes[index]);
      expect.fail(`byte ${offset + at} is ${buffer.bytes[at]} instead of ${wanted[at]}`);
    }
    offset += length;
  }
  await expectExtents(device, expected);
}

/** All that is no data reads as zeros, and the extents cover the device. */
async function expectExtents(device: BlockDevice, expected: Buffer): Promise<void> {
  for (let offset = 0; offset < expected.length; ) {
    const io = makeIo({ operation: BLOCK_EXTENTS, buffer: null, offset, lengthBytes: expected.length - offset });
    io.extents = new ExtentList(16);
    expect((await start(device, io)).error).toBe(0);
    expect(io.transferredBytes).toBeGreaterThan(0);
    for (let index = 0; index < io.extents.count; index++) {
      const begin = io.extents.offset(index);
      if (io.extents.kind(index) === EXTENT_DATA) continue;
      expect(expected.subarray(begin, begin + io.extents.lengthBytes(index)).every((byte) => byte === 0)).toBe(true);
    }
    offset += io.transferredBytes;
  }
}

function poke(path: string, offset: number, ...bytes: number[]): void {
  const content = readFileSync(path);
  for (const [index, byte] of bytes.entries()) content[offset + index] = byte;
  writeFileSync(path, content);
}

const KINDS: readonly [name: string, options: string][] = [
  ['version 2', 'compat=0.10'],
  ['version 3', 'compat=1.1'],
  ['clusters of 512 bytes', 'compat=1.1,cluster_size=512'],
  ['clusters of 2 MiB', 'compat=1.1,cluster_size=2M'],
  ['lazy refcounts', 'compat=1.1,lazy_refcounts=on'],
];

describe.skipIf(missing.length > 0)('a qcow2 image', () => {
  it.each(KINDS)(
    'of %s reads as qemu-img converts it',
    async (name, options) => {
      const below = seededRandom(`qcow2 of ${name}`);
      const path = newPath('qcow2');
      const size = 6 * MiB + 512 * below(1000);
      qemu('qemu-img', 'create', '-q', '-f', 'qcow2', '-o', options, path, `${size}`);
      scribble(path, below, size, true);
      const device = await openQcow2(imageFile(path));
      await expectContent(device, contentOf(path, 'qcow2'), below);
      await device.close();
    },
    60_000,
  );

  it.each(['512', '4096', '65536', '2097152'])(
    'compressed in clusters of %s bytes reads as qemu-img converts it',
    async (clusterBytes) => {
      const below = seededRandom(`compressed qcow2`);
      const plain = newPath('qcow2');
      qemu('qemu-img', 'create', '-q', '-f', 'qcow2', plain, `${5 * MiB}`);
      scribble(plain, below, 5 * MiB, true);
      const path = newPath('qcow2');
      qemu('qemu-img', 'convert', '-c', '-f', 'qcow2', '-O', 'qcow2', '-o', `cluster_size=${clusterBytes}`, plain, path);
      // And some that is not, beside it.
      qemu('qemu-io', '-f', 'qcow2', '-c', 'write -P 77 1M 100k', path);
      const device = await openQcow2(imageFile(path));
      await expectContent(device, contentOf(path, 'qcow2'), below);
      await device.close();
    },
    60_000,
  );

  it('compressed by zstd reads as qemu-img converts it, or is refused by that name', async () => {
    const below = seededRandom('qcow2 with zstd');
    const plain = newPath('qcow2');
    qemu('qemu-img', 'create', '-q', '-f', 'qcow2', plain, `${3 * MiB}`);
    scribble(plain, below, 3 * MiB, true);
    const path = newPath('qcow2');
    qemu('qemu-img', 'convert', '-c', '-f', 'qcow2', '-O', 'qcow2', '-o', 'compression_type=zstd', plain, path);
    const file = imageFile(path);
    if ('zstdDecompressSync' in zlib) {
      const device = await openQcow2(file);
      await expectContent(device, contentOf(path, 'qcow2'), below);
      await device.close();
    } else {
      await expect(openQcow2(file)).rejects.toMatchObject({ errno: -ENOTSUP, message: /zstd.*22\.15/ });
      await file.close();
    }
  }, 60_000);

  it('expands nothing beyond a cluster, whatever its bytes say that they hold', async ({ skip }) => {
    const { zstdCompressSync } = zlib as { zstdCompressSync?: (bytes: Buffer) => Buffer };
    if (zstdCompressSync === undefined) {
      console.warn('bombs of zstd are not tested: this Node has no zstd');
      skip();
      return;
    }
    const bomb = zstdCompressSync(Buffer.alloc(2 ** 29));
    const raw = newPath('raw');
    const noise = Buffer.alloc(2 * MiB);
    const below = seededRandom('a bomb of zstd');
    for (let at = 0; at < 2 * bomb.length; at++) noise[at] = below(256);
    writeFileSync(raw, noise);
    const path = newPath('qcow2');
    const options = 'compression_type=zstd,cluster_size=2M';
    qemu('qemu-img', 'convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', options, raw, path);
    const image = readFileSync(path);
    const at = image.indexOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]));
    expect(at).toBeGreaterThan(0);
    bomb.copy(image, at);
    writeFileSync(path, image);
    const device = await openQcow2(imageFile(path));
    const before = process.resourceUsage().maxRSS;
    expect((await read(device, IoBuffer.allocate(512), 0)).error).toBe(EIO);
    expect(process.resourceUsage().maxRSS - before, 'KiB more at the most').toBeLessThan(2 ** 18);
    await device.close();
  }, 60_000);

  it('whose file has lost its end shows zeros for the rest of a cluster alone, and EIO behind it', async () => {
    const path = newPath('qcow2');
    qemu('qemu-img', 'create', '-q', '-f', 'qcow2', path, '1M');
    qemu('qemu-io', '-f', 'qcow2', '-c', 'write -P 77 0 1M', path);
    const image = readFileSync(path);
    const begin = image.indexOf(Buffer.alloc(MiB, 77));
    expect(begin % 65536).toBe(0);
    truncateSync(path, begin + 3 * 65536 + 1000);
    const device = await openQcow2(imageFile(path));
    for (const via of [start, runSync]) {
      const buffer = IoBuffer.allocate(MiB);
      buffer.bytes.fill(1);
      expect(await via(device, makeIo({ buffer }))).toEqual({ error: EIO, transferredBytes: 4 * 65536 });
      const expected = Buffer.concat([Buffer.alloc(3 * 65536 + 1000, 77), Buffer.alloc(65536 - 1000)]);
      expect(Buffer.compare(buffer.bytes.subarray(0, expected.length), expected)).toBe(0);
    }
    await device.close();
  });

  it('on others reads as qemu-img converts it: followed, given, and named', async () => {
    const below = seededRandom('a chain of qcow2 images');
    const [raw, middle, top] = [newPath('raw'), newPath('qcow2'), newPath('qcow2')];
    writeFileSync(raw, Buffer.from(Uint8Array.from({ length: 2 * MiB }, () => below(256))));
    const name = (path: string): string => path.slice(folder.length + 1);
    qemu('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', name(raw), '-F', 'raw', middle, `${3 * MiB}`);
    scribble(middle, below, 3 * MiB, true);
    qemu('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', name(middle), '-F', 'qcow2', top, `${4 * MiB}`);
    scribble(top, below, 4 * MiB, true);
    const expected = contentOf(top, 'qcow2');
    const file = imageFile(top);
    await expect(openQcow2(file)).rejects.toMatchObject({ errno: -EINVAL, message: new RegExp(name(middle)) });
    const followed = await openQcow2(file, { followBacking: true });
    await expectContent(followed, expected, below);
    const again = await openDevice(followed.config());
    await expectContent(again, expected, below);
    await Promise.all([followed.close(), again.close()]);
    expect(file.closed).toBe(true);
    const source = await openQcow2(imageFile(top), { followBacking: true });
    const channel = attachDevice(source.handle());
    await expectContent(channel, expected, below);
    await channel.close();
    await source.close();
    const given = await openQcow2(imageFile(top), { backing: await openQcow2(imageFile(middle), { backing: imageFile(raw) }) });
    await expectContent(given, expected, below);
    await given.close();
    const named = await openDevice(`qcow2(${top}, qcow2(${middle}, ${raw}))`);
    await expectContent(named, expected, below);
    await named.close();
  }, 60_000);

  it('follows no name out of its folder, and none in a circle', async () => {
    const make = (path: string, backing: string): void => {
      qemu('qemu-img', 'create', '-q', '-u', '-f', 'qcow2', '-b', backing, '-F', 'qcow2', path, `${MiB}`);
    };
    for (const outside of ['/etc/passwd', '../secret.qcow2', 'nbd://example.org/x', 'json:{"driver":"file"}']) {
      const path = newPath('qcow2');
      qemu('qemu-img', 'create', '-q', '-f', 'qcow2', path, '1M');
      rename(path, outside);
      const file = imageFile(path);
      await expect(openQcow2(file, { followBacking: true })).rejects.toThrow(/EPERM|ENOENT/);
      await file.close();
    }
    const [one, other] = ['one.qcow2', 'other.qcow2'];
    make(join(folder, one), other);
    make(join(folder, other), one);
    const file = imageFile(join(folder, one));
    await expect(openQcow2(file, { followBacking: true })).rejects.toMatchObject({ errno: -ELOOP, message: /below itself/ });
    await file.close();
  });

  it.each([
    ['encryption (AES)', 32, [0, 0, 0, 1]],
    ['encryption (LUKS)', 32, [0, 0, 0, 2]],
    ['an external data file', 79, [4]],
    ['subclusters', 79, [16]],
    ['bit 40', 74, [1]],
    ['version 4', 4, [0, 0, 0, 4]],
  ])('with %s is refused by that name', async (what, offset, bytes) => {
    const path = newPath('qcow2');
    qemu('qemu-img', 'create', '-q', '-f', 'qcow2', path, '1M');
    poke(path, offset, ...bytes);
    const file = imageFile(path);
    await expect(openQcow2(file)).rejects.toMatchObject({ errno: -ENOTSUP, message: expect.stringContaining(what) });
    await file.close();
  });

  it('takes no writes', async () => {
    const path = newPath('qcow2');
    qemu('qemu-img', 'create', '-q', '-f', 'qcow2', path, '1M');
    const device = await openQcow2(imageFile(path));
    expect((await start(device, makeIo({ operation: BLOCK_WRITE }))).error).toBe(EROFS);
    await device.close();
  });

  it('with any bytes changed never does worse than an error', async () => {
    await fuzz(seededRandom('damaged qcow2 images'), ['qcow2', 'compat=1.1,cluster_size=512'], openQcow2);
  }, 60_000);
});

describe.skipIf(missing.length > 0)('an image of which each n-th read fails, once and for ever', () => {
  it.each([
    ['qcow2', openQcow2],
    ['vpc', openVhd],
  ] as const)(
    'of the format %s ends those that need it with EIO, and no other',
    async (format, openImage) => {
      const below = seededRandom(`failing reads of ${format}`);
      const plain = newPath(format);
      qemu('qemu-img', 'create', '-q', '-f', format, plain, `${2 * MiB}`);
      scribble(plain, below, 2 * MiB, format === 'qcow2');
      const path = newPath(format);
      if (format === 'qcow2') qemu('qemu-img', 'convert', '-c', '-O', 'qcow2', '-o', 'cluster_size=4096', plain, path);
      const image = readFileSync(format === 'qcow2' ? path : plain);
      const expected = contentOf(plain, format);
      let failures = 0;
      for (let from = 1, isOver = false; !isOver; from++) {
        for (const forEver of [false, true]) {
          const { device: file, failure, count } = openFailing(Buffer.from(image));
          const device = await openImage(file);
          const before = count();
          Object.assign(failure, { from: before + from, forEver });
          for (let offset = 0; offset < expected.length; offset += 65536) {
            const io = makeIo({
              buffer: IoBuffer.allocate(65536),
              offset,
              lengthBytes: Math.min(65536, expected.length - offset),
            });
            const { error, transferredBytes } = from % 2 === 0 ? runSync(device, io) : await start(device, io);
            expect([0, EIO]).toContain(error);
            if (error !== 0) failures += 1;
            else expect(transferredBytes).toBe(io.lengthBytes);
            const right = expected.subarray(offset, offset + transferredBytes);
            expect(Buffer.compare(io.buffer?.bytes.subarray(0, transferredBytes) ?? right, right)).toBe(0);
          }
          if (!forEver && count() - before < from) isOver = true;
          await device.close();
        }
      }
      expect(failures).toBeGreaterThan(5);
    },
    60_000,
  );
});

/** Names another backing file: qemu-img would look for it. */
function rename(path: string, backing: string): void {
  const content = readFileSync(path);
  // Extensions that say the format, and behind them the name.
  const at = 600;
  content.writeUInt32BE(0xe2792aca, 112);
  content.writeUInt32BE(3, 116);
  content.write('raw', 120, 'latin1');
  content.fill(0, 128, 136);
  content.writeBigUInt64BE(BigInt(at), 8);
  content.writeUInt32BE(backing.length, 16);
  content.write(backing, at, 'latin1');
  writeFileSync(path, content);
}

async function fuzz(
  below: (limit: number) => number,
  [format, options]: [string, string],
  open: (device: BlockDevice) => Promise<BlockDevice>,
): Promise<void> {
  const path = newPath(format);
  qemu('qemu-img', 'create', '-q', '-f', format, ...(options === '' ? [] : ['-o', options]), path, `${2 * MiB}`);
  scribble(path, below, 2 * MiB, format === 'qcow2');
  const original = readFileSync(path);
  let refused = 0;
  let failed = 0;
  for (let round = 0; round < 300; round++) {
    const content = Buffer.from(original);
    for (let left = 1 + below(6); left > 0; left--) {
      const at = below(3) === 0 ? below(112) : below(2) === 0 ? below(4096) : below(content.length);
      content[at] = below(3) === 0 ? 0xff : below(256);
    }
    const cut = content.subarray(0, below(4) === 0 ? 1 + below(content.length) : content.length);
    const file = openMem(cut.length);
    await write(file, cut, 0);
    const before = process.memoryUsage().arrayBuffers;
    let device: BlockDevice | null = null;
    try {
      device = await open(file);
    } catch (error) {
      refused += 1;
      expect(error).toMatchObject({ code: expect.stringMatching(/^(EINVAL|ENOTSUP)$/) });
    }
    if (device !== null) {
      // As much as there is, or the beginning of what there is said to be.
      const most = Math.min(device.limits.sizeBytes ?? 0, 4 * MiB);
      for (let offset = 0; offset < most; offset += 65536) {
        const { error } = await read(device, IoBuffer.allocate(Math.min(65536, most - offset)), offset);
        expect([0, EIO]).toContain(error);
        if (error !== 0) failed += 1;
      }
      await device.close();
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * MiB);
    await file.close();
  }
  expect(refused).toBeGreaterThan(0);
  if (format === 'qcow2') expect(failed).toBeGreaterThan(0);
}

describe.skipIf(missing.length > 0)('a VHD image', () => {
  it.each(['dynamic', 'fixed'])(
    'that is %s reads as qemu-img converts it',
    async (kind) => {
      const below = seededRandom(`${kind} VHD`);
      const path = newPath('vhd');
      qemu('qemu-img', 'create', '-q', '-f', 'vpc', '-o', `subformat=${kind},force_size=on`, path, `${9 * MiB}`);
      scribble(path, below, 9 * MiB, false);
      const device = await openVhd(imageFile(path));
      expect(device.describe()).toMatchObject({ kind });
      await expectContent(device, contentOf(path, 'vpc'), below);
      const again = await openDevice(`vhd(${path})`);
      await expectContent(again, contentOf(path, 'vpc'), below);
      await Promise.all([device.close(), again.close()]);
    },
    60_000,
  );

  it('whose footer is damaged is read by the copy at the beginning', async () => {
    const path = newPath('vhd');
    qemu('qemu-img', 'create', '-q', '-f', 'vpc', path, `${4 * MiB}`);
    const { length } = readFileSync(path);
    poke(path, length - 512 + 70, 1, 2, 3);
    const device = await openVhd(imageFile(path));
    expect(device.limits.sizeBytes).toBeGreaterThan(4 * MiB - 1);
    await device.close();
    poke(path, 70, 1, 2, 3);
    const file = imageFile(path);
    await expect(openVhd(file)).rejects.toMatchObject({ errno: -EINVAL, message: /checksum/ });
    await file.close();
  });

  it('that is fixed and has lost its footer is not what its guest has written at its beginning', async () => {
    const [fixed, dynamic] = [newPath('vhd'), newPath('vhd')];
    qemu('qemu-img', 'create', '-q', '-f', 'vpc', '-o', 'subformat=fixed', fixed, `${4 * MiB}`);
    const image = readFileSync(fixed);
    const footer = image.subarray(-512);
    footer.copy(image, 0);
    footer.fill(0);
    writeFileSync(dynamic, image);
    const file = imageFile(dynamic);
    await expect(openVhd(file)).rejects.toMatchObject({ errno: -EINVAL, message: /which has none there/ });
    await file.close();
  });

  it('that is differencing shows its own sectors over those of its parent', async () => {
    const below = seededRandom('differencing VHD');
    const [parent, child] = [newPath('vhd'), newPath('vhd')];
    qemu('qemu-img', 'create', '-q', '-f', 'vpc', '-o', 'force_size=on', parent, `${5 * MiB}`);
    scribble(parent, below, 5 * MiB, false);
    const expected = contentOf(parent, 'vpc');
    const name = parent.slice(folder.length + 1);
    writeFileSync(child, differencing(readFileSync(parent), name, expected, below));
    const file = imageFile(child);
    await expect(openVhd(file)).rejects.toMatchObject({ errno: -EINVAL, message: new RegExp(name) });
    const followed = await openVhd(file, { followParent: true });
    await expectContent(followed, expected, below);
    await followed.close();
    const given = await openVhd(imageFile(child), { parent: await openVhd(imageFile(parent)) });
    await expectContent(given, expected, below);
    await given.close();
    const other = readFileSync(parent);
    qemu('qemu-img', 'create', '-q', '-f', 'vpc', '-o', 'force_size=on', parent, `${5 * MiB}`);
    const again = imageFile(child);
    await expect(openVhd(again, { followParent: true })).rejects.toMatchObject({ errno: -EINVAL, message: /was made on/ });
    await again.close();
    writeFileSync(parent, other);
  }, 60_000);

  it('with any bytes changed never does worse than an error', async () => {
    await fuzz(seededRandom('damaged VHD images'), ['vpc', ''], openVhd);
  }, 60_000);

  it('is none where there is no footer', async () => {
    const path = newPath('vhd');
    writeFileSync(path, '');
    truncateSync(path, 100_000);
    const file = imageFile(path);
    await expect(openVhd(file)).rejects.toMatchObject({ errno: -EINVAL, message: /no VHD image/ });
    await expect(openQcow2(file)).rejects.toMatchObject({ errno: -EINVAL, message: /no qcow2 image/ });
    await file.close();
  });
});

/** A differencing image on `parent`, with some sectors of its own, which it puts into `content`. No other program here makes one. */
function differencing(parent: Buffer, name: string, content: Buffer, below: (limit: number) => number): Buffer {
  const footer = Buffer.from(parent.subarray(0, 512));
  const header = Buffer.from(parent.subarray(512, 1536));
  const parentUuid = Buffer.from(footer.subarray(68, 84));
  footer.writeUInt32BE(4, 60);
  footer.fill(7, 68, 84);
  sum(footer, 64);
  parentUuid.copy(header, 40);
  Buffer.from(`${name}\0`, 'utf16le').swap16().copy(header, 64);
  header.writeBigUInt64BE(1536n, 16);
  sum(header, 36);
  const blockBytes = header.readUInt32BE(32);
  const table = Buffer.alloc(512, 0xff);
  const blocks: Buffer[] = [];
  for (let block = 0; block * blockBytes < content.length; block++) {
    if (below(3) === 0) continue;
    table.writeUInt32BE((2048 + blocks.length * (512 + blockBytes)) / 512, 4 * block);
    const bytes = Buffer.alloc(512 + blockBytes);
    for (let left = 40; left > 0; left--) {
      const sector = below(blockBytes / 512);
      const at = block * blockBytes + sector * 512;
      if (at >= content.length) continue;
      bytes[sector >>> 3] = (bytes[sector >>> 3] as number) | (128 >>> (sector & 7));
      const fill = below(256);
      bytes.fill(fill, 512 + sector * 512, 512 + sector * 512 + 512);
      content.fill(fill, at, at + 512);
    }
    blocks.push(bytes);
  }
  return Buffer.concat([footer, header, table, ...blocks, footer]);
}

function sum(bytes: Buffer, ownOffset: number): void {
  bytes.writeUInt32BE(0, ownOffset);
  bytes.writeUInt32BE(~bytes.reduce((total, byte) => total + byte, 0) >>> 0, ownOffset);
}
