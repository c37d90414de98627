import { EINVAL, SystemError } from '@biodone/uring';
import type { BlockDevice, BlockDeviceOptions } from '../block-device.js';
import { checkDevice, checkOptions, DEVICE_OPTIONS } from '../check-options.js';
import type { DeviceHandle } from '../driver.js';
import { closeAll } from '../stack-children.js';
import { sizeOfDevice } from './child-device.js';
import { type ImageChain, openNamed, pathOfImage } from './image-backing.js';
import { openImage } from './image-open.js';
import type { ImageSlices } from './image-slices.js';
import { readBytes } from './read-bytes.js';
import {
  parseVhdFooter,
  parseVhdHeader,
  refuse,
  VHD_FOOTER_BYTES,
  VHD_HEADER_BYTES,
  VHD_SECTOR_BYTES,
  type VhdFooter,
  type VhdImage,
} from './vhd-format.js';
import { VhdMap } from './vhd-map.js';

/** Options of {@link openVhd}. */
export interface VhdOptions extends BlockDeviceOptions {
  /** What a differencing image stands on: a device with the contents of its parent, open. It is closed with the image. */
  parent?: BlockDevice;
  /**
   * Opens the parent that a differencing image names, and what that stands on: files beside the image, with the identity that the image says, and no others.
   * @default false
   */
  followParent?: boolean;
  /**
   * Closes the devices below with this one.
   * @default true
   */
  closeChildren?: boolean;
}

/**
 * Opens a VHD image for reading: a fixed, a dynamic or a differencing one. The device below is mostly a file. Of an image whose footer is damaged, the copy
 * at the beginning counts.
 *
 * A differencing image names its parent; nobody follows that name unasked. Give the other one as `parent`, or say `followParent`.
 *
 * @throws SystemError EINVAL for what is no such image or is damaged, or stands on another one that was not given or is not the one that it was made on;
 * ENOTSUP for other versions and kinds; EPERM and ELOOP with `followParent` for a file elsewhere and a circle. The devices below stay open then.
 */
export function openVhd(device: BlockDevice, options: VhdOptions = {}): Promise<BlockDevice> {
  checkDevice('device', device, 'openVhd');
  checkOptions('openVhd', options, { ...DEVICE_OPTIONS, parent: 'object', followParent: 'boolean', closeChildren: 'boolean' });
  if (options.parent !== undefined) checkDevice('parent', options.parent, 'openVhd');
  return openVhdImage(device, options, []);
}

/** As {@link openVhd}, with the images that were opened on the way to this one. */
export async function openVhdImage(device: BlockDevice, options: VhdOptions, chain: ImageChain): Promise<BlockDevice> {
  const { parent, followParent = false, closeChildren = true } = options;
  const image = await readImage(device);
  const { blockSizeBytes } = device.limits;
  if (blockSizeBytes > VHD_SECTOR_BYTES) {
    throw refuse(
      `its sectors of ${VHD_SECTOR_BYTES} bytes are smaller than the blocks below, ${blockSizeBytes} bytes: open the file without direct`,
    );
  }
  const opened: BlockDevice[] = [];
  try {
    const below = parent ?? (await followed(device, image, followParent, chain, opened));
    const devices = below === undefined ? [device] : [device, below];
    const close = (): Promise<void> => closeAll(closeChildren ? devices : opened);
    return open(devices, image, options, close);
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

/** The channel of a handle, in another thread. */
export function attachVhd(handle: DeviceHandle, attach: (handle: DeviceHandle) => BlockDevice): BlockDevice {
  const devices = (handle['devices'] as DeviceHandle[]).map(attach);
  return open(devices, handle['image'] as VhdImage, {}, () => closeAll(devices), handle);
}

function open(
  devices: readonly BlockDevice[],
  image: VhdImage,
  options: VhdOptions,
  close: () => void | Promise<void>,
  handle?: DeviceHandle,
): BlockDevice {
  const { kind, sizeBytes, uuid, blockBytes } = image;
  const { parent: _, followParent: __, closeChildren: ___, ...layerOptions } = options;
  const format = {
    name: 'vhd',
    devices,
    belowName: 'parent',
    map: (slices: ImageSlices) => new VhdMap(image, slices),
    sizeBytes,
    unitBytes: VHD_SECTOR_BYTES,
    description: { kind, uuid, ...(kind === 'fixed' ? {} : { blockBytes }) },
    handed: { image },
    close,
  };
  return openImage(format, layerOptions, handle);
}

async function readImage(device: BlockDevice): Promise<VhdImage> {
  const fileBytes = sizeOfDevice(device, 'openVhd');
  const last = await readFooter(device, Math.max(0, fileBytes - VHD_FOOTER_BYTES), fileBytes);
  const first = typeof last === 'string' ? await readFooter(device, 0, fileBytes) : last;
  if (typeof first === 'string') throw refuse(`it is no VHD image: at the end ${last}, at the beginning ${first}`);
  // A fixed one has no copy there: what looks like one was written by the guest.
  if (typeof last === 'string' && first.kind === 'fixed')
    throw refuse(`at the end ${last}, and at the beginning is the footer of a fixed image, which has none there`);
  if (first.kind !== 'fixed') {
    if (!(first.headerOffset + VHD_HEADER_BYTES <= fileBytes))
      throw refuse(`its header is at ${first.headerOffset}, of a file of ${fileBytes} bytes`);
    return parseVhdHeader(await readBytes(device, first.headerOffset, VHD_HEADER_BYTES, 'openVhd'), first, fileBytes);
  }
  const { kind, sizeBytes, uuid } = first;
  if (sizeBytes > fileBytes - VHD_FOOTER_BYTES)
    throw refuse(`it says that it has ${sizeBytes} bytes, and the file has ${fileBytes}`);
  return { kind, sizeBytes, uuid, tableOffset: 0, tableEntries: 0, blockBytes: 0, parentUuid: '', parentName: '' };
}

async function readFooter(device: BlockDevice, offset: number, fileBytes: number): Promise<VhdFooter | string> {
  if (fileBytes < VHD_FOOTER_BYTES) return 'there is no room for a footer';
  return parseVhdFooter(await readBytes(device, offset, VHD_FOOTER_BYTES, 'openVhd'));
}

async function followed(
  device: BlockDevice,
  { kind, parentName, parentUuid }: VhdImage,
  followParent: boolean,
  chain: ImageChain,
  opened: BlockDevice[],
): Promise<BlockDevice | undefined> {
  if (kind !== 'differencing') return undefined;
  if (!followParent) throw refuse(`the image stands on '${parentName}': give that as parent, or say followParent`);
  const path = pathOfImage(device, 'openVhd');
  const file = openNamed(path, parentName, [...chain, path], 'openVhd');
  opened.push(file);
  const { uuid } = await readImage(file);
  if (uuid !== parentUuid) {
    throw new SystemError(
      EINVAL,
      'openVhd',
      parentName,
      `it is ${uuid}, and the image was made on ${parentUuid}: another file of that name`,
    );
  }
  const below = await openVhdImage(file, { followParent: true }, [...chain, path]);
  opened[0] = below;
  return below;
}
