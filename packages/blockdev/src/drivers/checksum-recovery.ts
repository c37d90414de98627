import { SystemError } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_READ, BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import type { ChecksumBatch } from './checksum-batch.js';
import type { ChecksumDriver } from './checksum-driver.js';
import type { ChecksumHeader } from './checksum-layout.js';
import { runIo } from './child-device.js';

/**
 * Looks for what the journals hold that may not be in its place, after the power has failed, and puts it there; on a device that is only read it stays in
 * memory, and is read there.
 *
 * @throws SystemError what a request to the device below ended with
 */
export async function readJournals(
  driver: ChecksumDriver,
  device: BlockDevice,
  claim: BlockClaim | null,
  header: ChecksumHeader,
  readOnly: boolean,
): Promise<void> {
  const { commit } = driver;
  const batches = [commit.moving, commit.active];
  for (const [index, batch] of batches.entries()) await readJournal(driver, device, claim, header, batch, index);
  const [older, newer] = [...batches].sort((one, other) => one.sequence - other.sequence) as [ChecksumBatch, ChecksumBatch];
  // What is newer is looked for first.
  commit.moving = older;
  commit.active = newer;
  if (readOnly) return;
  for (const batch of [older, newer]) if (!batch.isEmpty) await putInPlace(driver, batch);
}

async function readJournal(
  driver: ChecksumDriver,
  device: BlockDevice,
  claim: BlockClaim | null,
  header: ChecksumHeader,
  batch: ChecksumBatch,
  index: number,
): Promise<void> {
  const { layout, digest, salt } = driver;
  const io = new BlockIo();
  io.claim = claim;
  io.operation = BLOCK_READ;
  io.offset = layout.journalOffsets[index] as number;
  io.buffer = batch.memory;
  io.lengthBytes = layout.journalHeaderBytes;
  await runIo(device, io, 'openChecksum');
  if (!batch.readHeader(header.uuid, digest) || batch.sequence <= header.appliedSequence) {
    batch.clear();
    batch.sequence = 0;
    return;
  }
  io.offset += layout.journalHeaderBytes;
  io.buffer = batch.memory;
  io.bufferOffset = layout.journalHeaderBytes;
  io.lengthBytes = batch.count * layout.blockBytes;
  await runIo(device, io, 'openChecksum');
  batch.readBlocks(digest, salt);
}

async function putInPlace(driver: ChecksumDriver, batch: ChecksumBatch): Promise<void> {
  const error = await driver.recover(batch);
  if (error !== 0)
    throw new SystemError(error, 'openChecksum', undefined, 'what the journal holds could not be put in its place');
}
