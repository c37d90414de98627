import { EINVAL, SystemError } from '@biodone/uring';

/** A partition, as a table has it. */
export interface Partition {
  /** Its number: in a GPT its place from 1 on; in an MBR 1 to 4, and from 5 on for logical ones. */
  readonly index: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** What it is for: a GUID in a GPT, two hexadecimal digits in an MBR. */
  readonly type: string;
  /** Its own GUID; in an MBR the disk's signature and the partition's number, as Linux has it (PARTUUID). */
  readonly uuid: string;
  /** Its label; '' in an MBR. */
  readonly name: string;
}

/** What is on a disk. */
export interface PartitionTable {
  readonly kind: 'gpt' | 'mbr';
  /** What the table counts in. */
  readonly sectorBytes: number;
  /** The disk's GUID, or its signature of eight hexadecimal digits. */
  readonly uuid: string;
  /** In the order of their numbers. */
  readonly partitions: readonly Partition[];
  /** Whether the MBR in front of a GPT names partitions of its own, which are not looked at. */
  readonly isHybrid: boolean;
  /** What is wrong with it, and does not keep it from being used, such as a damaged copy. */
  readonly problems: readonly string[];
}

/** The error for a table that cannot be used. */
export function refuse(what: string): SystemError {
  return new SystemError(EINVAL, 'readPartitions', undefined, what);
}

/** A range of sectors, with its name for messages. */
export interface NamedRange {
  readonly what: string;
  readonly first: number;
  readonly last: number;
}

/** @throws SystemError EINVAL that names two ranges that overlap */
export function checkOverlaps(ranges: readonly NamedRange[]): void {
  const sorted = [...ranges].sort((one, other) => one.first - other.first);
  for (const [index, next] of sorted.entries()) {
    const before = sorted[index - 1];
    if (before === undefined || before.last < next.first) continue;
    throw refuse(
      `${next.what} (sectors ${next.first} to ${next.last}) overlaps ${before.what} (${before.first} to ${before.last})`,
    );
  }
}
