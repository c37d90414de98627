import { IoBuffer } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_WRITE, BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import { BlockDigest } from './checksum-digest.js';
import { type ChecksumHeader, type ChecksumLayout, saltOf } from './checksum-layout.js';
import { ChecksumTable, NEVER_WRITTEN } from './checksum-table.js';
import { runIo } from './child-device.js';

/** How much of the table is written at a time. */
const PIECE_BYTES = 262144;

/** Writes the table of a new device: no block was ever written. Each page says so itself, so that one that was lost is not taken for an empty one. */
export async function writeEmptyTable(
  device: BlockDevice,
  claim: BlockClaim | null,
  layout: ChecksumLayout,
  header: ChecksumHeader,
): Promise<void> {
  const { pageBytes, pageCount } = layout;
  const digest = new BlockDigest(pageBytes);
  const table = new ChecksumTable(layout, digest, saltOf(header), 1);
  const io = new BlockIo();
  io.claim = claim;
  io.operation = BLOCK_WRITE;
  io.buffer = IoBuffer.allocate(Math.max(PIECE_BYTES, pageBytes));
  const pagesAtOnce = Math.floor(io.buffer.lengthBytes / pageBytes);
  for (let first = 0; first < pageCount; first += pagesAtOnce) {
    const count = Math.min(pagesAtOnce, pageCount - first);
    for (let index = 0; index < count; index++) {
      // The frame of the page before is free, since that is not to be kept.
      const frame = table.takeFrame();
      table.make(first + index, frame, NEVER_WRITTEN);
      table.seal(frame, 0);
      IoBuffer.copy(io.buffer, index * pageBytes, table.memory, table.frameOffset(frame), pageBytes);
    }
    io.offset = table.pageOffset(first);
    io.lengthBytes = count * pageBytes;
    await runIo(device, io, 'openChecksum');
  }
}
