import type { DeviceHandle } from './driver.js';
import { SharedState } from './shared-state.js';

/**
 * Counts a channel back, and those of the devices under it, whose thread has ended without closing it: for whoever has given that thread the handle.
 * Otherwise the device would take the dead channel for another writer until it is closed.
 *
 * Only for a thread that has returned from `attachDevice` and has not begun to close what that gave: one channel too many costs speed, one too few
 * would let two threads write parts of the same unit.
 *
 * @param handle the one that the thread was given
 */
export function abandonChannel(handle: DeviceHandle): void {
  for (const { shared } of handlesWithin(handle)) if (shared !== undefined) new SharedState(shared).countChannel(-1);
}

/** A handle and those that it holds, for the devices below: each `attachDevice` of a stack has made a channel of each. */
function handlesWithin(value: unknown): DeviceHandle[] {
  if (Array.isArray(value)) return value.flatMap(handlesWithin);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return [];
  const within = Object.values(value).flatMap(handlesWithin);
  return 'driver' in value ? [value as DeviceHandle, ...within] : within;
}
