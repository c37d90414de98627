import { BlockDevice } from '@biodone/blockdev';
import { EINVAL, SystemError } from '@biodone/uring';
import { invalidType } from './errors.js';

/**
 * Sees that it makes no difference to which of these devices an operation goes: they are one device object, or channels of one open device. What
 * else leads to the same data, as several paths to a disk or several openings of a file do, only the caller can know; then they must at least
 * be of the same size and of the same kind.
 *
 * @param vouched whether the caller says that they lead to the same data
 * @throws TypeError ERR_INVALID_ARG_TYPE for what is no device; SystemError EINVAL if the devices do not go together
 */
export function checkSameData(devices: readonly BlockDevice[], vouched: boolean): void {
  for (const [index, device] of devices.entries()) {
    if (!(device instanceof BlockDevice)) throw invalidType(`pools[${index}].device`, 'a BlockDevice', device);
  }
  const [first, ...others] = devices as [BlockDevice, ...BlockDevice[]];
  for (const [before, other] of others.entries()) {
    if (first === other || first.isChannelOf(other)) continue;
    if (!vouched) refuse(before + 1, first, other);
    checkKind(before + 1, first, other);
  }
}

function refuse(index: number, first: BlockDevice, other: BlockDevice): never {
  throw new SystemError(
    EINVAL,
    'AioServiceClass',
    undefined,
    `pools[${index}] (${nameOf(other)}) and pools[0] (${nameOf(first)}) are not channels of one open device, so an operation could go to other data; ` +
      'make channels by attachDevice(device.handle()), or say sameData: true if these lead to the same data all the same',
  );
}

/** What an operation meets must not depend on where it goes. */
function checkKind(index: number, first: BlockDevice, other: BlockDevice): void {
  const kinds = [kindOf(first), kindOf(other)] as const;
  for (const name of Object.keys(kinds[0]) as (keyof (typeof kinds)[0])[]) {
    if (kinds[0][name] === kinds[1][name]) continue;
    throw new SystemError(
      EINVAL,
      'AioServiceClass',
      undefined,
      `pools[${index}] has ${name} ${kinds[1][name]} and pools[0] ${kinds[0][name]}, so they do not lead to the same data`,
    );
  }
}

function kindOf({ limits, capabilities }: BlockDevice) {
  const { sizeBytes, blockSizeBytes } = limits;
  return { sizeBytes, blockSizeBytes, readOnly: capabilities.readOnly } as const;
}

function nameOf(device: BlockDevice): string {
  return String(device.describe()['driver']);
}
