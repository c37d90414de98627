import { EINVAL, ENOTSUP, SystemError } from '@biodone/uring';
import type { BlockDevice, BlockDeviceOptions } from '../block-device.js';
import { checkDevice, checkOptions, DEVICE_OPTIONS } from '../check-options.js';
import type { DeviceHandle } from '../driver.js';
import { closeAll } from '../stack-children.js';
import { sizeOfDevice } from './child-device.js';
import { type ImageChain, openNamed, pathOfImage } from './image-backing.js';
import { openImage } from './image-open.js';
import type { ImageSlices } from './image-slices.js';
import { parseQcow2Header, QCOW2_HEADER_MAX_BYTES, type Qcow2Header } from './qcow2-format.js';
import { Qcow2Map, zstdDecompress } from './qcow2-map.js';
import { readBytes } from './read-bytes.js';
import { openVhdImage } from './vhd.js';

/** Options of {@link openQcow2}. */
export interface Qcow2Options extends BlockDeviceOptions {
  /** What the image stands on: a device with the contents of its backing file, open. It is closed with the image. */
  backing?: BlockDevice;
  /**
   * Opens the backing file that the image names, and what that stands on: files beside the image or in folders under it, whose format the image says,
   * and no others.
   * @default false
   */
  followBacking?: boolean;
  /**
   * Closes the devices below with this one.
   * @default true
   */
  closeChildren?: boolean;
}

/**
 * Opens a qcow2 image, of version 2 or 3, for reading: what the guest sees now, not its snapshots. The device below is mostly a file.
 *
 * An image that stands on another one names it; nobody follows that name unasked. Give the other one as `backing`, or say `followBacking`.
 *
 * @throws SystemError EINVAL for what is no such image or is damaged, or stands on another one that was not given; ENOTSUP for encryption, subclusters, an
 * external data file, zstd where Node does not have it, or an incompatible feature that is not known; EPERM and ELOOP with `followBacking` for a file
 * elsewhere and a circle. The devices below stay open then.
 *
 * @example
 * ```js no-run: needs an image
 * import { openFile, openQcow2 } from '@biodone/blockdev';
 *
 * const disk = await openQcow2(openFile('disk.qcow2', { readOnly: true }), { followBacking: true });
 * console.log(disk.limits.sizeBytes);
 * await disk.close();
 * ```
 */
export function openQcow2(device: BlockDevice, options: Qcow2Options = {}): Promise<BlockDevice> {
  checkDevice('device', device, 'openQcow2');
  checkOptions('openQcow2', options, {
    ...DEVICE_OPTIONS,
    backing: 'object',
    followBacking: 'boolean',
    closeChildren: 'boolean',
  });
  if (options.backing !== undefined) checkDevice('backing', options.backing, 'openQcow2');
  return openQcow2Image(device, options, []);
}

async function openQcow2Image(device: BlockDevice, options: Qcow2Options, chain: ImageChain): Promise<BlockDevice> {
  const { backing, followBacking = false, closeChildren = true } = options;
  const fileBytes = sizeOfDevice(device, 'openQcow2');
  const beginning = await readBytes(device, 0, Math.min(fileBytes, QCOW2_HEADER_MAX_BYTES), 'openQcow2');
  const header = parseQcow2Header(beginning, fileBytes);
  checkSupport(header, device);
  const opened: BlockDevice[] = [];
  try {
    const below = backing ?? (await followed(device, header, followBacking, chain, opened));
    const devices = below === undefined ? [device] : [device, below];
    const close = (): void | Promise<void> => (closeChildren ? closeAll(devices) : closeAll(opened));
    return open(devices, header, options, close);
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

/** The channel of a handle, in another thread. */
export function attachQcow2(handle: DeviceHandle, attach: (handle: DeviceHandle) => BlockDevice): BlockDevice {
  const devices = (handle['devices'] as DeviceHandle[]).map(attach);
  return open(devices, handle['header'] as Qcow2Header, {}, () => closeAll(devices), handle);
}

function open(
  devices: readonly BlockDevice[],
  header: Qcow2Header,
  options: BlockDeviceOptions,
  close: () => void | Promise<void>,
  handle?: DeviceHandle,
): BlockDevice {
  const { sizeBytes, version, clusterBits, compression } = header;
  const clusterBytes = 2 ** clusterBits;
  const format = {
    name: 'qcow2',
    devices,
    belowName: 'backing',
    map: (slices: ImageSlices) => new Qcow2Map(header, slices),
    sizeBytes,
    unitBytes: clusterBytes,
    description: { version, clusterBytes, compression },
    handed: { header },
    close,
  };
  return openImage(format, layerOptions(options), handle);
}

/** Without what is not the layer's: a device keeps its options for as long as it lives. */
function layerOptions(options: Qcow2Options): BlockDeviceOptions {
  const { backing: _, followBacking: __, closeChildren: ___, ...rest } = options;
  return rest;
}

function checkSupport({ compression, clusterBits }: Qcow2Header, device: BlockDevice): void {
  if (compression === 'zstd' && zstdDecompress === undefined) {
    const message = `the image uses compression zstd, which Node ${process.versions.node} does not have: use 22.15 or newer`;
    throw new SystemError(ENOTSUP, 'openQcow2', undefined, message);
  }
  const { blockSizeBytes } = device.limits;
  if (2 ** clusterBits % blockSizeBytes === 0) return;
  const message = `its clusters of ${2 ** clusterBits} bytes are no multiple of the blocks below, ${blockSizeBytes} bytes: open the file without direct`;
  throw new SystemError(EINVAL, 'openQcow2', undefined, message);
}

async function followed(
  device: BlockDevice,
  { backingName, backingFormat }: Qcow2Header,
  followBacking: boolean,
  chain: ImageChain,
  opened: BlockDevice[],
): Promise<BlockDevice | undefined> {
  if (backingName === null) return undefined;
  const refuse = (what: string): SystemError => new SystemError(EINVAL, 'openQcow2', undefined, what);
  if (!followBacking) throw refuse(`the image stands on '${backingName}': give that as backing, or say followBacking`);
  if (backingFormat === null)
    throw refuse(`the image does not say which format '${backingName}' has: open that, and give it as backing`);
  const path = pathOfImage(device, 'openQcow2');
  const file = openNamed(path, backingName, [...chain, path], 'openQcow2');
  opened.push(file);
  const below = await openFormat(file, backingFormat, [...chain, path]);
  // What it has become is closed with it.
  opened[0] = below;
  return below;
}

function openFormat(file: BlockDevice, format: string, chain: ImageChain): BlockDevice | Promise<BlockDevice> {
  if (format === 'raw') return file;
  if (format === 'qcow2') return openQcow2Image(file, { followBacking: true }, chain);
  if (format === 'vpc') return openVhdImage(file, { followParent: true }, chain);
  throw new SystemError(
    ENOTSUP,
    'openQcow2',
    undefined,
    `the image stands on one of the format ${format}: open that, and give it as backing`,
  );
}
