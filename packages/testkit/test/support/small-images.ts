import { deflateRawSync } from 'node:zlib';

/** What the images hold, of which some is zeros. */
const CONTENT_BYTES = 2 ** 20;
const CLUSTER = 4096;
const VHD_BLOCK = 65_536;
const SECTOR = 512;

/** Bytes of which each cluster has its own, and every third one none. */
export function imageContent(): Uint8Array {
  const content = new Uint8Array(CONTENT_BYTES);
  for (let at = 0; at < content.length; at++) {
    const cluster = Math.floor(at / CLUSTER);
    if (cluster % 3 !== 0 && cluster < 200) content[at] = ((at >>> 9) * 31 + (at >>> 6) * 7 + cluster) & 255;
  }
  return content;
}

/** A qcow2 image of this content, with clusters that are there, compressed, zeros, or nowhere. */
export function qcow2Of(content: Uint8Array): Buffer {
  const entries = CLUSTER / 8;
  const clusters = content.length / CLUSTER;
  const tables = Math.ceil(clusters / entries);
  const l1At = CLUSTER;
  const parts: Buffer[] = [];
  let end = l1At + CLUSTER + tables * CLUSTER;
  const l2 = Buffer.alloc(tables * CLUSTER);
  for (let index = 0; index < clusters; index++) {
    const bytes = Buffer.from(content.subarray(index * CLUSTER, (index + 1) * CLUSTER));
    let entry = 0n;
    if (bytes.every((byte) => byte === 0)) {
      // Every other one says so; the rest is not there.
      entry = index % 2 === 0 ? 1n : 0n;
    } else if (index % 5 === 0) {
      const compressed = deflateRawSync(bytes);
      const sectors = Math.ceil(((end % SECTOR) + compressed.length) / SECTOR);
      const bits = BigInt(62 - (Math.log2(CLUSTER) - 8));
      entry = (1n << 62n) | (BigInt(sectors - 1) << bits) | BigInt(end);
      const padded = Buffer.alloc(sectors * SECTOR - (end % SECTOR));
      compressed.copy(padded);
      parts.push(padded);
      end += padded.length;
    } else {
      const padding = Buffer.alloc((CLUSTER - (end % CLUSTER)) % CLUSTER);
      entry = (1n << 63n) | BigInt(end + padding.length);
      parts.push(padding, bytes);
      end += padding.length + CLUSTER;
    }
    l2.writeBigUInt64BE(entry, index * 8);
  }
  const l1 = Buffer.alloc(CLUSTER);
  for (let table = 0; table < tables; table++)
    l1.writeBigUInt64BE((1n << 63n) | BigInt(l1At + CLUSTER + table * CLUSTER), table * 8);
  const header = Buffer.alloc(CLUSTER);
  header.writeUInt32BE(0x514649fb, 0);
  header.writeUInt32BE(3, 4);
  header.writeUInt32BE(Math.log2(CLUSTER), 20);
  header.writeBigUInt64BE(BigInt(content.length), 24);
  header.writeUInt32BE(tables, 36);
  header.writeBigUInt64BE(BigInt(l1At), 40);
  header.writeUInt32BE(4, 96);
  header.writeUInt32BE(104, 100);
  return Buffer.concat([header, l1, l2, ...parts]);
}

/** A dynamic VHD image of this content, as long as the device that it is to lie on. */
export function vhdOf(content: Uint8Array, deviceBytes: number): Buffer {
  const image = Buffer.alloc(deviceBytes);
  const blocks = Math.ceil(content.length / VHD_BLOCK);
  const tableAt = 1536;
  let end = tableAt + Math.ceil((blocks * 4) / SECTOR) * SECTOR;
  for (let block = 0; block < blocks; block++) {
    const bytes = content.subarray(block * VHD_BLOCK, (block + 1) * VHD_BLOCK);
    if (bytes.every((byte) => byte === 0)) {
      image.writeUInt32BE(0xffffffff, tableAt + 4 * block);
      continue;
    }
    image.writeUInt32BE(end / SECTOR, tableAt + 4 * block);
    for (let sector = 0; sector < VHD_BLOCK / SECTOR; sector++) {
      const part = bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR);
      if (part.every((byte) => byte === 0)) continue;
      image[end + (sector >>> 3)] = (image[end + (sector >>> 3)] as number) | (128 >>> (sector & 7));
      image.set(part, end + SECTOR + sector * SECTOR);
    }
    end += SECTOR + VHD_BLOCK;
  }
  if (end > deviceBytes - SECTOR) throw new Error(`an image of ${end} bytes does not fit`);
  const header = image.subarray(SECTOR, SECTOR + 1024);
  header.write('cxsparse');
  header.writeBigUInt64BE(BigInt(tableAt), 16);
  header.writeUInt32BE(0x10000, 24);
  header.writeUInt32BE(blocks, 28);
  header.writeUInt32BE(VHD_BLOCK, 32);
  header.writeUInt32BE(complement(header), 36);
  const footer = image.subarray(deviceBytes - SECTOR);
  footer.write('conectix');
  footer.writeUInt32BE(0x10000, 12);
  footer.writeBigUInt64BE(BigInt(SECTOR), 16);
  footer.writeBigUInt64BE(BigInt(content.length), 48);
  footer.writeUInt32BE(3, 60);
  footer.writeUInt32BE(complement(footer), 64);
  footer.copy(image, 0);
  return image;
}

function complement(bytes: Uint8Array): number {
  return ~bytes.reduce((sum, byte) => sum + byte, 0) >>> 0;
}
