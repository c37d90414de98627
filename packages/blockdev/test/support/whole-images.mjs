// Images of which every part is there, to be read from memory: what is measured is the way through their tables.

import { BLOCK_WRITE, BlockIo, openMem } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const CLUSTER_BYTES = 4096;
const VHD_BLOCK_BYTES = 2 ** 16;
const SECTOR_BYTES = 512;
const ALIGNED_BYTES = 4096;

/** A qcow2 image of this size, in memory. */
export function wholeQcow2(sizeBytes) {
  const clusters = sizeBytes / CLUSTER_BYTES;
  const tables = Math.ceil((clusters * 8) / CLUSTER_BYTES);
  const dataAt = (2 + tables) * CLUSTER_BYTES;
  const image = Buffer.alloc(dataAt + sizeBytes);
  image.writeUInt32BE(0x514649fb, 0);
  image.writeUInt32BE(3, 4);
  image.writeUInt32BE(Math.log2(CLUSTER_BYTES), 20);
  image.writeBigUInt64BE(BigInt(sizeBytes), 24);
  image.writeUInt32BE(tables, 36);
  image.writeBigUInt64BE(BigInt(CLUSTER_BYTES), 40);
  image.writeUInt32BE(4, 96);
  image.writeUInt32BE(104, 100);
  const entry = (at) => (1n << 63n) | BigInt(at);
  for (let index = 0; index < tables; index++) {
    image.writeBigUInt64BE(entry((2 + index) * CLUSTER_BYTES), CLUSTER_BYTES + 8 * index);
  }
  // From the last one to the first: no two of them are read as one.
  for (let index = 0; index < clusters; index++) {
    image.writeBigUInt64BE(entry(dataAt + (clusters - 1 - index) * CLUSTER_BYTES), 2 * CLUSTER_BYTES + 8 * index);
  }
  return inMemory(image);
}

/** A dynamic VHD image of this size, in memory. */
export function wholeVhd(sizeBytes) {
  const blocks = sizeBytes / VHD_BLOCK_BYTES;
  const tableAt = 1536;
  const firstData = Math.ceil((tableAt + blocks * 4 + SECTOR_BYTES) / ALIGNED_BYTES) * ALIGNED_BYTES;
  // Before a block's data are the bits of its sectors; and the memory disk makes a number of each address that is no multiple of this.
  const blockAt = (block) => firstData - SECTOR_BYTES + block * (ALIGNED_BYTES + VHD_BLOCK_BYTES);
  const image = Buffer.alloc(blockAt(blocks) + SECTOR_BYTES);
  for (let block = 0; block < blocks; block++) {
    image.writeUInt32BE(blockAt(block) / SECTOR_BYTES, tableAt + 4 * block);
    image.fill(255, blockAt(block), blockAt(block) + VHD_BLOCK_BYTES / SECTOR_BYTES / 8);
  }
  const header = image.subarray(SECTOR_BYTES, SECTOR_BYTES + 1024);
  header.write('cxsparse');
  header.writeBigUInt64BE(BigInt(tableAt), 16);
  header.writeUInt32BE(0x10000, 24);
  header.writeUInt32BE(blocks, 28);
  header.writeUInt32BE(VHD_BLOCK_BYTES, 32);
  header.writeUInt32BE(complement(header), 36);
  const footer = image.subarray(image.length - SECTOR_BYTES);
  footer.write('conectix');
  footer.writeUInt32BE(0x10000, 12);
  footer.writeBigUInt64BE(BigInt(SECTOR_BYTES), 16);
  footer.writeBigUInt64BE(BigInt(sizeBytes), 48);
  footer.writeUInt32BE(3, 60);
  footer.writeUInt32BE(complement(footer), 64);
  footer.copy(image, 0);
  return inMemory(image);
}

function complement(bytes) {
  return ~bytes.reduce((sum, byte) => sum + byte, 0) >>> 0;
}

function inMemory(image) {
  const device = openMem(image.length);
  const io = new BlockIo();
  io.operation = BLOCK_WRITE;
  io.buffer = IoBuffer.allocate(image.length);
  io.buffer.bytes.set(image);
  io.lengthBytes = image.length;
  device.strategySync(io);
  return device;
}
