import type { DriverDefinition, DriverOption } from './driver-definition.js';
import { findDriver, registeredDrivers } from './driver-registry.js';
import { nearestName } from './nearest-name.js';
import type { DeviceSpec } from './spec.js';
import type { SpecSource } from './spec-error.js';
import { checkScalar, expectedOf, isScalar, parseScalar, type ScalarValue } from './spec-value.js';

/** How many devices may stand in each other. */
export const DEPTH_MAX = 16;
/** How many devices a stack may have, so that an object that refers to one part many times does not become a giant. */
const DEVICES_MAX = 1024;
/** What a path without a driver is. */
export const FILE_DRIVER = 'file';

/** A device of a spec that has been found right, and is not open yet. */
export interface DevicePlan {
  readonly definition: DriverDefinition;
  /** The JSON pointer of its spec. */
  readonly pointer: string;
  /** The options that are no devices, with those that are given by default. */
  readonly values: Readonly<Record<string, ScalarValue>>;
  /** The devices under it, by the names of the options. */
  readonly devices: ReadonlyMap<string, DevicePlan | readonly (DevicePlan | null)[]>;
}

/**
 * Checks a spec against the tables of its drivers. It reads each member once, and no other than those that the tables name.
 *
 * @throws SpecError
 */
export function checkSpec(spec: unknown, source: SpecSource): DevicePlan {
  return new SpecChecker(source).device(spec, '', 1);
}

class SpecChecker {
  readonly #source: SpecSource;
  #count = 0;

  constructor(source: SpecSource) {
    this.#source = source;
  }

  device(spec: unknown, pointer: string, depth: number): DevicePlan {
    if (!isObject(spec)) throw this.#source.error(pointer, 'an object with a driver', null, spec);
    if (depth > DEPTH_MAX) throw this.#source.error(pointer, `no more than ${DEPTH_MAX} devices in each other`);
    this.#count += 1;
    if (this.#count > DEVICES_MAX) throw this.#source.error(pointer, `no more than ${DEVICES_MAX} devices in all`);
    const definition = this.#definition(spec, pointer);
    const { options } = definition;
    for (const name of Object.keys(spec)) {
      if (name === 'driver' || Object.hasOwn(options, name) || spec[name] === undefined) continue;
      const names = Object.keys(options);
      const expected = `an option of ${definition.name} (${names.join(', ')})`;
      throw this.#source.error(pointerTo(pointer, name), expected, nearestName(name, names), name);
    }
    const values: Record<string, ScalarValue> = {};
    const devices = new Map<string, DevicePlan | readonly (DevicePlan | null)[]>();
    for (const [name, option] of Object.entries(options)) {
      const value = Object.hasOwn(spec, name) ? spec[name] : undefined;
      const place = pointerTo(pointer, name);
      if (isScalar(option.type)) {
        const checked = this.#scalar(value, place, name, option, definition);
        if (checked !== undefined) values[name] = checked;
      } else if (value === undefined) {
        if (option.required) throw this.#source.error(place, missing(name, option, definition));
      } else {
        devices.set(
          name,
          option.type === 'device' ? this.device(value, place, depth + 1) : this.#devices(value, place, option, depth),
        );
      }
    }
    return { definition, pointer, values, devices };
  }

  #definition(spec: Partial<DeviceSpec>, pointer: string): DriverDefinition {
    const name: unknown = Object.hasOwn(spec, 'driver') ? spec.driver : undefined;
    const definition = typeof name === 'string' ? findDriver(name) : undefined;
    if (definition !== undefined) return definition;
    const names = driverNames();
    const suggestion = typeof name === 'string' ? nearestName(name, names.split(', ')) : null;
    throw this.#source.error(pointerTo(pointer, 'driver'), `a driver (${names})`, suggestion, name);
  }

  #scalar(
    value: unknown,
    place: string,
    name: string,
    option: DriverOption,
    definition: DriverDefinition,
  ): ScalarValue | undefined {
    if (value === undefined) {
      if (option.required) throw this.#source.error(place, missing(name, option, definition));
      return option.default;
    }
    const expected = checkScalar(value, option);
    if (expected === null) return value as ScalarValue;
    throw this.#source.error(place, `for ${name} ${expected}`, meant(value, option), option.secret ? undefined : value);
  }

  #devices(value: unknown, place: string, option: DriverOption, depth: number): readonly (DevicePlan | null)[] {
    if (!Array.isArray(value)) throw this.#source.error(place, 'an array of devices', null, value);
    const { minimum = 1, maximum = DEVICES_MAX } = option;
    if (value.length < minimum || value.length > maximum) {
      const most = maximum === DEVICES_MAX ? 'or more' : `to ${maximum}`;
      throw this.#source.error(place, `${minimum} ${most} devices, not ${value.length}`);
    }
    return Array.from(value, (spec: unknown, index) => {
      if (spec === null && option.mayBeMissing) return null;
      return this.device(spec, pointerTo(place, String(index)), depth + 1);
    });
  }
}

/** What a text in the place of another value may mean. */
function meant(value: unknown, option: DriverOption): string | null {
  if (typeof value !== 'string' || option.secret) return null;
  if (option.choices !== undefined) return nearestName(value, option.choices);
  const parsed = parseScalar(value, option);
  return parsed === undefined || checkScalar(parsed, option) !== null ? null : String(parsed);
}

/** What is missing, in words. */
function missing(name: string, option: DriverOption, definition: DriverDefinition): string {
  return `${definition.name} to have ${name} (${expectedOf(option)})`;
}

/** The JSON pointer of a member (RFC 6901). */
export function pointerTo(pointer: string, member: string): string {
  return `${pointer}/${member.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** The names of all drivers, for messages. */
export function driverNames(): string {
  return registeredDrivers()
    .map(({ name }) => name)
    .join(', ');
}

function isObject(value: unknown): value is Partial<DeviceSpec> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
