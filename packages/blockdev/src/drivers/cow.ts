import { threadTimers } from '../batch-clock.js';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import { checkDevice, checkOptions, type OptionKinds, STACK_OPTIONS } from '../check-options.js';
import type { BlockClaim } from '../claims.js';
import { checkInteger, outOfRange } from '../errors.js';
import { checkDevices, claimToWrite, commonLimits, floorTo } from '../stack-children.js';
import { sizeOfDevice } from './child-device.js';
import { clear, commitOverlay, type KeptOverlay } from './cow-commit.js';
import { CowDriver } from './cow-driver.js';
import { CowStore } from './cow-store.js';
import { openMem } from './mem.js';
import { SlotMap } from './overlay-map.js';

/** Options of {@link openCow}. */
export interface CowOptions extends BlockDeviceOptions {
  /**
   * What keeps the changes, such as a file that grows. Without it they are in memory, and gone with the device.
   */
  overlay?: BlockDevice;
  /** Makes a new overlay on that device, instead of opening the one that is there. @default false */
  create?: boolean;
  /**
   * What is kept at a time: a power of two from 512 to 2^20, and a multiple of both devices' blocks. Small ones copy less, and need a larger map. For a
   * new overlay; another one has what it was made with.
   * @default 65536
   */
  blockBytes?: number;
  /** How much an overlay in memory takes at most: what finds no room ends with ENOSPC. @default the size of the base, at most 2^31 */
  maxBytes?: number;
  /** Whether an overlay is refused whose base has changed, as far as that can be seen in 64 places of it. @default true */
  checkBase?: boolean;
  /** Whether closing this closes the base and the overlay. @default true */
  closeChildren?: boolean;
  /** How many requests are under way at a time; the others wait in line. @default 1024 */
  childrenMax?: number;
}

/** A device of which all changes go to an overlay: see {@link openCow}. */
export class CowDevice extends BlockDevice {
  readonly #cow: CowDriver;
  readonly #kept: KeptOverlay | null;

  /** @internal */
  constructor(driver: CowDriver, kept: KeptOverlay | null, options: BlockDeviceOptions) {
    super(driver, options);
    this.#cow = driver;
    this.#kept = kept;
  }

  /** How much has been changed, in whole blocks. */
  get changedBytes(): number {
    return this.#cow.parts.map.count * this.#cow.parts.blockBytes;
  }

  /**
   * Writes what is in the overlay to the base, and makes it stable there; the overlay is empty then. Requests wait meanwhile. If it is
   * interrupted, by an error or a crash, nothing is lost: this device, or the overlay when it is opened again, reads as before, and it can be
   * called again. Until then the base alone has a mix of both.
   *
   * @throws SystemError EROFS for a base that is open for reading alone, EBUSY if somebody else has claimed it, EBADF once the device is closed; what
   * its reads and writes end with
   */
  async commit(): Promise<void> {
    await this.#alone(() => commitOverlay(this.#cow.parts, this.#kept));
  }

  /**
   * Throws the changes away: the device reads as the base again. Requests wait meanwhile.
   *
   * @throws SystemError EBADF once the device is closed; what the writes of an overlay that is kept end with
   */
  async discard(): Promise<void> {
    await this.#alone(() => clear(this.#cow.parts, this.#kept));
  }

  async #alone(work: () => Promise<void>): Promise<void> {
    await this.quiesce();
    try {
      await work();
    } finally {
      this.resume();
    }
  }
}

/**
 * Puts an overlay over a device that stays as it is: what is written goes to the overlay, and is read from there. Of a block that is written in part, the
 * rest is copied from the base first. The base is claimed: nobody writes to it meanwhile.
 *
 * An overlay on a device is found again, also after a crash: a flush makes the blocks stable, then the map that names them. It has a label that
 * knows its base.
 *
 * @throws RangeError ERR_OUT_OF_RANGE; TypeError ERR_INVALID_ARG_VALUE; SystemError EINVAL for a device without a fixed end, no overlay where `create`
 * is false, a base of another size; EILSEQ for a base that has changed, EEXIST for an overlay where `create` is true, EBUSY if somebody has
 * claimed one of the devices, EIO for a map that is damaged
 *
 * @example
 * ```js
 * import { openCow, openMem } from '@biodone/blockdev';
 *
 * const base = openMem(2 ** 20);
 * const device = await openCow(base, { overlay: openMem(2 ** 21), create: true, blockBytes: 4096 });
 * console.log(device.changedBytes); // 0
 * await device.discard();
 * await device.close();
 * ```
 */
export async function openCow(base: BlockDevice, options: CowOptions = {}): Promise<CowDevice> {
  checkDevice('base', base, 'openCow');
  checkOptions('openCow', options, COW_OPTIONS);
  const { overlay, create = false, checkBase = true, closeChildren = true, childrenMax, timers = threadTimers } = options;
  if (overlay !== undefined) checkDevice('options.overlay', overlay, 'openCow');
  if (overlay !== undefined) checkDevices([base, overlay], 2, 'cow');
  if (childrenMax !== undefined) checkInteger('childrenMax', childrenMax, 1, 65536);
  const blockBytes = checkBlock(base, overlay, options.blockBytes);
  const baseBytes = floorTo(
    sizeOfDevice(base, 'openCow'),
    commonLimits(overlay === undefined ? [base] : [base, overlay]).blockSizeBytes,
  );
  const claims: { base: BlockClaim | null; store: BlockClaim | null } = { base: claimBase(base), store: null };
  const settings = { closeChildren, timers, ...(childrenMax === undefined ? {} : { childrenMax }) };
  try {
    if (overlay === undefined) {
      const maxBytes = checkInteger(
        'maxBytes',
        options.maxBytes ?? Math.min(roundUp(baseBytes, blockBytes), 2 ** 31),
        blockBytes,
      );
      const map = new SlotMap(openMem(maxBytes, { blockSizeBytes: 1 }), blockBytes);
      const given = options.maxBytes === undefined ? {} : { maxBytes };
      const parts = { base, claims, map, blockBytes, sizeBytes: baseBytes };
      return new CowDevice(new CowDriver(parts, null, { ...settings, ...given }), null, options);
    }
    claims.store = claimToWrite(overlay, 1);
    const store = new CowStore(overlay, claims.store);
    const { label, bitmap } = await store.open({ base, baseClaim: claims.base, baseBytes, create, blockBytes, checkBase });
    const parts = { base, claims, map: bitmap, blockBytes: label.blockBytes, sizeBytes: baseBytes };
    return new CowDevice(new CowDriver(parts, bitmap, settings), { store, label }, options);
  } catch (error) {
    claims.base?.release();
    claims.store?.release();
    throw error;
  }
}

const COW_OPTIONS: OptionKinds = {
  ...STACK_OPTIONS,
  overlay: 'object',
  create: 'boolean',
  blockBytes: 'number',
  maxBytes: 'number',
  checkBase: 'boolean',
};

const BLOCK_MIN_BYTES = 512;
const BLOCK_MAX_BYTES = 2 ** 20;

function checkBlock(base: BlockDevice, overlay: BlockDevice | undefined, asked: number | undefined): number {
  const { blockSizeBytes } = commonLimits(overlay === undefined ? [base] : [base, overlay]);
  const blockBytes = asked ?? Math.max(65_536, blockSizeBytes);
  const isPowerOfTwo = Number.isInteger(Math.log2(blockBytes));
  if (isPowerOfTwo && blockBytes >= BLOCK_MIN_BYTES && blockBytes <= BLOCK_MAX_BYTES && blockBytes % blockSizeBytes === 0) {
    return blockBytes;
  }
  const range = `a power of two from ${BLOCK_MIN_BYTES} to ${BLOCK_MAX_BYTES}, and a multiple of the devices' block, ${blockSizeBytes} bytes`;
  throw outOfRange('blockBytes', range, blockBytes);
}

/** Nobody may change the base. A channel in another thread cannot be claimed. */
function claimBase(base: BlockDevice): BlockClaim | null {
  return base.attached ? null : base.claim('read-many-write-none');
}

function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}
