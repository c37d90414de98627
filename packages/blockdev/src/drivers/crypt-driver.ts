import { EBADF, EIO, ENOTSUP, IoBuffer } from '@biodone/uring';
import { biodone } from '../biodone.js';
import type { AbortVerdict } from '../block-io.js';
import { BLOCK_DISCARD, BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import type { DeviceSpec } from '../spec.js';
import { type ChildDevice, ChildIo, sizeOfDevice } from './child-device.js';
import { SectorCipher, XTS_KEY_BYTES } from './crypt-cipher.js';

/** The longest transfer to the device below: one request, one buffer. */
const TRANSFER_MAX_BYTES = 131072;

/** An open volume, as its channels share it. */
export interface CryptVolume {
  /** The 64 bytes of the key, and one that is not 0 as long as they are there. */
  readonly key: SharedArrayBuffer;
  readonly sectorBytes: number;
  readonly blockSizeBytes: number;
  readonly dataOffsetBytes: number;
  readonly headerless: boolean;
  readonly readOnly: boolean;
  readonly allowDiscards: boolean;
  readonly childrenMax: number;
}

/** What another thread gets. The key is in it: it stays within the process. */
export interface CryptHandle extends DeviceHandle {
  readonly driver: 'crypt';
  readonly device: DeviceHandle;
  readonly volume: CryptVolume;
}

/** A request to the device below, with memory of its own for what is written. */
export class CryptIo extends ChildIo {
  driver: CryptDriver | null = null;
  #own: IoBuffer | null = null;

  get ciphertext(): IoBuffer {
    this.#own ??= IoBuffer.allocate(TRANSFER_MAX_BYTES);
    return this.#own;
  }
}

/** What stands between an encrypted device and the one below it. */
export class CryptDriver implements BlockDriver {
  readonly name = 'crypt';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly #child: ChildDevice<CryptIo>;
  readonly #volume: CryptVolume;
  readonly #key: Uint8Array;
  readonly #cipher: SectorCipher;
  readonly #owner: boolean;

  /** @param owner whether this is the channel that opened the volume, and forgets the key in the end */
  constructor(child: ChildDevice<CryptIo>, volume: CryptVolume, owner: boolean) {
    const { device } = child;
    this.#child = child;
    this.#volume = volume;
    this.#key = new Uint8Array(volume.key);
    this.#cipher = new SectorCipher(this.#key.subarray(0, XTS_KEY_BYTES), volume.sectorBytes);
    this.#owner = owner;
    this.limits = {
      blockSizeBytes: volume.blockSizeBytes,
      sizeBytes: this.#dataBytes(sizeOfDevice(device, 'openCrypt')),
      memoryAlignmentBytes: device.limits.memoryAlignmentBytes,
      transferUnitBytes: volume.sectorBytes,
      physicalBlockSizeBytes: Math.max(volume.sectorBytes, device.limits.physicalBlockSizeBytes),
      maxTransferBytes: TRANSFER_MAX_BYTES,
      maxInFlight: volume.childrenMax,
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
    child.io.iodone = childDone;
    this.#child.device.strategy(child.io);
  }

  startSync(io: BlockIo): void {
    const child = this.#child.take(io);
    io.error = this.#prepare(io, child);
    if (io.error === 0) {
      this.#child.device.strategySync(child.io);
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

  abort(io: BlockIo): AbortVerdict {
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
    return { driver: 'crypt', device: this.#child.handle(), volume: this.#volume };
  }

  attached(events: DriverEvents): void {
    this.#child.follow(events, (sizeBytes) => this.#dataBytes(sizeBytes));
  }

  close(): Promise<void> {
    this.#cipher.forget();
    if (this.#owner) {
      // Before the key goes: pairs with the load in keyIsGone().
      Atomics.store(this.#key, XTS_KEY_BYTES, 0);
      this.#key.fill(0);
    }
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
    const below = child.io;
    below.operation = operation;
    below.flags = io.flags;
    below.offset = io.offset + this.#volume.dataOffsetBytes;
    below.lengthBytes = io.lengthBytes;
    switch (operation) {
      case BLOCK_READ:
        // The ciphertext lands where the plaintext is to be.
        below.buffer = io.buffer;
        below.bufferOffset = io.bufferOffset;
        return 0;
      case BLOCK_WRITE:
        // The caller's memory stays as it is.
        below.buffer = child.ciphertext;
        below.bufferOffset = 0;
        return this.#encrypt(io, child.ciphertext);
      case BLOCK_FLUSH:
        below.offset = 0;
        below.lengthBytes = 0;
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
    const { error: errorBelow, transferredBytes } = child.io;
    const whole = transferredBytes - (transferredBytes % sectorBytes);
    io.transferredBytes = whole;
    if (io.operation !== BLOCK_READ || whole === 0) return errorBelow;
    const error = this.#decrypt(io, whole);
    if (error === 0) return errorBelow;
    io.transferredBytes = 0;
    return error;
  }

  #encrypt(io: BlockIo, ciphertext: IoBuffer): number {
    try {
      const sector = io.offset / this.#volume.sectorBytes;
      this.#cipher.encrypt(ciphertext, 0, io.buffer as IoBuffer, io.bufferOffset, io.lengthBytes, sector);
    } catch {
      return this.#keyIsGone() ? EBADF : EIO;
    }
    return this.#keyIsGone() ? EBADF : 0;
  }

  #decrypt(io: BlockIo, lengthBytes: number): number {
    try {
      this.#cipher.decrypt(io.buffer as IoBuffer, io.bufferOffset, lengthBytes, io.offset / this.#volume.sectorBytes);
    } catch {
      return this.#keyIsGone() ? EBADF : EIO;
    }
    return this.#keyIsGone() ? EBADF : 0;
  }

  /**
   * Whether the channel that opened the volume has been closed, before this one and against the rule. Asked after the cipher has run: what it has
   * done with a key that was overwritten meanwhile is neither to be written nor to be given to anybody.
   */
  #keyIsGone(): boolean {
    return Atomics.load(this.#key, XTS_KEY_BYTES) === 0;
  }
}

function childDone(io: BlockIo): void {
  const child = io.private as CryptIo;
  (child.driver as CryptDriver).finish(child);
}
