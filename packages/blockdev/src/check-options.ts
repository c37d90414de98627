import { EBADF, SystemError } from '@biodone/uring';
import { BlockDevice } from './block-device.js';
import { checkDeviceOptions } from './device-options.js';
import { invalidType, invalidValue } from './errors.js';
import { nearestName } from './nearest-name.js';

/**
 * What an option can be: of one of these types of `typeof`, `'bytes'` for a Uint8Array, or one of several words. Ranges of numbers are for whoever
 * uses them to check, except for the options that every device has.
 */
type OptionKind = 'boolean' | 'number' | 'string' | 'function' | 'object' | 'bytes' | 'any' | readonly string[];

/** Options by their names. */
export type OptionKinds = Readonly<Record<string, OptionKind>>;

/** The options that every device has. */
export const DEVICE_OPTIONS: OptionKinds = {
  timeoutMs: 'number',
  onTimeout: 'function',
  retryDelayMs: 'number',
  piecesMax: 'number',
  timers: 'object',
};

/** The options of devices on others, besides. */
export const STACK_OPTIONS: OptionKinds = { ...DEVICE_OPTIONS, closeChildren: 'boolean', childrenMax: 'number' };

/**
 * Checks the options of a call: a name that is written wrong would otherwise be one that is not given. An option that is undefined is not given.
 *
 * Where the options of every device are among them, they are checked as a whole, so that nothing is written before.
 *
 * @throws TypeError ERR_INVALID_ARG_VALUE for a name that there is not, and for a word that is none of the option's; ERR_INVALID_ARG_TYPE;
 * RangeError ERR_OUT_OF_RANGE for an option of every device
 */
export function checkOptions(call: string, options: unknown, kinds: OptionKinds): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidType('options', `an object, for ${call}`, options);
  }
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) throw unknownOption(call, name, Object.keys(kinds));
    if (value !== undefined) checkOption(`options.${name}`, value, kind);
  }
  if (Object.hasOwn(kinds, 'piecesMax')) checkDeviceOptions(options);
}

/**
 * Checks that an argument is a device that can be used.
 *
 * @throws TypeError ERR_INVALID_ARG_TYPE; SystemError EBADF for one that is closed
 */
export function checkDevice(name: string, device: unknown, call: string): asserts device is BlockDevice {
  if (!(device instanceof BlockDevice)) throw invalidType(name, 'a BlockDevice, as openFile() or openMem() returns it', device);
  if (device.closed) throw new SystemError(EBADF, call, undefined, `${name} is a device that is closed`);
}

/** As {@link checkDevice}, for a list. @throws TypeError ERR_INVALID_ARG_TYPE; SystemError EBADF */
export function checkDeviceList(devices: unknown, call: string, mayBeMissing = false): void {
  if (!Array.isArray(devices)) throw invalidType('devices', 'an array of BlockDevices', devices);
  for (const [index, device] of devices.entries()) {
    if (device !== null || !mayBeMissing) checkDevice(`devices[${index}]`, device, call);
  }
}

function checkOption(name: string, value: unknown, kind: OptionKind): void {
  if (typeof kind !== 'string') {
    if (!kind.includes(value as string)) throw invalidValue(name, `one of ${kind.map((word) => `'${word}'`).join(', ')}`, value);
  } else if (kind === 'bytes') {
    if (!(value instanceof Uint8Array)) throw invalidType(name, 'a Uint8Array', value);
  } else if (kind !== 'any' && (value === null || typeof value !== kind)) {
    throw invalidType(name, `of type ${kind}`, value);
  }
}

function unknownOption(call: string, name: string, names: readonly string[]): TypeError {
  const nearest = nearestName(name, names);
  const advice = nearest === null ? `The options are ${names.join(', ')}` : `Did you mean '${nearest}'?`;
  return Object.assign(new TypeError(`${call} has no option '${name}'. ${advice}`), { code: 'ERR_INVALID_ARG_VALUE' });
}
