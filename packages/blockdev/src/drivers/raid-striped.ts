import type { BlockDevice } from '../block-device.js';
import type { DeviceHandle } from '../driver.js';
import { type Claiming, claimToWrite, closeAll, commonCapabilities, commonLimits, StackChildren } from '../stack-children.js';
import { openStack, type StackOptions } from '../stack-driver.js';
import { RaidGeometry } from './raid-geometry.js';

/** Level 0 of a raid: the driver of all stacks, with a label on each component. */
export function openStriped(
  devices: readonly BlockDevice[],
  stripeBytes: number,
  usedBytes: number,
  options: StackOptions,
): BlockDevice {
  return open(devices, stripeBytes, usedBytes, claimToWrite, options);
}

/** Its channel in another thread. */
export function attachStriped(handle: DeviceHandle, attach: (handle: DeviceHandle) => BlockDevice): BlockDevice {
  const devices = (handle['devices'] as DeviceHandle[]).map(attach);
  return open(devices, handle['stripeBytes'] as number, handle['usedBytes'] as number, null, {}, handle);
}

function open(
  devices: readonly BlockDevice[],
  stripeBytes: number,
  usedBytes: number,
  claiming: Claiming | null,
  options: StackOptions,
  handle?: DeviceHandle,
): BlockDevice {
  const { closeChildren = true } = options;
  const limits = commonLimits(devices);
  const properties = { level: 0, stripeBytes };
  return openStack(
    {
      name: 'raid',
      children: new StackChildren(devices, claiming),
      layout: new RaidGeometry(0, devices.length, stripeBytes, usedBytes / stripeBytes, limits.blockSizeBytes),
      limits: { ...limits, sizeBytes: usedBytes * devices.length },
      capabilities: commonCapabilities(devices),
      usedBytes: () => usedBytes,
      properties,
      handed: { ...properties, usedBytes },
      close: () => closeAll(closeChildren ? devices : []),
    },
    options,
    handle,
  );
}
