import { EACCES, SystemError } from '@biodone/uring';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import { checkDevice, checkOptions, type OptionKinds, STACK_OPTIONS } from '../check-options.js';
import type { DeviceHandle } from '../driver.js';
import { checkInteger } from '../errors.js';
import { ChildDevice } from './child-device.js';
import { XTS_KEY_BYTES } from './crypt-cipher.js';
import { CryptDriver, type CryptHandle, CryptIo, type CryptVolume } from './crypt-driver.js';
import { type CryptSecret, checkSecret, invalid } from './crypt-secret.js';
import { checkSectors, unlock } from './crypt-volume.js';

/** Options of {@link openCrypt}: what opens it, and how it is used. */
export interface CryptOptions extends BlockDeviceOptions, CryptSecret {
  /**
   * Takes the whole device as data, without a header, and `key` as the key of AES-256-XTS: as dm-crypt's aes-xts-plain64 does it, with sectors
   * of 512 bytes, or with larger ones and its option iv_large_sectors. Nothing can tell a wrong key then: it reads noise.
   * @default false
   */
  headerless?: boolean;
  /**
   * What is encrypted at a time, on a device without a header; otherwise the header says it.
   * @default 4096
   */
  sectorBytes?: number;
  /**
   * A divisor of the sector, if smaller writes are wanted: each is then a read and a write of its sector, which no other write to it comes between, in
   * whatever thread.
   * @default the sector
   */
  blockSizeBytes?: number;
  /** @default that of the device below */
  readOnly?: boolean;
  /**
   * Passes discards on. Whoever sees the device below then knows which parts of it are not in use, and how much.
   * @default false
   */
  allowDiscards?: boolean;
  /**
   * How many requests are with the device below at a time: each write holds 128 KiB of memory. The others wait, in order.
   * @default 64
   */
  childrenMax?: number;
  /**
   * Closes the device below with this one.
   * @default true
   */
  closeChildren?: boolean;
}

/**
 * Opens an encrypted device over another one, BSD's cgd(4): AES-256-XTS, with the number of the sector as tweak, so that equal sectors differ.
 * A wrong passphrase or key is found at once. The device below is claimed as long as this one is open.
 *
 * XTS keeps secrets; it does not notice who changes the ciphertext, or puts an older one back. Who compares two states of the device below sees
 * which sectors have changed.
 *
 * The cipher runs in the thread that starts a write, and in that which takes the completion of a read: 3 to 5 µs for 4 KiB, in which that
 * thread does nothing else. Channels in other threads share the work. node:crypto allocates for each sector; the most of it, the result, is
 * given back at once.
 *
 * The volume key lies in memory that the channels share, hence in {@link BlockDevice.handle}, which stays within the process; it is
 * overwritten at `close()`. Copies that node:crypto makes are its own to forget. `config()` and `describe()` know no keys.
 *
 * @throws SystemError EACCES for a wrong passphrase or key, EINVAL for a device without a header or without a fixed end, EBUSY if somebody
 * has claimed it; what its reads end with; TypeError ERR_INVALID_ARG_VALUE; RangeError ERR_OUT_OF_RANGE. The device below stays open then.
 *
 * @example
 * ```js
 * import { formatCrypt, openCrypt, openMem } from '@biodone/blockdev';
 *
 * const disk = openMem(2 ** 21);
 * await formatCrypt(disk, { passphrase: 'correct horse battery staple' });
 * await openCrypt(disk, { passphrase: 'wrong' }).catch(({ code }) => console.log(code)); // EACCES
 * const secret = await openCrypt(disk, { passphrase: 'correct horse battery staple' });
 * console.log(secret.limits.sizeBytes); // 1048576
 * await secret.close();
 * ```
 */
export async function openCrypt(device: BlockDevice, options: CryptOptions): Promise<BlockDevice> {
  checkDevice('device', device, 'openCrypt');
  checkOptions('openCrypt', options, CRYPT_OPTIONS);
  const { headerless = false, allowDiscards = false, childrenMax = 64, closeChildren = true } = options;
  checkInteger('childrenMax', childrenMax, 1, 4096);
  const readOnly = (options.readOnly ?? false) || device.capabilities.readOnly;
  const child = new ChildDevice<CryptIo>(device, () => new CryptIo(), { readOnly, closes: closeChildren });
  try {
    const { key, sectorBytes, dataOffsetBytes } = headerless ? bareVolume(device, options) : await openVolume(child, options);
    const volume: CryptVolume = {
      key,
      sectorBytes,
      dataOffsetBytes,
      blockSizeBytes: checkBlockSize(options.blockSizeBytes ?? sectorBytes, sectorBytes),
      headerless,
      readOnly,
      allowDiscards,
      childrenMax,
    };
    // Without what opens it: a device keeps its options for as long as it lives.
    const { passphrase: _, key: __, ...layerOptions } = options;
    return new BlockDevice(new CryptDriver(child, volume, true), layerOptions);
  } catch (error) {
    child.release();
    throw error;
  }
}

const CRYPT_OPTIONS: OptionKinds = {
  ...STACK_OPTIONS,
  // What opens it is looked at by itself, and no message shows it.
  passphrase: 'any',
  key: 'any',
  headerless: 'boolean',
  sectorBytes: 'number',
  blockSizeBytes: 'number',
  readOnly: 'boolean',
  allowDiscards: 'boolean',
};

/** The channel of a handle, in another thread. */
export function attachCrypt(handle: DeviceHandle, attach: (handle: DeviceHandle) => BlockDevice): BlockDevice {
  const { device, volume } = handle as CryptHandle;
  const child = new ChildDevice<CryptIo>(attach(device), () => new CryptIo(), {
    readOnly: volume.readOnly,
    closes: true,
  });
  return new BlockDevice(new CryptDriver(child, volume, false), {}, handle);
}

type Opened = Pick<CryptVolume, 'key' | 'sectorBytes' | 'dataOffsetBytes'>;

async function openVolume(child: ChildDevice<CryptIo>, options: CryptOptions): Promise<Opened> {
  const { device } = child;
  const { header, volumeKey, damaged } = await unlock(device, child.claim, options, 'openCrypt');
  const key = shareKey(volumeKey);
  volumeKey.fill(0);
  const { sectorBytes, dataOffsetBytes } = header;
  checkSectors(device, sectorBytes, 'openCrypt');
  if (damaged.length > 0) {
    const message = `the header's copy at ${damaged.join(' and ')} is damaged; changePassphrase() writes both anew`;
    process.emitWarning(`crypt: ${message}`, { code: 'BIODONE_CRYPT_HEADER' });
  }
  return { key, sectorBytes, dataOffsetBytes };
}

function bareVolume(device: BlockDevice, options: CryptOptions): Opened {
  checkSecret(options);
  const { key, sectorBytes = 4096 } = options;
  if (key?.byteLength !== XTS_KEY_BYTES) throw invalid(`a device without a header is opened by a key of ${XTS_KEY_BYTES} bytes`);
  const half = XTS_KEY_BYTES / 2;
  if (Buffer.compare(key.subarray(0, half), key.subarray(half)) === 0) {
    throw new SystemError(EACCES, 'openCrypt', undefined, 'the halves of the key are the same, which XTS forbids');
  }
  checkSectors(device, sectorBytes, 'openCrypt');
  return { key: shareKey(key), sectorBytes, dataOffsetBytes: 0 };
}

function shareKey(key: Uint8Array): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(XTS_KEY_BYTES + 1);
  const bytes = new Uint8Array(shared);
  bytes.set(key);
  bytes[XTS_KEY_BYTES] = 1;
  return shared;
}

function checkBlockSize(blockSizeBytes: number, sectorBytes: number): number {
  checkInteger('blockSizeBytes', blockSizeBytes, 1, sectorBytes);
  if (sectorBytes % blockSizeBytes === 0) return blockSizeBytes;
  throw invalid(`blockSizeBytes ${blockSizeBytes} does not divide a sector of ${sectorBytes} bytes`);
}
