import { EBADF, EINVAL, ENOTSUP, SystemError } from '@biodone/uring';
import type { BlockDevice } from './block-device.js';
import type { DeviceHandle } from './driver.js';
import { findDriver } from './driver-registry.js';
import { invalidType } from './errors.js';
import { SharedState } from './shared-state.js';

/**
 * A thread's own channel to a device that another thread has open (a channel of the same device, not a second opening).
 *
 * Close it before the device that gave the handle: closing that one closes the descriptor. Requests to a channel complete with EBADF then.
 *
 * @throws SystemError EINVAL for a handle of a driver that this thread does not know, ENOTSUP for one that one thread alone can use, ENOSYS
 * where this thread cannot have the engine that the handle names, EBADF if the device that gave the handle is closed; TypeError
 * ERR_INVALID_ARG_TYPE for what is no handle, or has been JSON
 */
export function attachDevice(handle: DeviceHandle): BlockDevice {
  // Whoever writes JavaScript can hand over anything, mostly a handle that was not sent along.
  const given = handle as DeviceHandle | null | undefined;
  if (typeof given?.driver !== 'string') {
    throw invalidType('handle', 'what device.handle() returned, as postMessage or workerData has passed it on', handle);
  }
  const { driver, shared } = given;
  const definition = findDriver(driver);
  if (definition === undefined) {
    throw new SystemError(EINVAL, 'attach', undefined, `no driver '${driver}' in this thread: a driver is registered in each`);
  }
  if (definition.attach === undefined) {
    throw new SystemError(ENOTSUP, 'attach', undefined, `devices of the driver '${driver}' are for one thread alone`);
  }
  if (shared !== undefined) checkShared(shared);
  return attachAll((attach) => definition.attach?.(handle, attach) as BlockDevice);
}

/** Attaches a device with those under it. If one of them fails, the others are closed. */
function attachAll(open: (attach: (handle: DeviceHandle) => BlockDevice) => BlockDevice): BlockDevice {
  const below: BlockDevice[] = [];
  try {
    return open((handle) => {
      const device = attachDevice(handle);
      below.push(device);
      return device;
    });
  } catch (error) {
    for (const device of below) void device.close();
    throw error;
  }
}

/** @throws TypeError ERR_INVALID_ARG_TYPE; SystemError EBADF */
function checkShared(shared: unknown): void {
  if (!(shared instanceof SharedArrayBuffer)) {
    throw invalidType(
      'handle.shared',
      'a SharedArrayBuffer: a handle is passed on by postMessage or workerData, not as JSON',
      shared,
    );
  }
  const state = new SharedState(shared);
  state.refresh();
  if (state.closed) throw new SystemError(EBADF, 'attach', undefined, 'the device that gave this handle is closed');
}
