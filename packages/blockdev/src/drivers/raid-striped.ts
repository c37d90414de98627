import type { BlockDevice } from '../block-device.js';
import type { DeviceHandle } from '../driver.js';
import { claimToWrite } from '../stack-children.js';
import type { StackOptions } from '../stack-driver.js';
import { attachStriped, openStriped, type StripedDriver } from './stripe.js';

const LEVEL_0: StripedDriver = { name: 'raid', properties: { level: 0 } };

/** Level 0 of a raid: a stripe, with a label on each component. */
export function openLevel0(
  devices: readonly BlockDevice[],
  stripeBytes: number,
  usedBytes: number,
  options: StackOptions,
): BlockDevice {
  return openStriped({ ...LEVEL_0, devices, stripeBytes, usedBytes }, claimToWrite, options);
}

/** Its channel in another thread. */
export function attachLevel0(handle: DeviceHandle, attach: (handle: DeviceHandle) => BlockDevice): BlockDevice {
  return attachStriped(LEVEL_0, handle, attach);
}
