import { EINVAL, ENOTSUP, SystemError } from '@biodone/uring';
import type { BlockDevice } from './block-device.js';
import type { DeviceHandle } from './driver.js';
import { findDriver } from './driver-registry.js';

/**
 * A thread's own channel to a device that another thread has open (a channel of the same device, not a second opening).
 *
 * Close it before the device that gave the handle: closing that one closes the descriptor.
 *
 * @throws SystemError EINVAL for a handle of a driver that this thread does not know, ENOTSUP for one that one thread alone can use, ENOSYS
 * where this thread cannot have the engine that the handle names
 */
export function attachDevice(handle: DeviceHandle): BlockDevice {
  const { driver } = handle;
  const definition = findDriver(driver);
  if (definition === undefined) {
    throw new SystemError(EINVAL, 'attach', undefined, `no driver '${driver}' in this thread: a driver is registered in each`);
  }
  if (definition.attach === undefined) {
    throw new SystemError(ENOTSUP, 'attach', undefined, `devices of the driver '${driver}' are for one thread alone`);
  }
  return definition.attach(handle, attachDevice);
}
