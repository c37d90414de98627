import { SystemError } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { checkDevice, checkOptions, STACK_OPTIONS } from '../check-options.js';
import { ENODEV } from '../errno.js';
import { checkInteger, invalidValue } from '../errors.js';
import type { StackOptions } from '../stack-driver.js';
import { sizeOfDevice } from './child-device.js';
import { crc32 } from './crc32.js';
import { type GptCopy, type GptHeader, gptPartitions, otherHeader, parseGptHeader } from './partition-gpt.js';
import { parseBootRecord, readMbrPartitions } from './partition-mbr.js';
import { type Partition, type PartitionTable, refuse } from './partition-table.js';
import { readBytes, writeStable } from './read-bytes.js';
import { openSlice } from './slice.js';

/** Options of {@link readPartitions} and {@link repairPartitions}. */
export interface PartitionOptions {
  /**
   * What the table counts in, 512 to 4096.
   * @default the device's block size; for a device of smaller blocks, such as a file, 512 or 4096, as the table fits
   */
  sectorBytes?: number;
}

/** Options of {@link openPartition}: which one, by one of the first three. */
export interface OpenPartitionOptions extends StackOptions, PartitionOptions {
  /** Its number in the table, as in {@link Partition}. */
  index?: number;
  /** Its label in a GPT. */
  name?: string;
  /** Its own GUID, or what an MBR has for one; small or capital letters. */
  uuid?: string;
}

/**
 * Finds the partitions of a disk: those of a GPT, whose header and entries have the right checksums, by the backup at the end if the first copy is
 * damaged; else those of an MBR, with logical ones. Where a GPT has a hybrid MBR in front of it, the GPT is what counts.
 *
 * Nothing is written: {@link repairPartitions} makes a damaged copy anew.
 *
 * @throws SystemError EINVAL for a disk without a table, and for a table with partitions that overlap, lie outside or go in circles, which the message
 * names; what its reads end with; TypeError, RangeError for wrong options
 *
 * @example
 * ```js
 * import { openMem, readPartitions } from '@biodone/blockdev';
 *
 * const disk = openMem(2 ** 20);
 * await readPartitions(disk).catch(({ code }) => console.log(code)); // EINVAL: it has no table
 * await disk.close();
 * ```
 */
export async function readPartitions(device: BlockDevice, options: PartitionOptions = {}): Promise<PartitionTable> {
  checkDevice('device', device, 'readPartitions');
  checkOptions('readPartitions', options, { sectorBytes: 'number' });
  return (await look(device, options.sectorBytes)).table;
}

/**
 * Writes the copy of a GPT that is damaged anew, from the other one, and makes it stable. The partitions stay as they are.
 *
 * @returns what was repaired, in words; nothing if nothing was wrong
 * @throws as {@link readPartitions}; SystemError EINVAL for a disk with an MBR, which has no second copy
 */
export async function repairPartitions(device: BlockDevice, options: PartitionOptions = {}): Promise<string[]> {
  checkDevice('device', device, 'repairPartitions');
  checkOptions('repairPartitions', options, { sectorBytes: 'number' });
  const { table, disk, primary, backup } = await look(device, options.sectorBytes);
  if (table.kind !== 'gpt') throw refuse('an MBR has no second copy to be repaired from');
  const repaired: string[] = [];
  if (typeof primary === 'string') {
    // The backup says where the first one was, and everybody else finds it there alone.
    const { header, entries } = backup as GptCopy;
    if (2 + Math.ceil(entries.length / disk.sectorBytes) > header.firstUsable)
      throw refuse(`there is no room for the first copy's entries before sector ${header.firstUsable}, where partitions can be`);
    await writeCopy(disk, entries, otherHeader(header, 1, 2), 2, 1);
    repaired.push('the first header and its entries');
  } else if (typeof backup === 'string' || !isAtEnd(disk, backup)) {
    const { header, entries } = primary;
    const at = disk.sectors - 1;
    const entriesSector = at - Math.ceil(entries.length / disk.sectorBytes);
    if (entriesSector <= header.lastUsable)
      throw refuse(`there is no room for the backup's entries behind sector ${header.lastUsable}`);
    await writeCopy(disk, entries, otherHeader(header, at, entriesSector), entriesSector, at);
    // Which also says where the backup is now.
    if (header.otherSector !== at) await writeCopy(disk, entries, headerWithOther(header, at), header.entriesSector, 1);
    repaired.push('the backup header and its entries');
  }
  return repaired;
}

/**
 * Opens a partition as a device of its own, BSD's dk(4): a slice of the disk, which is claimed for all of its slices, and closed with the last of them.
 *
 * @throws SystemError ENODEV if there is no such partition, EINVAL if two have this name, EBUSY if it overlaps a slice that is open; as
 * {@link readPartitions}; TypeError ERR_INVALID_ARG_VALUE unless one of index, name and uuid is given
 */
export async function openPartition(device: BlockDevice, options: OpenPartitionOptions): Promise<BlockDevice> {
  checkDevice('device', device, 'openPartition');
  checkOptions('openPartition', options, {
    ...STACK_OPTIONS,
    sectorBytes: 'number',
    index: 'number',
    name: 'string',
    uuid: 'string',
  });
  const { index, name, uuid, sectorBytes, ...sliceOptions } = options;
  const given = [index, name, uuid].filter((value) => value !== undefined);
  if (given.length !== 1) throw invalidValue('options', 'an index, a name or a uuid, and one of them', { index, name, uuid });
  const { table } = await look(device, sectorBytes);
  const { offsetBytes, lengthBytes } = choose(table.partitions, { index, name, uuid });
  return openSlice(device, { ...sliceOptions, offsetBytes, lengthBytes });
}

type Choice = { readonly [Key in 'index' | 'name' | 'uuid']: OpenPartitionOptions[Key] | undefined };

function choose(partitions: readonly Partition[], { index, name, uuid }: Choice): Partition {
  const found = partitions.filter((one) => {
    if (index !== undefined) return one.index === index;
    return name !== undefined ? one.name === name : one.uuid === uuid?.toLowerCase();
  });
  const asked = index !== undefined ? `number ${index}` : name !== undefined ? `name '${name}'` : `uuid ${uuid}`;
  const [first, second] = found;
  if (first === undefined) {
    const there = partitions.map((one) => (one.name === '' ? `${one.index}` : `${one.index} '${one.name}'`)).join(', ');
    throw new SystemError(
      ENODEV,
      'openPartition',
      undefined,
      `there is no partition with ${asked}, only ${there || 'an empty table'}`,
    );
  }
  if (second === undefined) return first;
  throw refuse(`partitions ${first.index} and ${second.index} both have ${asked}: choose by number`);
}

/** A disk in sectors. */
interface Disk {
  readonly device: BlockDevice;
  readonly sectorBytes: number;
  readonly sectors: number;
}

/** What was found: the copies of a GPT, or why they are none. */
interface Found {
  readonly table: PartitionTable;
  readonly disk: Disk;
  readonly primary: GptCopy | string;
  readonly backup: GptCopy | string;
}

async function look(device: BlockDevice, asked: number | undefined): Promise<Found> {
  const sizeBytes = sizeOfDevice(device, 'readPartitions');
  const { blockSizeBytes } = device.limits;
  if (asked !== undefined) checkInteger('sectorBytes', asked, Math.max(512, blockSizeBytes), 4096);
  const possible = asked !== undefined ? [asked] : blockSizeBytes >= 512 ? [blockSizeBytes] : [512, 4096];
  let failure: unknown = null;
  for (const sectorBytes of possible) {
    const disk: Disk = { device, sectorBytes, sectors: Math.floor(sizeBytes / sectorBytes) };
    try {
      const found = await lookBySectors(disk);
      if (found !== null) return found;
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure !== null) throw failure;
  throw refuse('there is neither a GPT nor an MBR');
}

/** Null if there is nothing that counts in such sectors. */
async function lookBySectors(disk: Disk): Promise<Found | null> {
  const { sectorBytes, sectors } = disk;
  if (sectors < 2) return null;
  const record = parseBootRecord((await readSector(disk, 0)).subarray(0, 512));
  const primary = await readCopy(disk, 1);
  const backup = await readBackup(disk, primary);
  const copy = typeof primary === 'string' ? backup : primary;
  const hasOwn = record !== null && !record.isProtective && record.entries.some(({ type }) => type !== 0);
  if (typeof copy !== 'string' && !hasOwn) {
    const problems: string[] = [];
    if (record === null || !record.isProtective) problems.push('there is no protective MBR in front of the GPT');
    if (typeof primary === 'string') problems.push(`the first header is damaged (${primary}): the backup is used`);
    if (typeof backup === 'string') problems.push(`the backup header is damaged: ${backup}`);
    else if (!isAtEnd(disk, backup))
      problems.push(
        `the backup header is in sector ${backup.header.ownSector}, and the disk has grown: it ends with ${sectors - 1}`,
      );
    const isHybrid = record?.isHybrid ?? false;
    const partitions = gptPartitions(copy, sectorBytes);
    const table: PartitionTable = { kind: 'gpt', sectorBytes, uuid: copy.header.diskGuid, partitions, isHybrid, problems };
    return { table, disk, primary, backup };
  }
  if (record === null) return null;
  if (record.isProtective) {
    throw refuse(
      `the MBR says that there is a GPT, and both copies of that are damaged: at sector 1 ${primary}, at the end ${backup}`,
    );
  }
  const problems = typeof copy === 'string' ? [] : ['there is a GPT too, which the MBR does not name: it is left over'];
  const partitions = await readMbrPartitions(record, sectorBytes, sectors, async (number) =>
    (await readSector(disk, number)).subarray(0, 512),
  );
  const uuid = record.signature.toString(16).padStart(8, '0');
  return { table: { kind: 'mbr', sectorBytes, uuid, partitions, isHybrid: false, problems }, disk, primary, backup };
}

/** The backup, which is where the first copy says, or else in the last sector. */
async function readBackup(disk: Disk, primary: GptCopy | string): Promise<GptCopy | string> {
  const last = disk.sectors - 1;
  const said = typeof primary === 'string' ? last : primary.header.otherSector;
  if (said > last) return `it should be in sector ${said}, and the disk has ${disk.sectors}`;
  const copy = said < 2 ? 'it should be where the first one is' : await readCopy(disk, said);
  if (typeof copy === 'string' || typeof primary === 'string') return copy;
  if (copy.header.diskGuid !== primary.header.diskGuid) return `it is that of another disk, ${copy.header.diskGuid}`;
  return copy.header.entriesCrc === primary.header.entriesCrc ? copy : 'its entries are others than those of the first one';
}

function isAtEnd({ sectors }: Disk, { header }: GptCopy): boolean {
  return header.ownSector === sectors - 1;
}

async function readCopy(disk: Disk, at: number): Promise<GptCopy | string> {
  try {
    const header = parseGptHeader(await readSector(disk, at), at, disk.sectors);
    if (typeof header === 'string') return header;
    const lengthBytes = header.entryCount * header.entryBytes;
    const entries = await readBytes(disk.device, header.entriesSector * disk.sectorBytes, lengthBytes, 'readPartitions');
    return crc32(entries) === header.entriesCrc ? { header, entries } : 'the checksum of its entries is wrong';
  } catch (error) {
    // A disk with a bad place at one copy is what the other one is for.
    return `it cannot be read: ${(error as Error).message}`;
  }
}

function readSector({ device, sectorBytes }: Disk, number: number): Promise<Buffer> {
  return readBytes(device, number * sectorBytes, sectorBytes, 'readPartitions');
}

/** Entries first: until its header is there, they are nobody's. */
async function writeCopy(disk: Disk, entries: Buffer, header: Buffer, entriesSector: number, at: number): Promise<void> {
  const { device, sectorBytes } = disk;
  const whole = (bytes: Buffer): Buffer => {
    const padded = Buffer.alloc(Math.ceil(bytes.length / sectorBytes) * sectorBytes);
    bytes.copy(padded);
    return padded;
  };
  await writeStable(device, entriesSector * sectorBytes, whole(entries), 'repairPartitions');
  await writeStable(device, at * sectorBytes, whole(header), 'repairPartitions');
}

/** The first header, which names another sector for the backup. */
function headerWithOther(header: GptHeader, otherSector: number): Buffer {
  return otherHeader({ ...header, ownSector: otherSector }, 1, header.entriesSector);
}
