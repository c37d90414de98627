import { threadTimers } from '../batch-clock.js';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import { checkDevice, checkOptions, DEVICE_OPTIONS } from '../check-options.js';
import { checkInteger } from '../errors.js';
import { ChildDevice } from './child-device.js';
import { ThrottleDriver, ThrottleIo } from './throttle-driver.js';
import { ThrottleBuckets, type ThrottleLimits } from './throttle-limits.js';

/** Options of {@link openThrottle}. */
export interface ThrottleOptions extends BlockDeviceOptions {
  /**
   * For how many milliseconds a limit saves up what nobody uses, to be used at once: at 100, a device of 1000 IOPS that has been idle lets 100
   * requests pass and then one each millisecond. A timer that is later than this costs throughput.
   * @default 100
   */
  burstMs?: number;
  /**
   * Closes the device below with this one.
   * @default true
   */
  closeChildren?: boolean;
}

/**
 * A device that lets through only so much of another one, in requests and bytes a second.
 *
 * Requests of a direction pass in the order in which they come, and neither direction waits for the other, except for limits that both
 * share: there, who has waited longer comes first. A request that is larger than what a limit has saved up passes, and those behind it wait the
 * longer. Flushes and extents pass at once.
 *
 * Aborting what waits here ends it with ECANCELED. `close()` lets what waits pass at its pace; a BLOCK_RESET before it ends that at once.
 * `strategySync` blocks the thread for as long as the limits want, and does not stand in line behind what waits asynchronously.
 */
export class ThrottleDevice extends BlockDevice {
  readonly #throttle: ThrottleDriver;

  /** @internal */
  constructor(driver: ThrottleDriver, options: BlockDeviceOptions) {
    super(driver, options);
    this.#throttle = driver;
  }

  /** The limits that are in force. */
  get throttleLimits(): ThrottleLimits {
    return this.#throttle.throttleLimits;
  }

  /**
   * Changes the limits that are named, also for what waits; null lifts one, and what is not named stays.
   *
   * @throws RangeError ERR_OUT_OF_RANGE, and nothing is changed then
   */
  setLimits(limits: ThrottleLimits): void {
    this.#throttle.setLimits(limits);
  }
}

/**
 * Puts limits on a device: see {@link ThrottleDevice}. The device below is claimed as long as this one is open.
 *
 * @throws RangeError ERR_OUT_OF_RANGE; SystemError EBUSY if somebody has claimed the device
 *
 * @example
 * ```js
 * import { openMem, openThrottle } from '@biodone/blockdev';
 *
 * const device = openThrottle(openMem(2 ** 20), { iops: 1000, writeBytesPerSecond: 2 ** 20 });
 * device.setLimits({ iops: 2000 });
 * console.log(device.throttleLimits); // { iops: 2000, writeBytesPerSecond: 1048576 }
 * await device.close();
 * ```
 */
export function openThrottle(device: BlockDevice, limits: ThrottleLimits, options: ThrottleOptions = {}): ThrottleDevice {
  checkDevice('device', device, 'throttle');
  checkOptions('openThrottle', options, { ...DEVICE_OPTIONS, burstMs: 'number', closeChildren: 'boolean' });
  const { burstMs = 100, closeChildren = true, timers = threadTimers } = options;
  checkInteger('burstMs', burstMs, 1, 60_000);
  const buckets = new ThrottleBuckets(burstMs);
  buckets.setLimits(limits, timers.now());
  const { readOnly } = device.capabilities;
  const child = new ChildDevice<ThrottleIo>(device, () => new ThrottleIo(), { readOnly, closes: closeChildren });
  try {
    return new ThrottleDevice(new ThrottleDriver(child, buckets, timers), options);
  } catch (error) {
    child.release();
    throw error;
  }
}
