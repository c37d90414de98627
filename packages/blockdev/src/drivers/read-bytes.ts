import { EIO, IoBuffer, SystemError } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, BlockIo, type ClaimToken } from '../block-io.js';
import { runIo } from './child-device.js';

/**
 * Reads bytes of a device that need not begin or end with a block. Short reads at the end are made up with zeros if `isPadded`.
 *
 * @throws SystemError EIO if the device ends before; what the request ended with
 */
export async function readBytes(
  device: BlockDevice,
  offset: number,
  lengthBytes: number,
  call: string,
  { claim = null, isPadded = false }: { claim?: ClaimToken | null; isPadded?: boolean } = {},
): Promise<Buffer> {
  const { blockSizeBytes } = device.limits;
  const begin = offset - (offset % blockSizeBytes);
  const io = new BlockIo();
  io.claim = claim;
  io.operation = BLOCK_READ;
  io.offset = begin;
  const end = Math.ceil((offset + lengthBytes) / blockSizeBytes) * blockSizeBytes;
  io.lengthBytes = isPadded ? Math.max(0, Math.min(end, device.limits.sizeBytes ?? end) - begin) : end - begin;
  const bytes = Buffer.alloc(lengthBytes);
  if (io.lengthBytes === 0) return bytes;
  io.buffer = IoBuffer.allocate(io.lengthBytes);
  await runIo(device, io, call);
  const there = Math.min(lengthBytes, io.transferredBytes - (offset - begin));
  if (there < lengthBytes && !isPadded)
    throw new SystemError(EIO, call, undefined, `the device ends before ${offset + lengthBytes}`);
  bytes.set(io.buffer.bytes.subarray(offset - begin, offset - begin + Math.max(0, there)));
  return bytes;
}

/** Writes whole blocks, and makes them stable. @throws SystemError what a request ended with */
export async function writeStable(device: BlockDevice, offset: number, bytes: Uint8Array, call: string): Promise<void> {
  const io = new BlockIo();
  io.operation = BLOCK_WRITE;
  io.offset = offset;
  io.lengthBytes = bytes.length;
  io.buffer = IoBuffer.allocate(bytes.length);
  io.buffer.bytes.set(bytes);
  await runIo(device, io, call);
  const flush = new BlockIo();
  flush.operation = BLOCK_FLUSH;
  await runIo(device, flush, call);
}
