import { EINVAL, ENOTSUP, SystemError } from '@biodone/uring';

/** How much of an image its header, with extensions and the name of the backing file, can take: one cluster, of which nobody needs more. */
export const QCOW2_HEADER_MAX_BYTES = 65536;

const MAGIC = 0x514649fb;
const V2_BYTES = 72;
const V3_BYTES = 104;
const BACKING_NAME_MAX_BYTES = 1023;
const BACKING_FORMAT = 0xe2792aca;

// Bits of incompatible features, in the lower 32.
const DIRTY = 1;
const CORRUPT = 2;
const EXTERNAL_DATA = 4;
const COMPRESSION_TYPE = 8;
const EXTENDED_L2 = 16;
const KNOWN = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2;

/** How clusters are compressed. */
type Qcow2Compression = 'zlib' | 'zstd';

/** What the header of an image says, as far as reading needs it. */
export interface Qcow2Header {
  readonly version: number;
  readonly clusterBits: number;
  readonly sizeBytes: number;
  readonly l1Offset: number;
  readonly compression: Qcow2Compression;
  /** The name of the file below, as it stands there; null if there is none. */
  readonly backingName: string | null;
  /** Its format; null if the header does not say it. */
  readonly backingFormat: string | null;
}

/**
 * Reads the header of an image.
 *
 * @param bytes the beginning of the file, up to {@link QCOW2_HEADER_MAX_BYTES}
 * @param fileBytes how long the file is
 * @throws SystemError EINVAL for what is no qcow2 image, or contradicts itself; ENOTSUP for a feature that is not there, by its name
 */
export function parseQcow2Header(bytes: Buffer, fileBytes: number): Qcow2Header {
  if (bytes.length < V2_BYTES || bytes.readUInt32BE(0) !== MAGIC) throw refuse('it is no qcow2 image');
  const version = bytes.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw unsupported(`version ${version}`);
  const headerBytes = version === 2 ? V2_BYTES : bytes.readUInt32BE(100);
  if (headerBytes < (version === 2 ? V2_BYTES : V3_BYTES) || headerBytes > bytes.length || headerBytes % 8 !== 0) {
    throw refuse(`its header has ${headerBytes} bytes`);
  }
  const clusterBits = bytes.readUInt32BE(20);
  // What QEMU takes, too.
  if (clusterBits < 9 || clusterBits > 21) throw refuse(`its clusters have 2^${clusterBits} bytes, not 2^9 to 2^21`);
  const crypt = bytes.readUInt32BE(32);
  if (crypt !== 0)
    throw unsupported(crypt === 1 ? 'encryption (AES)' : crypt === 2 ? 'encryption (LUKS)' : `encryption ${crypt}`);
  const compression = version === 2 ? 'zlib' : checkFeatures(bytes, headerBytes);
  const header = { version, clusterBits, compression, ...checkTable(bytes, clusterBits, fileBytes) };
  return { ...header, ...backingOf(bytes, headerBytes, clusterBits) };
}

function checkFeatures(bytes: Buffer, headerBytes: number): Qcow2Compression {
  const [upper, lower] = [bytes.readUInt32BE(72), bytes.readUInt32BE(76)];
  if ((lower & EXTERNAL_DATA) !== 0) throw unsupported('an external data file');
  if ((lower & EXTENDED_L2) !== 0) throw unsupported('subclusters (extended L2 entries)');
  const unknown = lower & ~KNOWN;
  if (upper !== 0 || unknown !== 0) {
    const bit = unknown !== 0 ? 31 - Math.clz32(unknown) : 63 - Math.clz32(upper);
    throw unsupported(`the incompatible feature of bit ${bit}, which this version does not know`);
  }
  if ((lower & COMPRESSION_TYPE) === 0) return 'zlib';
  const type = headerBytes > V3_BYTES ? (bytes[V3_BYTES] as number) : 0;
  if (type === 1) return 'zstd';
  throw type === 0 ? refuse('it names a compression of its own, and then none') : unsupported(`compression ${type}`);
}

function checkTable(bytes: Buffer, clusterBits: number, fileBytes: number): { sizeBytes: number; l1Offset: number } {
  const sizeBytes = Number(bytes.readBigUInt64BE(24));
  const l1Offset = Number(bytes.readBigUInt64BE(40));
  const l1Size = bytes.readUInt32BE(36);
  if (!Number.isSafeInteger(sizeBytes)) throw refuse(`its size is ${sizeBytes} bytes`);
  // Clusters of clusters: as many bytes as one entry of the first table stands for.
  const perEntry = 2 ** (2 * clusterBits - 3);
  const needed = Math.ceil(sizeBytes / perEntry);
  if (l1Size < needed) throw refuse(`its first table has ${l1Size} entries, and ${needed} are needed for ${sizeBytes} bytes`);
  if (needed > 0 && (l1Offset % 2 ** clusterBits !== 0 || l1Offset === 0 || l1Offset + needed * 8 > fileBytes)) {
    throw refuse(`its first table is at ${l1Offset}, of a file of ${fileBytes} bytes`);
  }
  return { sizeBytes, l1Offset };
}

function backingOf(bytes: Buffer, headerBytes: number, clusterBits: number): Pick<Qcow2Header, 'backingName' | 'backingFormat'> {
  const offset = Number(bytes.readBigUInt64BE(8));
  if (offset === 0) return { backingName: null, backingFormat: null };
  const length = bytes.readUInt32BE(16);
  if (length === 0 || length > BACKING_NAME_MAX_BYTES || offset + length > Math.min(bytes.length, 2 ** clusterBits)) {
    throw refuse(`the name of its backing file has ${length} bytes at ${offset}`);
  }
  const backingName = bytes.toString('utf8', offset, offset + length);
  return { backingName, backingFormat: extension(bytes, headerBytes, Math.min(offset, bytes.length), BACKING_FORMAT) };
}

/** The text in a header extension; null if there is none. */
function extension(bytes: Buffer, begin: number, end: number, wanted: number): string | null {
  for (let at = begin; at + 8 <= end; ) {
    const type = bytes.readUInt32BE(at);
    const length = bytes.readUInt32BE(at + 4);
    if (type === 0 || length > end - at - 8) return null;
    if (type === wanted) return bytes.toString('utf8', at + 8, at + 8 + length);
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return null;
}

function refuse(what: string): SystemError {
  return new SystemError(EINVAL, 'openQcow2', undefined, what);
}

function unsupported(feature: string): SystemError {
  return new SystemError(ENOTSUP, 'openQcow2', undefined, `the image uses ${feature}: convert it with qemu-img convert`);
}
