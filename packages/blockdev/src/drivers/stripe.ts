import { atomicLimits } from '../atomic-limits.js';
import type { BlockDevice } from '../block-device.js';
import { checkOptions, STACK_OPTIONS } from '../check-options.js';
import type { DeviceHandle } from '../driver.js';
import { checkInteger, outOfRange } from '../errors.js';
import type { Layout } from '../nested-io.js';
import {
  type Claiming,
  checkDevices,
  claimToWrite,
  closeAll,
  commonCapabilities,
  commonLimits,
  floorTo,
  StackChildren,
  sizeOfChild,
} from '../stack-children.js';
import { openStack, type StackOptions } from '../stack-driver.js';

/** Options of {@link openStripe}. */
export interface StripeOptions extends StackOptions {
  /** How much lies on one device before the next one follows: a multiple of the largest block size. @default 65536 */
  stripeBytes?: number;
}

/**
 * Devices side by side, as one: BSD's ccd(4) with an interleave, RAID level 0. The first `stripeBytes` lie on the first device, the next on
 * the second, and so on in turn. Of each, as many whole stripes are used as the smallest device has. The devices are claimed.
 *
 * It keeps its size: if a device goes or becomes too small, it is removed. There is no redundancy.
 *
 * @throws TypeError ERR_INVALID_ARG_VALUE for no devices, or the same one twice; RangeError ERR_OUT_OF_RANGE for `stripeBytes`; SystemError
 * EINVAL for a device that grows, EBUSY if somebody has claimed one of them
 */
export function openStripe(devices: readonly BlockDevice[], options: StripeOptions = {}): BlockDevice {
  checkDevices(devices, 1, 'stripe');
  checkOptions('openStripe', options, { ...STACK_OPTIONS, stripeBytes: 'number' });
  const { blockSizeBytes } = commonLimits(devices);
  const stripeBytes = checkInteger('stripeBytes', options.stripeBytes ?? Math.max(65536, blockSizeBytes), 1, 2 ** 30);
  if (stripeBytes % blockSizeBytes !== 0) {
    throw outOfRange('stripeBytes', `a multiple of the block size, ${blockSizeBytes} bytes`, stripeBytes);
  }
  const smallest = Math.min(...devices.map((device) => sizeOfChild(device, 'stripe')));
  return openStriped({ ...STRIPE, devices, stripeBytes, usedBytes: floorTo(smallest, stripeBytes) }, claimToWrite, options);
}

/** The devices of a handle, in another thread. */
export function attachStripe(handle: DeviceHandle, attach: (handle: DeviceHandle) => BlockDevice): BlockDevice {
  return attachStriped(STRIPE, handle, attach);
}

/** What is striped. */
export interface Striped extends StripedDriver {
  readonly devices: readonly BlockDevice[];
  readonly stripeBytes: number;
  /** How much of each device. */
  readonly usedBytes: number;
}

/** What a driver of striped devices is called, and says of itself besides. */
export interface StripedDriver {
  readonly name: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

const STRIPE: StripedDriver = { name: 'stripe', properties: {} };

/** Opens devices, striped: of this driver, and of a raid of level 0, whose devices have labels behind what is used of them. */
export function openStriped(
  { devices, name, properties, stripeBytes, usedBytes }: Striped,
  claiming: Claiming | null,
  options: StackOptions,
  handle?: DeviceHandle,
): BlockDevice {
  const { closeChildren = true } = options;
  const limits = commonLimits(devices);
  const atomic = atomicLimits(
    devices.map((device) => device.limits),
    limits.blockSizeBytes,
    [stripeBytes],
  );
  return openStack(
    {
      name,
      children: new StackChildren(devices, claiming),
      layout: new StripeLayout(devices.length, stripeBytes),
      limits: { ...limits, ...atomic, sizeBytes: usedBytes * devices.length },
      capabilities: commonCapabilities(devices),
      usedBytes: () => usedBytes,
      properties: { ...properties, stripeBytes },
      handed: { ...properties, stripeBytes, usedBytes },
      close: () => closeAll(closeChildren ? devices : []),
    },
    options,
    handle,
  );
}

/** Its channel in another thread. */
export function attachStriped(
  driver: StripedDriver,
  handle: DeviceHandle,
  attach: (handle: DeviceHandle) => BlockDevice,
): BlockDevice {
  const devices = (handle['devices'] as DeviceHandle[]).map(attach);
  const [stripeBytes, usedBytes] = [handle['stripeBytes'] as number, handle['usedBytes'] as number];
  return openStriped({ ...driver, devices, stripeBytes, usedBytes }, null, {}, handle);
}

class StripeLayout implements Layout {
  index = 0;
  offset = 0;
  lengthBytes = 0;
  readonly #count: number;
  readonly #stripeBytes: number;
  /** Of a power of two, which most are, a multiplication by this is as exact as the division, and takes a third of its time. */
  readonly #stripesPerByte: number;

  constructor(count: number, stripeBytes: number) {
    this.#count = count;
    this.#stripeBytes = stripeBytes;
    this.#stripesPerByte = Number.isInteger(Math.log2(stripeBytes)) ? 1 / stripeBytes : 0;
  }

  locate(offset: number): void {
    const stripeBytes = this.#stripeBytes;
    // Exact below 2^53, and much faster than a remainder of numbers that are no 32-bit integers.
    const stripe = Math.floor(this.#stripesPerByte > 0 ? offset * this.#stripesPerByte : offset / stripeBytes);
    const within = offset - stripe * stripeBytes;
    const row = Math.floor(stripe / this.#count);
    this.index = stripe - row * this.#count;
    this.offset = row * stripeBytes + within;
    this.lengthBytes = stripeBytes - within;
  }
}
