import { EBUSY, SystemError } from '@biodone/uring';
import { atomicLimits } from '../atomic-limits.js';
import type { BlockDevice } from '../block-device.js';
import { checkDevice, checkOptions, STACK_OPTIONS } from '../check-options.js';
import type { DeviceHandle } from '../driver.js';
import { checkInteger, outOfRange } from '../errors.js';
import type { Layout } from '../nested-io.js';
import { commonCapabilities, commonLimits, StackChildren } from '../stack-children.js';
import { openStack, type StackOptions } from '../stack-driver.js';

/** Options of {@link openSlice}. */
export interface SliceOptions extends StackOptions {
  /** Where on the device it begins, a multiple of the device's block size. @default 0 */
  offsetBytes?: number;
  /** How long it is, a multiple of the device's block size. @default up to the end of the device */
  lengthBytes?: number;
}

/** All slices of a device share the right to write to it. */
const CLAIM_KEY = 'slice';

interface Range {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** Which ranges of which device are slices. */
const slices = new WeakMap<BlockDevice, Set<Range>>();

/**
 * A range of a device, as a device: BSD's dk(4), a wedge. A device can have several that do not overlap; it is claimed for them, and closed
 * with the last of them (`closeChildren`).
 *
 * It keeps its size: if the device becomes too small for it, it is removed.
 *
 * @throws RangeError ERR_OUT_OF_RANGE if it does not lie on the device, or not on whole blocks; SystemError EBUSY if it overlaps another
 * slice, or if somebody else has claimed the device
 *
 * @example
 * ```js
 * import { openMem, openSlice } from '@biodone/blockdev';
 *
 * const disk = openMem(1024);
 * const first = openSlice(disk, { lengthBytes: 512 });
 * const second = openSlice(disk, { offsetBytes: 512 });
 * console.log(first.limits.sizeBytes, second.limits.sizeBytes); // 512 512
 * await Promise.all([first.close(), second.close()]); // and disk with them
 * ```
 */
export function openSlice(device: BlockDevice, options: SliceOptions = {}): BlockDevice {
  checkDevice('device', device, 'slice');
  checkOptions('openSlice', options, { ...STACK_OPTIONS, offsetBytes: 'number', lengthBytes: 'number' });
  const range = checkRange(device, options);
  const claims =
    device.capabilities.readOnly || device.attached ? null : (): ReturnType<BlockDevice['claim']> => claimShared(device);
  const others = slices.get(device) ?? new Set<Range>();
  for (const other of others) if (overlap(range, other)) throw overlapping(other);
  const children = new StackChildren([device], claims);
  const opened = open(device, range, children, options, () => {
    others.delete(range);
    return (options.closeChildren ?? true) && others.size === 0 ? device.close() : undefined;
  });
  others.add(range);
  slices.set(device, others);
  return opened;
}

/** The slice of a handle, in another thread. */
export function attachSlice(handle: DeviceHandle, attach: (handle: DeviceHandle) => BlockDevice): BlockDevice {
  const [device] = (handle['devices'] as DeviceHandle[]).map(attach) as [BlockDevice];
  const range = { offsetBytes: handle['offsetBytes'] as number, lengthBytes: handle['lengthBytes'] as number };
  return open(device, range, new StackChildren([device], null), {}, () => device.close(), handle);
}

function open(
  device: BlockDevice,
  range: Range,
  children: StackChildren,
  options: StackOptions,
  close: () => void | Promise<void>,
  handle?: DeviceHandle,
): BlockDevice {
  const { offsetBytes, lengthBytes } = range;
  const { maxSegments, blockSizeBytes } = device.limits;
  const atomic = atomicLimits([device.limits], blockSizeBytes, [offsetBytes]);
  return openStack(
    {
      name: 'slice',
      children,
      layout: new SliceLayout(offsetBytes, lengthBytes),
      limits: { ...commonLimits([device]), sizeBytes: lengthBytes, maxSegments, ...atomic },
      capabilities: commonCapabilities([device]),
      // What has no end of its own does not become too small.
      usedBytes: () => (device.limits.sizeBytes === null ? 0 : offsetBytes + lengthBytes),
      properties: { offsetBytes, lengthBytes },
      single: true,
      handed: { offsetBytes, lengthBytes },
      close,
    },
    options,
    handle,
  );
}

class SliceLayout implements Layout {
  index = 0;
  offset = 0;
  lengthBytes = 0;
  readonly #begin: number;
  readonly #length: number;

  constructor(begin: number, length: number) {
    this.#begin = begin;
    this.#length = length;
  }

  locate(offset: number): void {
    this.offset = this.#begin + offset;
    this.lengthBytes = this.#length - offset;
  }
}

function checkRange(device: BlockDevice, options: SliceOptions): Range {
  const { sizeBytes, blockSizeBytes } = device.limits;
  // A device that grows says nothing of where a slice is to end.
  if (sizeBytes === null) checkInteger('lengthBytes', options.lengthBytes, 0);
  const end = sizeBytes ?? Number.MAX_SAFE_INTEGER;
  const offsetBytes = checkInteger('offsetBytes', options.offsetBytes ?? 0, 0, end);
  const rest = end - offsetBytes;
  const lengthBytes = checkInteger('lengthBytes', options.lengthBytes ?? rest - (rest % blockSizeBytes), 0, rest);
  for (const [name, value] of Object.entries({ offsetBytes, lengthBytes })) {
    if (value % blockSizeBytes !== 0) throw outOfRange(name, `a multiple of the block size, ${blockSizeBytes} bytes`, value);
  }
  return { offsetBytes, lengthBytes };
}

function claimShared(device: BlockDevice): ReturnType<BlockDevice['claim']> {
  return device.claim('read-many-write-shared', CLAIM_KEY);
}

function overlap(one: Range, other: Range): boolean {
  return one.offsetBytes < other.offsetBytes + other.lengthBytes && other.offsetBytes < one.offsetBytes + one.lengthBytes;
}

function overlapping({ offsetBytes, lengthBytes }: Range): SystemError {
  const there = `there is a slice of ${lengthBytes} bytes at ${offsetBytes}: choose another range, or close that one first`;
  return new SystemError(EBUSY, 'slice', undefined, there);
}
