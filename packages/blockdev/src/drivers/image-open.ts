import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import type { DeviceHandle } from '../driver.js';
import { StackChildren } from '../stack-children.js';
import { ImageDriver, type ImageParts } from './image-driver.js';
import type { ImageMap } from './image-map.js';
import { ImageSlices } from './image-slices.js';

/** What an image format gives to be opened as a device. */
export interface ImageFormat extends Omit<ImageParts, 'children' | 'map' | 'slices' | 'timers'> {
  /** The image, and the one below it, if there is one. */
  readonly devices: readonly BlockDevice[];
  readonly map: (slices: ImageSlices) => ImageMap;
}

/** Opens the device of an image whose header is known, or its channel in another thread. What is below is claimed: nobody writes to it. */
export function openImage(
  { devices, map, ...format }: ImageFormat,
  options: BlockDeviceOptions,
  handle?: DeviceHandle,
): BlockDevice {
  const children = new StackChildren(devices, (device) => (device.attached ? null : device.claim('read-many-write-none')));
  try {
    const slices = new ImageSlices();
    const timers = options.timers === undefined ? {} : { timers: options.timers };
    return new BlockDevice(new ImageDriver({ ...format, children, slices, map: map(slices), ...timers }), options, handle);
  } catch (error) {
    children.release();
    throw error;
  }
}
