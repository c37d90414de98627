import { EACCES, EIO, ENOTSUP, IoBuffer, SystemError } from '@biodone/uring';
import { biodone } from '../biodone.js';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import { BLOCK_DISCARD, BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import { checkInteger } from '../errors.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import type { DeviceSpec } from '../spec.js';
import { ChildDevice, ChildIo, sizeOfDevice } from './child-device.js';
import { SectorCipher, XTS_KEY_BYTES } from './crypt-cipher.js';
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
   * A divisor of the sector, if smaller writes are wanted: each is then a read and a write of its sector. Such a device can be written by one
   * thread alone, so it gives no handle.
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
  childRequestsMax?: number;
  /**
   * Closes the device below with this one.
   * @default true
   */
  closeChildren?: boolean;
}

/** The longest transfer to the device below: one request, one buffer. */
const TRANSFER_MAX_BYTES = 131072;

/**
 * Opens an encrypted device over another one, BSD's cgd(4): AES-256-XTS, with the number of the sector as tweak, so that equal sectors differ.
 * A wrong passphrase or key is found at once. The device below is claimed as long as this one is open.
 *
 * XTS keeps secrets; it does not notice who changes the ciphertext, or puts an older one back. Who compares two states of the device below sees
 * which sectors have changed.
 *
 * The cipher runs in the thread that starts a write, and in that which takes the completion of a read: 4 µs for 4 KiB, in which that thread
 * does nothing else. Channels in other threads share the work. node:crypto allocates for each sector, which nothing here can help.
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
  const { headerless = false, allowDiscards = false, childRequestsMax = 64, closeChildren = true } = options;
  checkInteger('childRequestsMax', childRequestsMax, 1, 4096);
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
      childRequestsMax,
    };
    return new BlockDevice(new CryptDriver(child, volume, true), options);
  } catch (error) {
    child.release();
    throw error;
  }
}

/** The channel of a handle, in another thread. */
export function attachCrypt(handle: DeviceHandle, attach: (handle: DeviceHandle) => BlockDevice): BlockDevice {
  const { device, volume } = handle as CryptHandle;
  const child = new ChildDevice<CryptIo>(attach(device), () => new CryptIo(), {
    readOnly: volume.readOnly,
    closes: true,
    attached: true,
  });
  return new BlockDevice(new CryptDriver(child, volume, false), {}, handle);
}

/** An open volume, as its channels share it. */
interface CryptVolume {
  /** The 64 bytes of the key. */
  readonly key: SharedArrayBuffer;
  readonly sectorBytes: number;
  readonly blockSizeBytes: number;
  readonly dataOffsetBytes: number;
  readonly headerless: boolean;
  readonly readOnly: boolean;
  readonly allowDiscards: boolean;
  readonly childRequestsMax: number;
}

interface CryptHandle extends DeviceHandle {
  readonly driver: 'crypt';
  readonly device: DeviceHandle;
  readonly volume: CryptVolume;
}

/** A request to the device below, with memory of its own for what is written. */
class CryptIo extends ChildIo {
  driver: CryptDriver | null = null;
  #own: IoBuffer | null = null;

  get ciphertext(): IoBuffer {
    this.#own ??= IoBuffer.allocate(TRANSFER_MAX_BYTES);
    return this.#own;
  }
}

class CryptDriver implements BlockDriver {
  readonly name = 'crypt';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly #child: ChildDevice<CryptIo>;
  readonly #volume: CryptVolume;
  readonly #cipher: SectorCipher;
  readonly #owner: boolean;

  /** @param owner whether this is the channel that opened the volume, and forgets the key in the end */
  constructor(child: ChildDevice<CryptIo>, volume: CryptVolume, owner: boolean) {
    const { device } = child;
    this.#child = child;
    this.#volume = volume;
    this.#cipher = new SectorCipher(new Uint8Array(volume.key), volume.sectorBytes);
    this.#owner = owner;
    this.limits = {
      blockSizeBytes: volume.blockSizeBytes,
      sizeBytes: this.#dataBytes(sizeOfDevice(device, 'openCrypt')),
      memoryAlignmentBytes: device.limits.memoryAlignmentBytes,
      transferUnitBytes: volume.sectorBytes,
      physicalBlockSizeBytes: Math.max(volume.sectorBytes, device.limits.physicalBlockSizeBytes),
      maxTransferBytes: TRANSFER_MAX_BYTES,
      maxInFlight: volume.childRequestsMax,
    };
    // Zeros are written by the layer: those of the device below would read as noise here. So would its holes.
    this.capabilities = {
      readOnly: volume.readOnly,
      progress: child.progress,
      fua: child.fua,
      discard: volume.allowDiscards && device.capabilities.discard,
      volatileCache: device.capabilities.volatileCache,
      rotational: device.capabilities.rotational,
    };
  }

  start(io: BlockIo): void {
    const child = this.#child.take(io);
    const error = this.#prepare(io, child);
    if (error !== 0) {
      this.#child.giveBack(child);
      biodone(io, error);
      return;
    }
    child.driver = this;
    child.iodone = childDone;
    this.#child.device.strategy(child);
  }

  startSync(io: BlockIo): void {
    const child = this.#child.take(io);
    io.error = this.#prepare(io, child);
    if (io.error === 0) {
      this.#child.device.strategySync(child);
      io.error = this.#absorb(io, child);
    }
    this.#child.giveBack(child);
  }

  /** For the iodone of children alone. */
  finish(child: CryptIo): void {
    const io = child.parent as BlockIo;
    const error = this.#absorb(io, child);
    // Before the completion goes up, which may start the next request.
    this.#child.giveBack(child);
    biodone(io, error);
  }

  abort(io: BlockIo): ReturnType<BlockDevice['abort']> {
    return this.#child.abort(io);
  }

  poll(): number {
    return this.#child.device.poll();
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.#child.device.wait(timeoutMs);
  }

  describe(): Record<string, unknown> {
    const { key: _, ...rest } = this.#volume;
    return { cipher: 'aes-xts-plain64', keyBits: 256, ...rest, device: this.#child.device.describe() };
  }

  config(): DeviceSpec {
    const { key: _, dataOffsetBytes: __, ...rest } = this.#volume;
    return { driver: 'crypt', device: this.#child.device.config(), ...rest };
  }

  handle(): CryptHandle {
    const { blockSizeBytes, sectorBytes, readOnly } = this.#volume;
    if (blockSizeBytes < sectorBytes && !readOnly) {
      // Two threads that change parts of one sector would undo each other's change.
      throw new SystemError(
        ENOTSUP,
        'handle',
        undefined,
        `blocks of ${blockSizeBytes} bytes in sectors of ${sectorBytes}: use one size`,
      );
    }
    return { driver: 'crypt', device: this.#child.handle(), volume: this.#volume };
  }

  attached(events: DriverEvents): void {
    this.#child.follow(events, (sizeBytes) => this.#dataBytes(sizeBytes));
  }

  close(): Promise<void> {
    if (this.#owner) new Uint8Array(this.#volume.key).fill(0);
    return this.#child.close();
  }

  /** Whole sectors. */
  #dataBytes(sizeBytes: number): number {
    const { sectorBytes, dataOffsetBytes } = this.#volume;
    return Math.max(0, Math.floor((sizeBytes - dataOffsetBytes) / sectorBytes) * sectorBytes);
  }

  /** Makes the child what does the request. Returns the errno if nothing does. */
  #prepare(io: BlockIo, child: CryptIo): number {
    const { operation } = io;
    child.operation = operation;
    child.flags = io.flags;
    child.offset = io.offset + this.#volume.dataOffsetBytes;
    child.lengthBytes = io.lengthBytes;
    switch (operation) {
      case BLOCK_READ:
        // The ciphertext lands where the plaintext is to be.
        child.buffer = io.buffer;
        child.bufferOffset = io.bufferOffset;
        return 0;
      case BLOCK_WRITE:
        // The caller's memory stays as it is.
        child.buffer = child.ciphertext;
        child.bufferOffset = 0;
        return this.#encrypt(io, child.ciphertext);
      case BLOCK_FLUSH:
        child.offset = 0;
        child.lengthBytes = 0;
        return 0;
      case BLOCK_DISCARD:
        return 0;
      default:
        return ENOTSUP;
    }
  }

  /** Takes what the child came to. Returns the errno. */
  #absorb(io: BlockIo, child: CryptIo): number {
    const { sectorBytes } = this.#volume;
    const whole = child.transferredBytes - (child.transferredBytes % sectorBytes);
    io.transferredBytes = whole;
    if (io.operation !== BLOCK_READ || whole === 0) return child.error;
    const error = this.#decrypt(io, whole);
    if (error === 0) return child.error;
    io.transferredBytes = 0;
    return error;
  }

  #encrypt(io: BlockIo, ciphertext: IoBuffer): number {
    try {
      const sector = io.offset / this.#volume.sectorBytes;
      this.#cipher.encrypt(ciphertext, 0, io.buffer as IoBuffer, io.bufferOffset, io.lengthBytes, sector);
      return 0;
    } catch {
      return EIO;
    }
  }

  #decrypt(io: BlockIo, lengthBytes: number): number {
    try {
      this.#cipher.decrypt(io.buffer as IoBuffer, io.bufferOffset, lengthBytes, io.offset / this.#volume.sectorBytes);
      return 0;
    } catch {
      return EIO;
    }
  }
}

function childDone(io: BlockIo): void {
  const child = io as CryptIo;
  (child.driver as CryptDriver).finish(child);
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
  const shared = new SharedArrayBuffer(XTS_KEY_BYTES);
  new Uint8Array(shared).set(key);
  return shared;
}

function checkBlockSize(blockSizeBytes: number, sectorBytes: number): number {
  checkInteger('blockSizeBytes', blockSizeBytes, 1, sectorBytes);
  if (sectorBytes % blockSizeBytes === 0) return blockSizeBytes;
  throw invalid(`blockSizeBytes ${blockSizeBytes} does not divide a sector of ${sectorBytes} bytes`);
}
