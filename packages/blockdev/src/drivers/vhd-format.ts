import { EINVAL, ENOTSUP, SystemError } from '@biodone/uring';

export const VHD_FOOTER_BYTES = 512;
export const VHD_HEADER_BYTES = 1024;
export const VHD_SECTOR_BYTES = 512;

const FOOTER_COOKIE = 'conectix';
const HEADER_COOKIE = 'cxsparse';
const FOOTER_CHECKSUM = 64;
const HEADER_CHECKSUM = 36;
const PARENT_NAME = 64;
const PARENT_NAME_BYTES = 512;

const FIXED = 2;
const DYNAMIC = 3;
const DIFFERENCING = 4;

/** What an image says of itself, as far as reading needs it. */
export interface VhdImage {
  readonly kind: 'fixed' | 'dynamic' | 'differencing';
  readonly sizeBytes: number;
  readonly uuid: string;
  /** Of all but fixed ones. */
  readonly tableOffset: number;
  readonly tableEntries: number;
  readonly blockBytes: number;
  /** Of differencing ones: the image below. */
  readonly parentUuid: string;
  readonly parentName: string;
}

/** A footer. */
export type VhdFooter = Pick<VhdImage, 'kind' | 'sizeBytes' | 'uuid'> & { readonly headerOffset: number };

/**
 * Reads a footer, which stands at the end of the file, and at the beginning too where it is not a fixed one.
 *
 * @returns why it is none, or the footer
 * @throws SystemError ENOTSUP for a version or a kind that there is not
 */
export function parseVhdFooter(bytes: Buffer): VhdFooter | string {
  if (bytes.toString('latin1', 0, 8) !== FOOTER_COOKIE) return 'there is no footer';
  if (checksumOf(bytes, FOOTER_CHECKSUM) !== bytes.readUInt32BE(FOOTER_CHECKSUM)) return 'the checksum of the footer is wrong';
  const version = bytes.readUInt32BE(12);
  if (version >>> 16 !== 1) throw unsupported(`version ${version >>> 16}.${version & 0xffff}`);
  const type = bytes.readUInt32BE(60);
  const kind = type === FIXED ? 'fixed' : type === DYNAMIC ? 'dynamic' : type === DIFFERENCING ? 'differencing' : null;
  if (kind === null) throw unsupported(`the kind of disk ${type}`);
  const sizeBytes = Number(bytes.readBigUInt64BE(48));
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes % VHD_SECTOR_BYTES !== 0) return `the size is ${sizeBytes} bytes`;
  return { kind, sizeBytes, uuid: bytes.toString('hex', 68, 84), headerOffset: Number(bytes.readBigUInt64BE(16)) };
}

/**
 * Reads the header of an image that is no fixed one.
 *
 * @throws SystemError EINVAL for one that is damaged or contradicts itself
 */
export function parseVhdHeader(bytes: Buffer, footer: VhdFooter, fileBytes: number): VhdImage {
  if (bytes.toString('latin1', 0, 8) !== HEADER_COOKIE) throw refuse(`there is no header at ${footer.headerOffset}`);
  if (checksumOf(bytes, HEADER_CHECKSUM) !== bytes.readUInt32BE(HEADER_CHECKSUM))
    throw refuse('the checksum of the header is wrong');
  const tableOffset = Number(bytes.readBigUInt64BE(16));
  const tableEntries = bytes.readUInt32BE(28);
  const blockBytes = bytes.readUInt32BE(32);
  const isPower = blockBytes >= VHD_SECTOR_BYTES && (blockBytes & (blockBytes - 1)) === 0 && blockBytes <= 2 ** 28;
  if (!isPower) throw refuse(`its blocks have ${blockBytes} bytes`);
  const needed = Math.ceil(footer.sizeBytes / blockBytes);
  if (tableEntries < needed) throw refuse(`its table has ${tableEntries} entries, and ${needed} are needed`);
  if (!(tableOffset + needed * 4 <= fileBytes)) throw refuse(`its table is at ${tableOffset}, of a file of ${fileBytes} bytes`);
  const { kind, sizeBytes, uuid } = footer;
  const parentUuid = bytes.toString('hex', 40, 56);
  return { kind, sizeBytes, uuid, tableOffset, tableEntries, blockBytes, parentUuid, parentName: parentNameOf(bytes) };
}

/** The complement of the sum of all bytes but its own. */
function checksumOf(bytes: Uint8Array, ownOffset: number): number {
  let sum = 0;
  for (const [index, byte] of bytes.entries()) if (index < ownOffset || index >= ownOffset + 4) sum += byte;
  return ~sum >>> 0;
}

/** UTF-16, with the upper byte first. */
function parentNameOf(bytes: Buffer): string {
  const name = Buffer.from(bytes.subarray(PARENT_NAME, PARENT_NAME + PARENT_NAME_BYTES))
    .swap16()
    .toString('utf16le');
  const end = name.indexOf('\0');
  return end < 0 ? name : name.slice(0, end);
}

export function refuse(what: string): SystemError {
  return new SystemError(EINVAL, 'openVhd', undefined, what);
}

function unsupported(feature: string): SystemError {
  return new SystemError(ENOTSUP, 'openVhd', undefined, `the image uses ${feature}: convert it with qemu-img convert`);
}
