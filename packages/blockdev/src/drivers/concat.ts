import { atomicLimits } from '../atomic-limits.js';
import type { BlockDevice } from '../block-device.js';
import { checkOptions, STACK_OPTIONS } from '../check-options.js';
import type { DeviceHandle } from '../driver.js';
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

/**
 * Devices one behind the other, as one: BSD's ccd(4) without an interleave. Of each, whole blocks of the largest block size are used. The
 * devices are claimed.
 *
 * It keeps its size: if a device goes or becomes too small, it is removed. There is no redundancy.
 *
 * @throws TypeError ERR_INVALID_ARG_VALUE for no devices, or the same one twice; SystemError EINVAL for a device that grows, EBUSY if
 * somebody has claimed one of them
 */
export function openConcat(devices: readonly BlockDevice[], options: StackOptions = {}): BlockDevice {
  checkDevices(devices, 1, 'concat');
  checkOptions('openConcat', options, STACK_OPTIONS);
  const sizes = devices.map((device) => sizeOfChild(device, 'concat'));
  return open(devices, sizes, claimToWrite, options);
}

/** The devices of a handle, in another thread. */
export function attachConcat(handle: DeviceHandle, attach: (handle: DeviceHandle) => BlockDevice): BlockDevice {
  const devices = (handle['devices'] as DeviceHandle[]).map(attach);
  return open(devices, handle['sizes'] as number[], null, {}, handle);
}

function open(
  devices: readonly BlockDevice[],
  sizes: readonly number[],
  claiming: Claiming | null,
  options: StackOptions,
  handle?: DeviceHandle,
): BlockDevice {
  const limits = commonLimits(devices);
  const used = sizes.map((sizeBytes) => floorTo(sizeBytes, limits.blockSizeBytes));
  const { closeChildren = true } = options;
  const atomic = atomicLimits(
    devices.map((device) => device.limits),
    limits.blockSizeBytes,
    used,
  );
  return openStack(
    {
      name: 'concat',
      children: new StackChildren(devices, claiming),
      layout: new ConcatLayout(used),
      limits: { ...limits, ...atomic, sizeBytes: used.reduce((sum, sizeBytes) => sum + sizeBytes, 0) },
      capabilities: commonCapabilities(devices),
      usedBytes: (index) => used[index] as number,
      properties: {},
      handed: { sizes: used },
      close: () => closeAll(closeChildren ? devices : []),
    },
    options,
    handle,
  );
}

class ConcatLayout implements Layout {
  index = 0;
  offset = 0;
  lengthBytes = 0;
  /** Where each device ends in the whole. */
  readonly #ends: Float64Array;
  readonly #sizes: Float64Array;

  constructor(sizes: readonly number[]) {
    let end = 0;
    this.#sizes = Float64Array.from(sizes);
    this.#ends = this.#sizes.map((sizeBytes) => {
      end += sizeBytes;
      return end;
    });
  }

  locate(offset: number): void {
    const ends = this.#ends;
    let low = 0;
    // The last one, for a request of nothing at the very end.
    let high = ends.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ends[middle] as number) > offset) high = middle;
      else low = middle + 1;
    }
    this.index = low;
    this.lengthBytes = (ends[low] as number) - offset;
    this.offset = (this.#sizes[low] as number) - this.lengthBytes;
  }
}
