import { IoBuffer } from '@biodone/uring';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import { BLOCK_READ, BlockIo } from '../block-io.js';
import { checkOptions } from '../check-options.js';
import type { ChecksumDriver } from './checksum-driver.js';

/** Options of {@link ChecksumDevice.scrub}. */
export interface ScrubOptions {
  /** Ends it early: the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
  /** Is told how much of the device has been read. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** What a scrub has found. */
export interface ScrubResult {
  /** How much was read. */
  readonly checkedBytes: number;
  /** The blocks that are not what was written, at most 1000 of them. */
  readonly bad: readonly { readonly offset: number; readonly lengthBytes: number; readonly error: number }[];
  /** How many there are in all. */
  readonly badCount: number;
}

const BAD_MAX = 1000;

/** A device whose blocks have checksums: see `openChecksum`. */
export class ChecksumDevice extends BlockDevice {
  readonly #driver: ChecksumDriver;

  /** @internal */
  constructor(driver: ChecksumDriver, options: BlockDeviceOptions) {
    super(driver, options);
    this.#driver = driver;
  }

  /** How many reads have found a block that is not what was written. */
  get badReads(): number {
    return this.#driver.found;
  }

  /**
   * Reads all blocks, and says which are not what was written. The device can be used meanwhile; what is bad stays bad until it is written, by its user or
   * by a mirror over it.
   *
   * @throws TypeError ERR_INVALID_ARG_VALUE for an option that there is not; the signal's reason
   */
  async scrub(options: ScrubOptions = {}): Promise<ScrubResult> {
    checkOptions('scrub', options, { signal: 'object', onProgress: 'function' });
    const { signal, onProgress } = options;
    const { maxTransferBytes, transferUnitBytes } = this.limits;
    const total = this.limits.sizeBytes ?? 0;
    const io = new BlockIo();
    io.operation = BLOCK_READ;
    io.buffer = IoBuffer.allocate(maxTransferBytes);
    const bad: { offset: number; lengthBytes: number; error: number }[] = [];
    let badCount = 0;
    for (let offset = 0; offset < total; ) {
      signal?.throwIfAborted();
      io.offset = offset;
      io.lengthBytes = Math.min(maxTransferBytes, total - offset);
      await new Promise<void>((resolve) => {
        io.iodone = () => resolve();
        this.strategy(io);
      });
      offset += io.transferredBytes;
      if (io.error !== 0) {
        badCount += 1;
        if (bad.length < BAD_MAX) bad.push({ offset, lengthBytes: transferUnitBytes, error: io.error });
        offset += transferUnitBytes;
      }
      onProgress?.(offset, total);
    }
    return { checkedBytes: total, bad, badCount };
  }
}
