import { EEXIST, EINVAL, IoBuffer, SystemError } from '@biodone/uring';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, BlockIo } from '../block-io.js';
import { checkDevice, checkOptions, type OptionKinds, STACK_OPTIONS } from '../check-options.js';
import type { BlockClaim } from '../claims.js';
import { checkInteger, outOfRange } from '../errors.js';
import { BlockDigest } from './checksum-digest.js';
import { ChecksumDriver } from './checksum-driver.js';
import { writeEmptyTable } from './checksum-format.js';
import {
  CHECKSUM_HEADER_BYTES,
  type ChecksumHeader,
  decodeChecksumHeader,
  encodeChecksumHeader,
  layoutOf,
  newHeader,
  planLayout,
  secondHeaderOffset,
} from './checksum-layout.js';
import { readJournals } from './checksum-recovery.js';
import { hasChecksums } from './checksum-scrub.js';
import { runIo, sizeOfDevice } from './child-device.js';

/** Options of {@link openChecksum}. */
export interface ChecksumOptions extends BlockDeviceOptions {
  /**
   * Makes a new device of it: writes header and table, and all blocks read as zeros. What was there is lost.
   * @default false
   */
  create?: boolean;
  /**
   * With `create`: what has one checksum, a power of two from 512 to 65536.
   * @default 4096
   */
  blockBytes?: number;
  /**
   * A divisor of the block, if smaller writes are wanted: each is then a read and a write of its block.
   * @default the block
   */
  blockSizeBytes?: number;
  /** @default that of the device below */
  readOnly?: boolean;
  /**
   * How much of the table is kept in memory: 16 bytes a block.
   * @default 8388608
   */
  cacheBytes?: number;
  /**
   * How many requests are worked on at a time; the others wait, in order.
   * @default 256
   */
  childrenMax?: number;
  /**
   * Closes the device below with this one.
   * @default true
   */
  closeChildren?: boolean;
}

const CHECKSUM_OPTIONS: OptionKinds = {
  ...STACK_OPTIONS,
  create: 'boolean',
  blockBytes: 'number',
  blockSizeBytes: 'number',
  readOnly: 'boolean',
  cacheBytes: 'number',
};

/**
 * Opens a device over another one that keeps a checksum of every block, and holds what it reads against it: a block that reads back other than it
 * was written last ends the read with EILSEQ, and is never data, be it damaged, an older version, or a block of another address. EIO says that the
 * checksum itself is not to be read. Under a mirror such a block is read from the other half, and written anew.
 *
 * What is written is in the memory of this device at first, as in a disk's cache: a flush, BLOCK_FUA, a full journal or the end takes it to the device
 * below, to a journal and then to its place. So a power cut leaves of each block what was flushed last, or something newer, and always something that
 * can be read.
 *
 * The device is for one thread: `handle()` refuses, with ENOTSUP. What is read into memory that WebAssembly sees (`IoBuffer.inWebAssembly`) is not copied for
 * its digest; what is written is copied before `strategy` returns, or where there is no room yet, when there is.
 *
 * @throws SystemError EINVAL for a device without a header, without a fixed end or without room, EEXIST for `create` on one that has a header, ENOSYS
 * where there is no WebAssembly with vectors, ENOMEM where the system refuses its address space, EBUSY if somebody has claimed the device; what its requests end with; RangeError ERR_OUT_OF_RANGE. The
 * device below stays open then.
 *
 * @example
 * ```js
 * import { BLOCK_READ, BlockIo, openChecksum, openMem, scrub } from '@biodone/blockdev';
 * import { IoBuffer } from '@biodone/uring';
 *
 * const disk = openMem(2 ** 20);
 * const device = await openChecksum(disk, { create: true });
 * const io = new BlockIo();
 * io.operation = BLOCK_READ;
 * io.buffer = IoBuffer.allocate(4096);
 * io.lengthBytes = 4096;
 * device.strategySync(io);
 * console.log(io.error, (await scrub(device)).bad); // 0 []
 * await device.close();
 * ```
 */
export async function openChecksum(device: BlockDevice, options: ChecksumOptions = {}): Promise<BlockDevice> {
  checkDevice('device', device, 'openChecksum');
  checkOptions('openChecksum', options, CHECKSUM_OPTIONS);
  checkWebAssembly();
  const { create = false, closeChildren = true } = options;
  const cacheBytes = checkInteger('cacheBytes', options.cacheBytes ?? 8 * 2 ** 20, 1, 2 ** 31);
  const childrenMax = checkInteger('childrenMax', options.childrenMax ?? 256, 1, 4096);
  const readOnly = (options.readOnly ?? false) || device.capabilities.readOnly;
  const claim = device.attached ? null : device.claim(readOnly ? 'read-many-write-none' : 'read-many-write-one');
  try {
    const header = create ? await format(device, claim, options) : await readHeader(device, claim);
    const blockSizeBytes = checkBlockSize(options.blockSizeBytes ?? header.blockBytes, header.blockBytes);
    const close = async (): Promise<void> => {
      claim?.release();
      if (closeChildren) await device.close();
    };
    const mark = (appliedSequence: number): Promise<void> =>
      writeHeaders(device, claim, { ...header, appliedSequence, generation: header.generation + 1 });
    const parts = { device, claim, header, blockSizeBytes, readOnly, cacheBytes, childrenMax, close, mark };
    const driver = new ChecksumDriver(parts);
    await readJournals(driver, device, claim, header, readOnly);
    if (driver.commit.sequence !== header.appliedSequence && !readOnly) await mark(driver.commit.sequence);
    return hasChecksums(new BlockDevice(driver, options), driver);
  } catch (error) {
    claim?.release();
    throw error;
  }
}

let hasWebAssembly = false;

/** Before anything is written: a device that is made anew has lost what was on it. @throws SystemError ENOSYS, ENOMEM */
function checkWebAssembly(): void {
  if (hasWebAssembly) return;
  new BlockDigest(512);
  hasWebAssembly = true;
}

function checkBlockSize(blockSizeBytes: number, blockBytes: number): number {
  checkInteger('blockSizeBytes', blockSizeBytes, 1, blockBytes);
  if (blockBytes % blockSizeBytes === 0) return blockSizeBytes;
  throw outOfRange('blockSizeBytes', `a divisor of the block, ${blockBytes} bytes`, blockSizeBytes);
}

/** Writes a new table and header. */
async function format(device: BlockDevice, claim: BlockClaim | null, options: ChecksumOptions): Promise<ChecksumHeader> {
  const sizeBytes = sizeOfDevice(device, 'openChecksum');
  const blockBytes = checkInteger('blockBytes', options.blockBytes ?? 4096, 512, 65536);
  const unit = Math.max(512, device.limits.blockSizeBytes);
  if ((blockBytes & (blockBytes - 1)) !== 0) throw outOfRange('blockBytes', 'a power of two', blockBytes);
  if (blockBytes % unit !== 0) throw outOfRange('blockBytes', `a multiple of the block below, ${unit} bytes`, blockBytes);
  if (options.blockSizeBytes !== undefined) checkBlockSize(options.blockSizeBytes, blockBytes);
  if (secondHeaderOffset(sizeBytes) > 0 && (await findHeader(device, claim)) !== null) {
    const message = 'it has checksums already: open it without create, or overwrite its first and last 4096 bytes';
    throw new SystemError(EEXIST, 'openChecksum', undefined, message);
  }
  const pageBytes = unit % 512 === 0 ? unit : blockBytes;
  const layout = planLayout(sizeBytes, blockBytes, pageBytes);
  const header = newHeader(layout);
  await writeEmptyTable(device, claim, layout, header);
  await writeHeaders(device, claim, header);
  return header;
}

async function readHeader(device: BlockDevice, claim: BlockClaim | null): Promise<ChecksumHeader> {
  const sizeBytes = sizeOfDevice(device, 'openChecksum');
  const header = secondHeaderOffset(sizeBytes) > 0 ? await findHeader(device, claim) : null;
  if (header === null) {
    const message =
      'there is no header of checksums, at the beginning or at the end: make one with create, which loses what is there';
    throw new SystemError(EINVAL, 'openChecksum', undefined, message);
  }
  const { usedBytes } = layoutOf(header);
  if (usedBytes <= sizeBytes) return header;
  throw new SystemError(
    EINVAL,
    'openChecksum',
    undefined,
    `the device has ${sizeBytes} bytes, and had ${usedBytes}: its end is missing`,
  );
}

/** The newer of the copies of the header that are whole; null if none is. */
async function findHeader(device: BlockDevice, claim: BlockClaim | null): Promise<ChecksumHeader | null> {
  const io = ioFor(claim, CHECKSUM_HEADER_BYTES);
  let found: ChecksumHeader | null = null;
  const damaged: number[] = [];
  for (const offset of [0, secondHeaderOffset(sizeOfDevice(device, 'openChecksum'))]) {
    io.operation = BLOCK_READ;
    io.offset = offset;
    const isRead = await runIo(device, io, 'openChecksum').then(
      () => true,
      () => false,
    );
    const bytes = Buffer.from((io.buffer as IoBuffer).bytes.subarray(0, CHECKSUM_HEADER_BYTES));
    const header = isRead ? decodeChecksumHeader(bytes) : null;
    if (header === null) damaged.push(offset);
    else if (found === null || header.generation > found.generation) found = header;
  }
  return found;
}

/** Makes all that was written before stable, and then the header, a copy at a time: one of them is whole whenever the power fails. */
async function writeHeaders(device: BlockDevice, claim: BlockClaim | null, header: ChecksumHeader): Promise<void> {
  const io = ioFor(claim, CHECKSUM_HEADER_BYTES);
  const memory = (io.buffer as IoBuffer).bytes;
  const flush = ioFor(claim, 0);
  flush.operation = BLOCK_FLUSH;
  await runIo(device, flush, 'openChecksum');
  memory.set(encodeChecksumHeader(header));
  for (const offset of layoutOf(header).headerOffsets) {
    io.operation = BLOCK_WRITE;
    io.offset = offset;
    await runIo(device, io, 'openChecksum');
    await runIo(device, flush, 'openChecksum');
  }
}

/** A request with memory of its own. */
function ioFor(claim: BlockClaim | null, lengthBytes: number): BlockIo {
  const io = new BlockIo();
  io.claim = claim;
  io.lengthBytes = lengthBytes;
  if (lengthBytes > 0) io.buffer = IoBuffer.allocate(lengthBytes);
  return io;
}
