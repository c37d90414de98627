import { checkOverlaps, type NamedRange, type Partition, refuse } from './partition-table.js';

const SIGNATURE_AT = 510;
const DISK_SIGNATURE_AT = 440;
const ENTRIES_AT = 446;
const ENTRY_BYTES = 16;

const EMPTY = 0;
const PROTECTIVE = 0xee;
/** Extended partitions, as DOS, Windows and Linux write them. */
const EXTENDED: ReadonlySet<number> = new Set([0x05, 0x0f, 0x85]);

/** More logical partitions than anybody has: a chain that is longer is no chain. */
const LOGICAL_MAX = 255;

interface Entry {
  readonly type: number;
  readonly first: number;
  readonly count: number;
}

/** What the first sector says. */
export interface BootRecord {
  readonly entries: readonly Entry[];
  readonly signature: number;
  /** Whether it only says that there is a GPT behind it, and perhaps more. */
  readonly isProtective: boolean;
  readonly isHybrid: boolean;
}

/** The first sector as a table; null if it is none: without its signature, or with bytes that no table has, as the boot sector of a file system. */
export function parseBootRecord(sector: Buffer): BootRecord | null {
  if (sector.readUInt16LE(SIGNATURE_AT) !== 0xaa55) return null;
  const entries: Entry[] = [];
  for (let index = 0; index < 4; index++) {
    const at = ENTRIES_AT + index * ENTRY_BYTES;
    const status = sector[at] as number;
    if (status !== 0 && status !== 0x80) return null;
    entries.push({ type: sector[at + 4] as number, first: sector.readUInt32LE(at + 8), count: sector.readUInt32LE(at + 12) });
  }
  const isProtective = entries.some(({ type }) => type === PROTECTIVE);
  return {
    entries,
    signature: sector.readUInt32LE(DISK_SIGNATURE_AT),
    isProtective,
    isHybrid: isProtective && entries.some(({ type }) => type !== PROTECTIVE && type !== EMPTY),
  };
}

/**
 * The partitions of an MBR, with the logical ones in an extended one.
 *
 * @param readSector reads a sector by its number
 * @param sectors how many the disk has
 * @throws SystemError EINVAL that names what overlaps, lies outside or goes in circles
 */
export async function readMbrPartitions(
  { entries, signature }: BootRecord,
  sectorBytes: number,
  sectors: number,
  readSector: (number: number) => Promise<Buffer>,
): Promise<Partition[]> {
  const partitions: Partition[] = [];
  const ranges: NamedRange[] = [];
  const logical: NamedRange[] = [];
  const add = (index: number, { type, first, count }: Entry, among: NamedRange[]): void => {
    const what = `partition ${index}`;
    checkInside(what, first, count, sectors);
    among.push({ what, first, last: first + count - 1 });
    partitions.push({
      index,
      offsetBytes: first * sectorBytes,
      lengthBytes: count * sectorBytes,
      type: hexadecimal(type, 2),
      uuid: `${hexadecimal(signature, 8)}-${hexadecimal(index, 2)}`,
      name: '',
    });
  };
  let extended: Entry | null = null;
  for (const [index, entry] of entries.entries()) {
    if (entry.type === EMPTY || entry.count === 0) continue;
    if (!EXTENDED.has(entry.type)) {
      add(index + 1, entry, ranges);
      continue;
    }
    const what = `extended partition ${index + 1}`;
    if (extended !== null) throw refuse(`${what} is the second one: a disk has one`);
    checkInside(what, entry.first, entry.count, sectors);
    ranges.push({ what, first: entry.first, last: entry.first + entry.count - 1 });
    extended = entry;
  }
  checkOverlaps(ranges);
  if (extended !== null) {
    for (const [index, entry] of (await readChain(extended, readSector)).entries()) add(5 + index, entry, logical);
    checkOverlaps(logical);
  }
  return partitions;
}

/** Logical partitions: each sector of the chain has one, and says where the next sector is. */
async function readChain(extended: Entry, readSector: (number: number) => Promise<Buffer>): Promise<Entry[]> {
  const found: Entry[] = [];
  const seen = new Set<number>();
  const end = extended.first + extended.count;
  for (let at = extended.first; ; ) {
    if (seen.has(at)) throw refuse(`the chain of logical partitions comes back to sector ${at}: it goes in circles`);
    if (seen.size === LOGICAL_MAX) throw refuse(`there are more than ${LOGICAL_MAX} logical partitions`);
    seen.add(at);
    const record = parseBootRecord(await readSector(at));
    if (record === null) {
      // An extended partition that holds nothing yet need not have a table.
      if (at === extended.first) return found;
      throw refuse(`sector ${at} in the chain of logical partitions holds no table`);
    }
    const [own, next] = record.entries as [Entry, Entry];
    if (own.type !== EMPTY && own.count > 0) {
      const first = at + own.first;
      const what = `logical partition ${5 + found.length}`;
      if (first < extended.first || first + own.count > end) {
        throw refuse(`${what} (sectors ${first} to ${first + own.count - 1}) lies outside of the extended partition`);
      }
      if (own.first === 0) throw refuse(`${what} begins with the sector of its own table, ${at}`);
      found.push({ ...own, first });
    }
    if (next.type === EMPTY || next.count === 0) return found;
    if (!EXTENDED.has(next.type))
      throw refuse(`sector ${at} in the chain of logical partitions names a next one of type ${hexadecimal(next.type, 2)}`);
    at = extended.first + next.first;
    if (at >= end) throw refuse(`the chain of logical partitions leads out of the extended partition, to sector ${at}`);
  }
}

function checkInside(what: string, first: number, count: number, sectors: number): void {
  if (first === 0) throw refuse(`${what} begins with the table's own sector`);
  if (first + count <= sectors) return;
  throw refuse(`${what} (sectors ${first} to ${first + count - 1}) lies outside of the disk, which has ${sectors}`);
}

function hexadecimal(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
