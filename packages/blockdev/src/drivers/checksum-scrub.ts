import { EINVAL, IoBuffer, SystemError } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_READ, BlockIo } from '../block-io.js';
import { checkDevice, checkOptions } from '../check-options.js';
import { EILSEQ } from '../errno.js';
import type { ChecksumDriver } from './checksum-driver.js';

/** Options of {@link scrub}. */
export interface ScrubOptions {
  /** Ends it early: the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
  /** Is told how much of the device has been read. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/**
 * What is wrong with a block: it is what was there before it was written last (`'stale'`), what belongs to another address (`'misdirected'`), neither
 * (`'damaged'`), or it or its checksum cannot be read (`'unreadable'`).
 */
export type BadBlockCause = 'stale' | 'misdirected' | 'damaged' | 'unreadable';

/** A block that is not what was written. */
export interface BadBlock {
  readonly offset: number;
  readonly lengthBytes: number;
  /** What reads of it end with: EILSEQ, or EIO, or what the device below says. */
  readonly error: number;
  readonly cause: BadBlockCause;
}

/** What a scrub has found. */
export interface ScrubResult {
  /** How much was read. */
  readonly checkedBytes: number;
  /** The blocks that are not what was written, at most 1000 of them. */
  readonly bad: readonly BadBlock[];
  /** How many there are in all. */
  readonly badCount: number;
}

const BAD_MAX = 1000;

/** The drivers of the devices that have checksums. */
const drivers = new WeakMap<BlockDevice, ChecksumDriver>();

/** Makes a device known to {@link scrub}. */
export function hasChecksums(device: BlockDevice, driver: ChecksumDriver): BlockDevice {
  drivers.set(device, driver);
  return device;
}

/**
 * Reads all blocks of a device that `openChecksum` or `openDevice` has opened, and says which are not what was written, and why, as far as that can be told.
 * The device can be used meanwhile; what is bad stays bad until it is written, by its user or by a mirror over it.
 *
 * @throws SystemError EINVAL for a device without checksums; TypeError ERR_INVALID_ARG_VALUE for an option that there is not; the signal's reason
 */
export async function scrub(device: BlockDevice, options: ScrubOptions = {}): Promise<ScrubResult> {
  checkDevice('device', device, 'scrub');
  checkOptions('scrub', options, { signal: 'object', onProgress: 'function' });
  const driver = drivers.get(device);
  if (driver === undefined)
    throw new SystemError(EINVAL, 'scrub', undefined, 'the device has no checksums: it is not one of openChecksum()');
  const { signal, onProgress } = options;
  const { maxTransferBytes, transferUnitBytes } = device.limits;
  const total = device.limits.sizeBytes ?? 0;
  const io = new BlockIo();
  io.operation = BLOCK_READ;
  io.buffer = IoBuffer.allocate(maxTransferBytes);
  const bad: BadBlock[] = [];
  let badCount = 0;
  for (let offset = 0; offset < total; ) {
    signal?.throwIfAborted();
    io.offset = offset;
    io.lengthBytes = Math.min(maxTransferBytes, total - offset);
    await new Promise<void>((resolve) => {
      io.iodone = () => resolve();
      device.strategy(io);
    });
    offset += io.transferredBytes;
    if (io.error !== 0) {
      badCount += 1;
      if (bad.length < BAD_MAX) bad.push(describeBad(driver, offset, transferUnitBytes, io.error));
      offset += transferUnitBytes;
    }
    onProgress?.(offset, total);
  }
  return { checkedBytes: total, bad, badCount };
}

function describeBad(driver: ChecksumDriver, offset: number, lengthBytes: number, error: number): BadBlock {
  const cause = error === EILSEQ ? driver.causeOf(offset / lengthBytes) : 'unreadable';
  return { offset, lengthBytes, error, cause };
}
