import { positionalOptions } from './check-definition.js';
import type { DriverOption } from './driver-definition.js';
import type { DeviceSpec } from './spec.js';
import { checkSpec, type DevicePlan, pointerTo } from './spec-check.js';
import { objectSource } from './spec-error.js';
import { MISSING } from './spec-scanner.js';
import { formatScalar, isNumeric, isScalar, type ScalarValue } from './spec-value.js';

/**
 * The text of a spec, on one line: `parseSpec` makes the same spec of it, but for members that are undefined.
 *
 * @throws SpecError for a spec that is wrong, and for one with a secret in it
 */
export function formatSpec(spec: DeviceSpec): string {
  return formatDevice(spec, checkSpec(spec, objectSource));
}

function formatDevice(spec: DeviceSpec, plan: DevicePlan): string {
  const { definition, devices } = plan;
  const { options } = definition;
  const given = Object.keys(options).filter((name) => spec[name] !== undefined);
  for (const name of given) {
    if (options[name]?.secret)
      throw objectSource.error(pointerTo(plan.pointer, name), `no ${name}, since a text can be seen by others`);
  }
  const unnamed = unnamedOptions(positionalOptions(definition), given, options);
  const named = given.filter((name) => !unnamed.includes(name));
  const first = unnamed[0];
  const formatValue = (name: string): string => formatOption(spec, name, options[name] as DriverOption, plan);
  if (devices.size === 0 && unnamed.length <= 1) {
    const query = named.map((name) => `${name}=${formatValue(name)}`).join('&');
    return `${definition.name}${first === undefined ? '' : `:${formatValue(first)}`}${query === '' ? '' : `?${query}`}`;
  }
  return `${definition.name}(${[...unnamed.map(formatValue), ...named.map((name) => `${name}=${formatValue(name)}`)].join(', ')})`;
}

/** Which options can stand without their names: those before the first that is left out, unless that one can be left out there. */
function unnamedOptions(
  ordered: readonly string[],
  given: readonly string[],
  options: Readonly<Record<string, DriverOption>>,
): readonly string[] {
  const unnamed: string[] = [];
  let skipped = false;
  for (const name of ordered) {
    const option = options[name] as DriverOption;
    const isGiven = given.includes(name);
    if (isGiven && skipped && isScalar(option.type)) break;
    if (isGiven) unnamed.push(name);
    else if (isNumeric(option.type) && !option.required) skipped = true;
    else break;
  }
  return unnamed;
}

function formatOption(spec: DeviceSpec, name: string, option: DriverOption, plan: DevicePlan): string {
  const value = spec[name];
  if (option.type === 'device') return formatDevice(value as DeviceSpec, plan.devices.get(name) as DevicePlan);
  if (option.type === 'devices') {
    const plans = plan.devices.get(name) as readonly (DevicePlan | null)[];
    const specs = value as readonly DeviceSpec[];
    return plans.map((child, index) => (child === null ? MISSING : formatDevice(specs[index] as DeviceSpec, child))).join(', ');
  }
  const text = formatScalar(value as ScalarValue, option);
  // What a shell would take apart is in quotes too, so that one pair of quotes of the shell's is enough around the whole.
  return /^[\w./@%+:~-]+$/.test(text) ? text : `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}
