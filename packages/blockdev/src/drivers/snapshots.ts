import { threadTimers } from '../batch-clock.js';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import { checkDevice, checkOptions, DEVICE_OPTIONS, type OptionKinds, STACK_OPTIONS } from '../check-options.js';
import { checkInteger, outOfRange } from '../errors.js';
import { claimToWrite, floorTo } from '../stack-children.js';
import { sizeOfDevice } from './child-device.js';
import { openMem } from './mem.js';
import { SlotMap } from './overlay-map.js';
import { SnapshotDriver } from './snapshot-driver.js';
import { SnapshotSet, type SnapshotState } from './snapshot-set.js';
import { SnapshotsDriver } from './snapshots-driver.js';

/** Options of {@link openSnapshots}. */
export interface SnapshotsOptions extends BlockDeviceOptions {
  /** What is copied at a time: a power of two from 512 to 2^20, and a multiple of the device's block. @default 65536 */
  blockBytes?: number;
  /** Whether closing this closes the device below. @default true */
  closeChildren?: boolean;
  /** How many requests are under way at a time; the others wait in line. @default 1024 */
  childrenMax?: number;
}

/** Options of {@link SnapshotsDevice.snapshot}. */
export interface SnapshotOptions extends BlockDeviceOptions {
  /** What keeps what has changed since, from its beginning on. Closed with the snapshot, unless `closeStore` is false. @default memory */
  store?: BlockDevice;
  /** How much that is at most, in memory. @default the size of the device, at most 2^31 */
  maxBytes?: number;
  /** @default true */
  closeStore?: boolean;
}

/** A read-only picture of a device: see {@link SnapshotsDevice.snapshot}. Closing it drops it. */
export class SnapshotDevice extends BlockDevice {
  readonly #state: SnapshotState;
  readonly #blockBytes: number;

  /** @internal */
  constructor(driver: SnapshotDriver, blockBytes: number, options: BlockDeviceOptions) {
    super(driver, options);
    this.#state = driver.state;
    this.#blockBytes = blockBytes;
  }

  /** Why it cannot be read any more, so that reads end with EIO; null if it can. */
  get invalid(): string | null {
    return this.#state.invalid;
  }

  /** How much has been copied for it. */
  get keptBytes(): number {
    return this.#state.map.count * this.#blockBytes;
  }
}

/** A device that snapshots can be taken of while it is in use: see {@link openSnapshots}. */
export class SnapshotsDevice extends BlockDevice {
  readonly #live: SnapshotsDriver;
  readonly #open: Map<SnapshotDevice, SnapshotDriver>;

  /** @internal */
  constructor(driver: SnapshotsDriver, open: Map<SnapshotDevice, SnapshotDriver>, options: BlockDeviceOptions) {
    super(driver, options);
    this.#live = driver;
    this.#open = open;
    this.on('remove', () => {
      for (const snapshot of open.values()) snapshot.remove();
    });
  }

  /** The snapshots that there are. */
  snapshots(): SnapshotDevice[] {
    return [...this.#open.keys()];
  }

  /**
   * Takes a snapshot: a device for reading, with what this one holds at one moment, which comes after all writes that had completed, and between
   * writes. Requests wait until those that are under way have ended, and go on then.
   *
   * Before a block changes, what is on it is copied to the snapshot's store. When that is full, or fails, the snapshot is not valid any more: its reads end
   * with EIO, and {@link SnapshotDevice.invalid} says why. This device goes on.
   *
   * @throws SystemError EBADF once the device is closed, EBUSY if somebody has claimed the store, EINVAL for a store without a fixed end; RangeError
   * ERR_OUT_OF_RANGE
   */
  async snapshot(options: SnapshotOptions = {}): Promise<SnapshotDevice> {
    checkOptions('snapshot', options, SNAPSHOT_OPTIONS);
    const { closeStore = true, timers = threadTimers } = options;
    const { set } = this.#live;
    const isOwn = options.store === undefined;
    const store = options.store ?? openMem(this.#roomFor(options.maxBytes));
    checkDevice('options.store', store, 'snapshot');
    sizeOfDevice(store, 'snapshot');
    const state: SnapshotState = { map: new SlotMap(store, set.blockBytes), claim: claimToWrite(store, 0), invalid: null };
    const drop = async (): Promise<void> => {
      set.drop(state);
      this.#open.delete(device);
      state.claim?.release();
      if (isOwn || closeStore) await store.close();
    };
    const driver = new SnapshotDriver(this.#live, state, timers, drop);
    const device = new SnapshotDevice(driver, set.blockBytes, options);
    try {
      await this.quiesce();
      set.snapshots.push(state);
      this.#open.set(device, driver);
      this.resume();
      return device;
    } catch (error) {
      await device.close();
      throw error;
    }
  }

  #roomFor(maxBytes: number | undefined): number {
    const { blockBytes, sizeBytes } = this.#live.set;
    const all = Math.ceil(sizeBytes / blockBytes) * blockBytes;
    return maxBytes === undefined ? Math.min(all, 2 ** 31) : checkInteger('maxBytes', maxBytes, blockBytes);
  }
}

/**
 * Puts a device over another one, of which it takes read-only snapshots while it is in use (copy before write). As long as there are none, requests
 * pass as they are; with some, the first write to a block costs a read of it, and a write for each snapshot that lacks it.
 *
 * The device below is claimed. Snapshots are gone when they are closed, or this device is: they are for backups, not for keeping.
 *
 * @throws RangeError ERR_OUT_OF_RANGE; SystemError EINVAL for a device that grows, EBUSY if somebody has claimed it
 *
 * @example
 * ```js
 * import { openMem, openSnapshots } from '@biodone/blockdev';
 *
 * const device = openSnapshots(openMem(2 ** 20));
 * const snapshot = await device.snapshot();
 * console.log(snapshot.capabilities.readOnly, snapshot.invalid); // true null
 * await snapshot.close();
 * await device.close();
 * ```
 */
export function openSnapshots(device: BlockDevice, options: SnapshotsOptions = {}): SnapshotsDevice {
  checkDevice('device', device, 'openSnapshots');
  checkOptions('openSnapshots', options, SNAPSHOTS_OPTIONS);
  const { closeChildren = true, childrenMax, timers = threadTimers } = options;
  if (childrenMax !== undefined) checkInteger('childrenMax', childrenMax, 1, 65536);
  const blockBytes = checkBlock(device, options.blockBytes);
  const sizeBytes = floorTo(sizeOfDevice(device, 'openSnapshots'), device.limits.blockSizeBytes);
  const claim = claimToWrite(device, 0);
  try {
    const open = new Map<SnapshotDevice, SnapshotDriver>();
    const close = async (): Promise<void> => {
      // What they have under way reads the device.
      for (const driver of open.values()) driver.remove();
      for (const snapshot of [...open.keys()]) await snapshot.close();
      claim?.release();
      if (closeChildren) await device.close();
    };
    const set = new SnapshotSet(device, claim, blockBytes, sizeBytes);
    const asked = childrenMax === undefined ? {} : { childrenMax };
    return new SnapshotsDevice(
      new SnapshotsDriver({ set, requestsMax: childrenMax ?? 1024, asked, timers, close }),
      open,
      options,
    );
  } catch (error) {
    claim?.release();
    throw error;
  }
}

const SNAPSHOTS_OPTIONS: OptionKinds = { ...STACK_OPTIONS, blockBytes: 'number' };
const SNAPSHOT_OPTIONS: OptionKinds = { ...DEVICE_OPTIONS, store: 'object', maxBytes: 'number', closeStore: 'boolean' };

function checkBlock(device: BlockDevice, asked: number | undefined): number {
  const { blockSizeBytes } = device.limits;
  const blockBytes = asked ?? Math.max(65_536, blockSizeBytes);
  const isPowerOfTwo = Number.isInteger(Math.log2(blockBytes));
  if (isPowerOfTwo && blockBytes >= 512 && blockBytes <= 2 ** 20 && blockBytes % blockSizeBytes === 0) return blockBytes;
  throw outOfRange(
    'blockBytes',
    `a power of two from 512 to 1048576, and a multiple of the device's block, ${blockSizeBytes} bytes`,
    blockBytes,
  );
}
