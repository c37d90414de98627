import { IoBuffer, type IoBufferHandle, SystemError } from '@biodone/uring';
import { BlockDevice } from './block-device.js';
import type { DeviceHandle } from './driver.js';
import { attachConcat } from './drivers/concat.js';
import { attachFile } from './drivers/file.js';
import { createMemDriver } from './drivers/mem.js';
import { createNullDriver } from './drivers/null.js';
import { attachSlice } from './drivers/slice.js';
import { attachStripe } from './drivers/stripe.js';

/**
 * A thread's own channel to a device that another thread has open (a channel of the same device, not a second opening).
 *
 * Close it before the device that gave the handle: closing that one closes the descriptor.
 *
 * @throws SystemError EINVAL for a handle of an unknown driver, ENOSYS where this thread cannot have the engine that the handle names
 */
export function attachDevice(handle: DeviceHandle): BlockDevice {
  const attach = Object.hasOwn(ATTACH, handle.driver) ? ATTACH[handle.driver] : undefined;
  if (attach === undefined) throw new SystemError(22, 'attach', undefined, `no driver '${handle.driver}'`);
  return attach(handle);
}

const ATTACH: Record<DeviceHandle['driver'], (handle: DeviceHandle) => BlockDevice> = {
  null: (handle) => new BlockDevice(createNullDriver(handle['sizeBytes'] as number), {}, handle),
  mem: (handle) => new BlockDevice(createMemDriver(IoBuffer.attach(handle['memory'] as IoBufferHandle)), {}, handle),
  file: attachFile,
  slice: (handle) => attachSlice(handle, attachDevice),
  concat: (handle) => attachConcat(handle, attachDevice),
  stripe: (handle) => attachStripe(handle, attachDevice),
};
