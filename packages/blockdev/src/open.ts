import { BlockDevice, type BlockDeviceOptions } from './block-device.js';
import { checkOptions, DEVICE_OPTIONS } from './check-options.js';
import type { DriverDefinition, DriverOptions, OpenContext, OptionValues } from './driver-definition.js';
import { invalidType } from './errors.js';
import type { DeviceSpec } from './spec.js';
import { checkSpec, type DevicePlan, pointerTo } from './spec-check.js';
import { objectSource, type SpecSource } from './spec-error.js';
import { parseText } from './spec-parser.js';

/**
 * Opens a device, or a stack of devices, by its name: a text, as for a command line, or what `device.config()` has returned. The whole spec
 * is checked before anything is opened. Closing the device closes all under it; if one cannot be opened, those that were are closed again.
 *
 * Opening a file blocks the thread, as `openFile` does.
 *
 * @param spec `file:/data/x?direct=1`, `/dev/loop0`, `mem:64m`: see {@link parseSpec}
 * @param options for the device; of these, those under it get `timers`, `retryDelayMs` and `piecesMax`
 *
 * @example
 * ```js
 * import { openDevice } from '@biodone/blockdev';
 *
 * const device = await openDevice('mem:64m');
 * console.log(device.limits.sizeBytes); // 67108864
 * const same = await openDevice(device.config());
 * await device.close();
 * await same.close();
 * ```
 *
 * @throws SpecError for a spec that is wrong; otherwise what the drivers throw at opening, such as the errors of open(2)
 */
export async function openDevice(spec: string | DeviceSpec, options: BlockDeviceOptions = {}): Promise<BlockDevice> {
  checkOptions('openDevice', options, DEVICE_OPTIONS);
  if (typeof spec !== 'string') return openPlan(checkSpec(spec, objectSource), objectSource, options);
  const { spec: parsed, source } = parseText(spec);
  return openPlan(checkSpec(parsed, source), source, options);
}

async function openPlan(plan: DevicePlan, source: SpecSource, options: BlockDeviceOptions): Promise<BlockDevice> {
  const opened: BlockDevice[] = [];
  // A request that is late above is late below: one report is enough.
  const { timeoutMs: _, onTimeout: __, ...optionsBelow } = options;
  const openBelow = async (child: DevicePlan): Promise<BlockDevice> => {
    const device = await openPlan(child, source, optionsBelow);
    opened.push(device);
    return device;
  };
  const values: Record<string, unknown> = { ...plan.values };
  const context: OpenContext = {
    options,
    refuse: (option, expected) => source.error(option === null ? plan.pointer : pointerTo(plan.pointer, option), expected),
  };
  try {
    for (const [name, child] of plan.devices)
      values[name] = 'length' in child ? await openAll(child, openBelow) : await openBelow(child);
    return checkOpened(await plan.definition.open(values as OptionValues<DriverOptions>, context), plan.definition);
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

/** Whoever writes JavaScript can forget to return what was opened. */
function checkOpened(device: unknown, { name }: DriverDefinition): BlockDevice {
  if (device instanceof BlockDevice) return device;
  throw invalidType(`what open() of the driver '${name}' returned`, 'a BlockDevice', device);
}

/** One after the other, so that what is opened first does not depend on chance. */
async function openAll(
  plans: readonly (DevicePlan | null)[],
  openOne: (plan: DevicePlan) => Promise<BlockDevice>,
): Promise<readonly (BlockDevice | null)[]> {
  const devices: (BlockDevice | null)[] = [];
  for (const plan of plans) devices.push(plan === null ? null : await openOne(plan));
  return devices;
}

async function closeAll(devices: readonly BlockDevice[]): Promise<void> {
  for (const device of [...devices].reverse()) {
    try {
      await device.close();
    } catch (error) {
      // Why the stack could not be opened is what its user is told; this must not be lost either.
      process.emitWarning(error as Error);
    }
  }
}
