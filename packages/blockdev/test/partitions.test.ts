import { spawnSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import {
  BLOCK_DISCARD,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  openDevice,
  openFile,
  openMem,
  openPartition,
  type PartitionTable,
  readPartitions,
  repairPartitions,
} from '@biodone/blockdev';
import { afterEach, describe, expect, it } from 'vitest';
import { seededRandom } from './support/random.js';
import { bufferOf, makeIo, read, start, write } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { EINVAL, ENODEV } = constants.errno;
const folder = temporaryFolder();
const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C' };
const SECTOR = 512;
const DISK_BYTES = 8 * 2 ** 20;

function command(name: string, args: readonly string[], input?: string): string {
  const { status, stdout, stderr, error } = spawnSync(name, args, {
    encoding: 'utf8',
    env,
    ...(input === undefined ? {} : { input }),
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: ${stdout} ${stderr}`);
  return stdout;
}

const has = (name: string): boolean => spawnSync(name, ['--version'], { env }).error === undefined;
const missing = ['sgdisk', 'sfdisk'].filter((name) => !has(name));
if (missing.length > 0) console.warn(`tables of other programs are not tested: there is no ${missing.join(' and no ')}`);

const noLoop = process.getuid?.() !== 0 ? 'only root can make loop devices' : null;
if (noLoop !== null) console.warn(`a disk of 4096-byte sectors is not tested: ${noLoop}`);

let disks = 0;
function newDisk(sizeBytes = DISK_BYTES): string {
  disks += 1;
  const path = join(folder, `disk-${disks}`);
  writeFileSync(path, '');
  truncateSync(path, sizeBytes);
  return path;
}

const open: BlockDevice[] = [];
afterEach(async () => {
  for (const device of open.splice(0)) await device.close();
});
function diskOf(path: string): BlockDevice {
  // Several look at one disk.
  const device = openFile(path, { engine: 'sync', lock: false });
  open.push(device);
  return device;
}

/** What sfdisk says of a disk. */
interface Printed {
  readonly partitiontable: {
    readonly label: string;
    readonly id: string;
    readonly partitions: readonly {
      readonly node: string;
      readonly start: number;
      readonly size: number;
      readonly type: string;
      readonly uuid?: string;
      readonly name?: string;
    }[];
  };
}

function printed(path: string): Printed['partitiontable'] {
  return (JSON.parse(command('sfdisk', ['--json', path])) as Printed).partitiontable;
}

function expectAsPrinted(table: PartitionTable, path: string): void {
  const { label, id, partitions } = printed(path);
  expect(table.kind === 'mbr' ? 'dos' : table.kind).toBe(label);
  expect(table.uuid).toBe(id.toLowerCase().replace(/^0x/, ''));
  const all = partitions.map(({ node, start, size, type, name = '', uuid = '' }) => ({
    index: Number(/(\d+)$/.exec(node.slice(path.length))?.[1]),
    offsetBytes: start * SECTOR,
    lengthBytes: size * SECTOR,
    type: type.toLowerCase().padStart(2, '0'),
    name,
    ...(label === 'gpt' ? { uuid: uuid.toLowerCase() } : {}),
  }));
  const found = table.partitions.map(({ uuid, ...rest }) => (label === 'gpt' ? { ...rest, uuid } : rest));
  // An extended partition is where the logical ones are, and no device.
  expect(found).toEqual(all.filter(({ type }) => label === 'gpt' || !['05', '0f', '85'].includes(type)));
}

function gptDisk(): string {
  const path = newDisk();
  const parts = [
    '-n',
    '1:2048:4095',
    '-c',
    '1:boot',
    '-n',
    '2:4096:8191',
    '-c',
    '2:Daten ä€',
    '-t',
    '2:8300',
    '-n',
    '5:8192:0',
    '-c',
    '5:rest',
  ];
  command('sgdisk', [...parts, path]);
  return path;
}

function mbrDisk(): string {
  const path = newDisk();
  const script = [
    'label: dos',
    'start=2048, size=2048, type=83',
    'start=4096, size=8192, type=5',
    'start=4106, size=1000, type=82',
    'start=6000, size=500, type=83',
    'start=7000, size=4000, type=7',
  ];
  command('sfdisk', [path], `${script.join('\n')}\n`);
  return path;
}

/** Overwrites bytes of a file. */
function poke(path: string, offset: number, ...bytes: number[]): void {
  const content = readFileSync(path);
  for (const [index, byte] of bytes.entries()) content[offset + index] = byte;
  writeFileSync(path, content);
}

describe.skipIf(missing.length > 0)('partitions that other programs have made', () => {
  it('are those that sfdisk prints, of a GPT', async () => {
    const path = gptDisk();
    const table = await readPartitions(diskOf(path));
    expect(table).toMatchObject({ kind: 'gpt', sectorBytes: 512, isHybrid: false, problems: [] });
    expect(table.partitions.map(({ name }) => name)).toEqual(['boot', 'Daten ä€', 'rest']);
    expectAsPrinted(table, path);
  });

  it('are those that sfdisk prints, of an MBR with logical ones', async () => {
    const path = mbrDisk();
    const table = await readPartitions(diskOf(path));
    expect(table.partitions.map(({ index }) => index)).toEqual([1, 5, 6, 7]);
    expectAsPrinted(table, path);
  });

  it('are found behind a hybrid MBR', async () => {
    const path = gptDisk();
    command('sgdisk', ['-h', '1:2', path]);
    const table = await readPartitions(diskOf(path));
    expect(table).toMatchObject({ kind: 'gpt', isHybrid: true, problems: [] });
    expect(table.partitions).toHaveLength(3);
  });

  it('are the same for seeded tables of any number of partitions', async () => {
    const below = seededRandom('partition tables');
    for (let round = 0; round < 4; round++) {
      const path = newDisk();
      const args: string[] = [];
      let first = 34 + below(64);
      for (let index = 1; index <= 20; index++) {
        const last = first + below(600);
        if (below(3) > 0) args.push('-n', `${index}:${first}:${last}`, '-c', `${index}:part ${index}`);
        first = last + 1 + below(100);
      }
      command('sgdisk', ['-a', '1', '-n', '30:14000:14001', ...args, path]);
      expectAsPrinted(await readPartitions(diskOf(path)), path);
    }
  }, 60_000);

  it.each([
    ['the first header', 512 + 30, 'first'],
    ['the entries behind the first header', 1024 + 40, 'first'],
    ['the backup header', DISK_BYTES - 512 + 30, 'backup'],
    ['the entries before the backup header', DISK_BYTES - 33 * 512 + 40, 'backup'],
  ])('are found although %s is damaged, which is repaired on request', async (_what, offset, which) => {
    const path = gptDisk();
    const before = readFileSync(path);
    const { partitions } = await readPartitions(diskOf(path));
    poke(path, offset, 0xa5, 0x5a, 0xff);
    const table = await readPartitions(diskOf(path));
    expect(table.problems).toHaveLength(1);
    expect(table.problems[0]).toContain(which);
    expect(table.partitions).toEqual(partitions);
    expect(await repairPartitions(diskOf(path))).toHaveLength(1);
    expect((await readPartitions(diskOf(path))).problems).toEqual([]);
    expect(await repairPartitions(diskOf(path))).toEqual([]);
    expect(Buffer.compare(readFileSync(path), before)).toBe(0);
    expect(command('sgdisk', ['-v', path])).toContain('No problems found');
  });

  it.each([
    ['is whole', []],
    ['is damaged', [0]],
  ])('have their backup, which %s, moved to the end of a disk that has grown', async (_what, damage) => {
    const path = gptDisk();
    poke(path, DISK_BYTES - 512, ...damage);
    truncateSync(path, 2 * DISK_BYTES);
    expect((await readPartitions(diskOf(path))).problems).toEqual([expect.stringContaining('the backup header')]);
    expect(await repairPartitions(diskOf(path))).toEqual(['the backup header and its entries']);
    expect((await readPartitions(diskOf(path))).problems).toEqual([]);
    expect(command('sgdisk', ['-v', path])).toContain('No problems found');
  });

  it('are not repaired where the entries would lie over what partitions can use', async () => {
    const path = gptDisk();
    const disk = readFileSync(path);
    const header = disk.subarray(DISK_BYTES - 512, DISK_BYTES - 512 + 92);
    header.writeBigUInt64LE(10n, 40);
    header.writeUInt32LE(0, 16);
    header.writeUInt32LE(crc32(header), 16);
    disk.fill(0, 512, 1024);
    writeFileSync(path, disk);
    expect((await readPartitions(diskOf(path))).problems).toHaveLength(1);
    await expect(repairPartitions(diskOf(path))).rejects.toMatchObject({
      errno: -EINVAL,
      message: /no room .* before sector 10/,
    });
    expect(Buffer.compare(readFileSync(path), disk)).toBe(0);
  });

  it('are refused if both headers are damaged', async () => {
    const path = gptDisk();
    poke(path, 512, 0);
    poke(path, DISK_BYTES - 512, 0);
    await expect(readPartitions(diskOf(path))).rejects.toMatchObject({ errno: -EINVAL, message: /both copies/ });
  });

  it('are refused if the chain of logical ones goes in circles', async () => {
    const path = mbrDisk();
    // The second entry of the second table of the chain: back to itself.
    const content = readFileSync(path);
    const next = 4096 + content.readUInt32LE(4096 * 512 + 446 + 16 + 8);
    content[next * 512 + 446 + 16 + 4] = 5;
    content.writeUInt32LE(next - 4096, next * 512 + 446 + 16 + 8);
    content.writeUInt32LE(100, next * 512 + 446 + 16 + 12);
    writeFileSync(path, content);
    await expect(readPartitions(diskOf(path))).rejects.toMatchObject({ errno: -EINVAL, message: /circles/ });
  });

  it.each([
    ['overlap', 8, 3000, /partition 1 .* overlaps|extended partition 2 .* overlaps partition 1/],
    ['lie outside of the disk', 12, 1_000_000, /lies outside/],
  ])('are refused by name if they %s', async (_what, field, value, message) => {
    const path = mbrDisk();
    const content = readFileSync(path);
    content.writeUInt32LE(value, 446 + field);
    writeFileSync(path, content);
    await expect(readPartitions(diskOf(path))).rejects.toMatchObject({ errno: -EINVAL, message });
  });

  it('open by number, name and uuid, as devices of their own', async () => {
    const path = gptDisk();
    const disk = openFile(path, { engine: 'sync' });
    const { partitions } = await readPartitions(disk);
    const first = await openPartition(disk, { index: 1 });
    const second = await openPartition(disk, { name: 'Daten ä€' });
    const third = await openPartition(disk, { uuid: (partitions[2]?.uuid ?? '').toUpperCase() });
    expect([first, second, third].map(({ limits }) => limits.sizeBytes)).toEqual(
      partitions.map(({ lengthBytes }) => lengthBytes),
    );
    await write(second, 'in the second one', 0);
    await expect(openPartition(disk, { index: 1 })).rejects.toMatchObject({ code: 'EBUSY' });
    await expect(openPartition(disk, { index: 3 })).rejects.toMatchObject({ errno: -ENODEV, message: /only 1 'boot'/ });
    for (const device of [first, second, third]) await device.close();
    expect(disk.closed).toBe(true);
    expect(readFileSync(path).toString('latin1', 4096 * 512, 4096 * 512 + 17)).toBe('in the second one');
    const named = await openDevice(`partition(${path}, 2)`);
    const buffer = bufferOf('                 ');
    await read(named, buffer, 0);
    expect(Buffer.from(buffer.bytes).toString('latin1')).toBe('in the second one');
    await named.close();
  });

  it('pass discards and zeros on to the disk, and nothing of their neighbours', async () => {
    const path = gptDisk();
    const disk = openFile(path, { engine: 'sync' });
    const { partitions } = await readPartitions(disk);
    const { offsetBytes = 0, lengthBytes = 0 } = partitions[1] ?? {};
    const first = await openPartition(disk, { index: 1 });
    const second = await openPartition(disk, { index: 2 });
    const { discard, zeroes } = disk.capabilities;
    expect(second.capabilities).toMatchObject({ discard, zeroes });
    for (const operation of discard ? [BLOCK_DISCARD, BLOCK_WRITE_ZEROES] : [BLOCK_WRITE_ZEROES]) {
      for (const device of [first, second]) await write(device, Buffer.alloc(device.limits.sizeBytes ?? 0, 7), 0);
      const bytes = readFileSync(path);
      const order = { operation, buffer: null, offset: 4096, lengthBytes: lengthBytes - 8192 };
      expect(await start(second, makeIo(order))).toEqual({ error: 0, transferredBytes: order.lengthBytes });
      bytes.fill(0, offsetBytes + 4096, offsetBytes + lengthBytes - 4096);
      expect(Buffer.compare(readFileSync(path), bytes)).toBe(0);
    }
    for (const device of [first, second]) await device.close();
  });

  it.skipIf(noLoop !== null)('count in sectors of 4096 bytes on a disk that has such ones', async () => {
    const path = newDisk();
    // Of a file, other programs believe that its sectors have 512 bytes.
    const loop = command('losetup', ['--find', '--show', '--sector-size', '4096', path]).trim();
    try {
      command('sfdisk', [loop], 'label: gpt\nstart=256, size=256, name=big\n');
    } finally {
      command('losetup', ['--detach', loop]);
    }
    const expected = [{ index: 1, offsetBytes: 2 ** 20, lengthBytes: 2 ** 20, name: 'big' }];
    const table = await readPartitions(diskOf(path));
    expect(table.sectorBytes).toBe(4096);
    expect(table.partitions).toMatchObject(expected);
    expect((await readPartitions(diskOf(path), { sectorBytes: 4096 })).partitions).toMatchObject(expected);
    poke(path, 4096 + 20, 0xff);
    expect(await repairPartitions(diskOf(path))).toHaveLength(1);
    expect((await readPartitions(diskOf(path))).problems).toEqual([]);
  });

  it('are found by a Node without a CRC of its own, too', async () => {
    const path = gptDisk();
    const program = `
      delete require('node:zlib').crc32;
      require('node:module').syncBuiltinESMExports();
      import('@biodone/blockdev').then(async ({ openFile, readPartitions }) => {
        if (require('node:zlib').crc32 !== undefined) throw new Error('it is there still');
        const device = openFile(process.argv[1], { readOnly: true });
        const { partitions, problems } = await readPartitions(device);
        console.log(partitions.length, problems.length);
        await device.close();
      });`;
    const cwd = new URL('..', import.meta.url);
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', program, path], { encoding: 'utf8', cwd });
    expect({ stdout, stderr }).toEqual({ stdout: '3 0\n', stderr: '' });
  });

  it('with any bytes changed never do worse than an error that names it', async () => {
    const below = seededRandom('damaged partition tables');
    const originals = [gptDisk(), mbrDisk()].map((path) => readFileSync(path));
    let refused = 0;
    for (let round = 0; round < 300; round++) {
      const content = Buffer.from(originals[round % 2] as Buffer);
      const places = round % 2 === 0 ? [0, 512, 1024, DISK_BYTES - 512, DISK_BYTES - 33 * 512] : [0, 4096 * 512, 4196 * 512];
      for (let left = 1 + below(8); left > 0; left--) {
        const place = places[below(places.length)] as number;
        content[place + (place === 0 || round % 2 === 1 ? 440 + below(72) : below(512))] = below(256);
      }
      const disk = openMem(DISK_BYTES);
      await write(disk, content, 0);
      try {
        const { partitions } = await readPartitions(disk);
        for (const { offsetBytes, lengthBytes } of partitions) expect(offsetBytes + lengthBytes).toBeLessThanOrEqual(DISK_BYTES);
      } catch (error) {
        refused += 1;
        expect(error).toMatchObject({ code: 'EINVAL', syscall: 'readPartitions' });
      }
      await disk.close();
    }
    expect(refused).toBeGreaterThan(0);
  }, 60_000);
});

describe('a disk without partitions', () => {
  it('is refused', async () => {
    const disk = openMem(2 ** 20);
    await expect(readPartitions(disk)).rejects.toMatchObject({ errno: -EINVAL, message: /neither a GPT nor an MBR/ });
    await disk.close();
  });
});
