import { EACCES, EEXIST, EINVAL, EIO, IoBuffer, SystemError } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, BlockIo } from '../block-io.js';
import { checkDevice, checkOptions } from '../check-options.js';
import type { BlockClaim } from '../claims.js';
import { runIo, sizeOfDevice } from './child-device.js';
import { SECTOR_MAX_BYTES, SECTOR_MIN_BYTES } from './crypt-cipher.js';
import {
  type CryptHeader,
  DATA_OFFSET_MIN_BYTES,
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  HEADER_OFFSETS,
  type ScryptCost,
} from './crypt-header.js';
import { type CryptSecret, checkCost, checkSecret, invalid, newVolumeKey, unwrapKey, wrapKey } from './crypt-secret.js';

/** Options of {@link formatCrypt}: the secret that opens the device from now on, and what cannot be changed later. */
export interface FormatCryptOptions extends CryptSecret {
  /**
   * What is encrypted at a time: a power of two from 512 to 65536, and a multiple of the device's block size. Larger ones are faster.
   * @default 4096
   */
  sectorBytes?: number;
  /**
   * Where the data begins: a multiple of 64 KiB, at least 128 KiB. What lies before it is taken by the header's two copies.
   * @default 2 ** 20
   */
  dataOffsetBytes?: number;
  /**
   * What a guess of the passphrase costs: 128 MiB, and some tenths of a second.
   * @default { N: 2 ** 17, r: 8, p: 1 }
   */
  scrypt?: ScryptCost;
  /**
   * Formats a device that has a header, whose data nobody can read afterwards.
   * @default false
   */
  force?: boolean;
}

const DEFAULT_COST: ScryptCost = { N: 2 ** 17, r: 8, p: 1 };

/**
 * Prepares a device for {@link openCrypt}: writes a header with a new random key, wrapped by the secret, in two copies. The data is not touched:
 * what lies on the device reads as noise. Write zeros once if nobody should see how much of it is in use.
 *
 * @throws SystemError EEXIST if there is a header and `force` is not set, EBUSY if somebody has claimed the device, EINVAL for one that is
 * too small, or a block size that does not go with `sectorBytes`; what its reads and writes end with; TypeError ERR_INVALID_ARG_VALUE
 */
export async function formatCrypt(device: BlockDevice, options: FormatCryptOptions): Promise<void> {
  checkDevice('device', device, 'formatCrypt');
  checkOptions('formatCrypt', options, {
    passphrase: 'any',
    key: 'any',
    sectorBytes: 'number',
    dataOffsetBytes: 'number',
    scrypt: 'object',
    force: 'boolean',
  });
  const { sectorBytes = 4096, dataOffsetBytes = 2 ** 20, scrypt = DEFAULT_COST, force = false } = options;
  checkSecret(options);
  checkCost(scrypt, 'formatCrypt');
  checkSectors(device, sectorBytes, 'formatCrypt');
  if (dataOffsetBytes < DATA_OFFSET_MIN_BYTES || dataOffsetBytes % 65536 !== 0) {
    throw invalid(`dataOffsetBytes is a multiple of 65536, at least ${DATA_OFFSET_MIN_BYTES}. Received ${dataOffsetBytes}`);
  }
  if (sizeOfDevice(device, 'formatCrypt') < dataOffsetBytes + sectorBytes) {
    throw new SystemError(EINVAL, 'formatCrypt', undefined, `no room for a sector behind ${dataOffsetBytes} bytes of header`);
  }
  await withClaim(device, async (claim) => {
    const found = await readHeaders(device, claim, 'formatCrypt');
    if (!force && found.some((header) => header !== null)) {
      throw new SystemError(EEXIST, 'formatCrypt', undefined, 'it is formatted; pass force: true to give up what is on it');
    }
    const volumeKey = newVolumeKey();
    try {
      const generation = newest(found)?.generation ?? 0;
      const plan = { generation: generation + 1, sectorBytes, dataOffsetBytes, cost: scrypt };
      await writeHeaders(device, claim, await wrapKey(volumeKey, options, plan), HEADER_OFFSETS, 'formatCrypt');
    } finally {
      volumeKey.fill(0);
    }
  });
}

/**
 * Makes another passphrase, or key, open a device: its volume key is wrapped anew, and the data stays. The device must not be open as an
 * encrypted one. If it is interrupted, the old secret or the new one opens the device, or both. It also repairs a damaged copy of the header.
 *
 * @param options.scrypt what a guess of the new passphrase costs, as for {@link formatCrypt}
 * @throws SystemError EACCES if the old secret is wrong, EINVAL if there is no header, EBUSY if somebody has claimed the device, EIO if a
 * copy of the header reads otherwise than it was written; what its reads and writes end with; TypeError ERR_INVALID_ARG_VALUE
 */
export async function changePassphrase(
  device: BlockDevice,
  oldSecret: CryptSecret,
  newSecret: CryptSecret,
  options: { scrypt?: ScryptCost } = {},
): Promise<void> {
  checkDevice('device', device, 'changePassphrase');
  checkOptions('changePassphrase', options, { scrypt: 'object' });
  const { scrypt: cost = DEFAULT_COST } = options;
  checkSecret(newSecret);
  checkCost(cost, 'changePassphrase');
  await withClaim(device, async (claim) => {
    const { header, offset, volumeKey, newestGeneration } = await unlock(device, claim, oldSecret, 'changePassphrase');
    try {
      const { sectorBytes, dataOffsetBytes } = header;
      const plan = { generation: newestGeneration + 1, sectorBytes, dataOffsetBytes, cost };
      // The copy that the old secret has opened comes last: the other may be damaged, or another secret's.
      const offsets = [...HEADER_OFFSETS.filter((other) => other !== offset), offset];
      await writeHeaders(device, claim, await wrapKey(volumeKey, newSecret, plan), offsets, 'changePassphrase');
    } finally {
      volumeKey.fill(0);
    }
  });
}

/** What a secret has opened. */
export interface UnlockedVolume {
  readonly header: CryptHeader;
  /** Where that lies: of copies that are the same, the first. */
  readonly offset: number;
  readonly volumeKey: Buffer;
  readonly newestGeneration: number;
  /** Which copies of the header are damaged: their offsets. */
  readonly damaged: readonly number[];
}

/**
 * Reads the copies of the header, and opens the newest that the secret opens: after a change that was interrupted, each of the two may have its
 * own.
 */
export async function unlock(
  device: BlockDevice,
  claim: BlockClaim | null,
  secret: CryptSecret,
  call: string,
): Promise<UnlockedVolume> {
  checkSecret(secret);
  const found = await readHeaders(device, claim, call);
  const copies = HEADER_OFFSETS.flatMap((offset, index) => {
    const header = found[index] ?? null;
    return header === null ? [] : [{ header, offset }];
  });
  copies.sort((one, other) => other.header.generation - one.header.generation);
  const first = copies[0]?.header;
  if (first === undefined) {
    throw new SystemError(EINVAL, call, undefined, 'no header: call formatCrypt, or open it with headerless: true and its key');
  }
  const damaged = HEADER_OFFSETS.filter((_, index) => found[index] === null);
  // Mostly the copies are the same, and a wrong passphrase need not be tried twice.
  const distinct = copies.filter(({ header }) => header === first || header.generation !== first.generation);
  for (const { header, offset } of distinct) {
    const volumeKey = await unwrapKey(header, secret);
    if (volumeKey !== null) return { header, offset, volumeKey, newestGeneration: first.generation, damaged };
  }
  const wanted = first.scrypt === null ? 'key' : 'passphrase';
  const given = secret.passphrase === undefined ? 'key' : 'passphrase';
  const advice = wanted === given ? `the ${wanted} is wrong` : `it is opened by a ${wanted}, not by a ${given}`;
  throw new SystemError(EACCES, call, undefined, advice);
}

/** @throws TypeError ERR_INVALID_ARG_VALUE; SystemError EINVAL if the device cannot do single sectors */
export function checkSectors(device: BlockDevice, sectorBytes: number, call: string): void {
  const fits = sectorBytes >= SECTOR_MIN_BYTES && sectorBytes <= SECTOR_MAX_BYTES && Number.isInteger(Math.log2(sectorBytes));
  if (!fits) {
    throw invalid(`sectorBytes is a power of two from ${SECTOR_MIN_BYTES} to ${SECTOR_MAX_BYTES}. Received ${sectorBytes}`);
  }
  const { blockSizeBytes } = device.limits;
  if (sectorBytes % blockSizeBytes === 0) return;
  const advice = `sectorBytes ${sectorBytes} is no multiple of the device's block size, ${blockSizeBytes}`;
  throw new SystemError(EINVAL, call, undefined, advice);
}

/**
 * The header's copies, in the order of their places; null where there is none that is whole. What cannot be read is as good as damaged, as long
 * as there is another one: without one, it is not known that there is none.
 */
async function readHeaders(device: BlockDevice, claim: BlockClaim | null, call: string): Promise<(CryptHeader | null)[]> {
  const headers: (CryptHeader | null)[] = [];
  let failure: unknown = null;
  for (const offset of HEADER_OFFSETS) {
    const io = headerIo(device, claim, offset);
    try {
      await runIo(device, io, call);
      headers.push(decodeHeader(Buffer.from((io.buffer as IoBuffer).bytes)));
    } catch (error) {
      failure = error;
      headers.push(null);
    }
  }
  if (failure !== null && headers.every((header) => header === null)) throw failure;
  return headers;
}

/** One copy is stable, and has been found to be, before the other is touched, so that one is whole at any moment. */
async function writeHeaders(
  device: BlockDevice,
  claim: BlockClaim | null,
  header: CryptHeader,
  offsets: readonly number[],
  call: string,
): Promise<void> {
  const bytes = encodeHeader(header);
  for (const offset of offsets) {
    const io = headerIo(device, claim, offset);
    io.operation = BLOCK_WRITE;
    (io.buffer as IoBuffer).bytes.set(bytes);
    await runIo(device, io, call);
    const flush = new BlockIo();
    flush.operation = BLOCK_FLUSH;
    flush.claim = claim;
    await runIo(device, flush, call);
    const check = headerIo(device, claim, offset);
    await runIo(device, check, call);
    if (bytes.equals((check.buffer as IoBuffer).bytes.subarray(0, HEADER_BYTES))) continue;
    throw new SystemError(EIO, call, undefined, `the header's copy at ${offset} is not what was written; no other is touched`);
  }
}

function headerIo(device: BlockDevice, claim: BlockClaim | null, offset: number): BlockIo {
  const { blockSizeBytes } = device.limits;
  const io = new BlockIo();
  io.operation = BLOCK_READ;
  io.claim = claim;
  io.offset = offset;
  io.lengthBytes = Math.ceil(HEADER_BYTES / blockSizeBytes) * blockSizeBytes;
  io.buffer = IoBuffer.allocate(io.lengthBytes);
  return io;
}

function newest(headers: readonly (CryptHeader | null)[]): CryptHeader | null {
  return headers.reduce((best, one) => (one !== null && (best === null || one.generation > best.generation) ? one : best), null);
}

async function withClaim(device: BlockDevice, work: (claim: BlockClaim) => Promise<void>): Promise<void> {
  const claim = device.claim('read-many-write-one');
  try {
    await work(claim);
  } finally {
    claim.release();
  }
}
