import { inspect } from 'node:util';

/** A value that is not in its range, as Node's own errors say it. */
export function outOfRange(name: string, range: string, value: unknown): RangeError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${inspect(value, { depth: -1 })}`;
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}

/** A value of another type than an argument or an option has, as Node's own errors say it. */
export function invalidType(name: string, expected: string, value: unknown): TypeError {
  const message = `The type of "${name}" is wrong. It must be ${expected}. Received ${inspect(value, { depth: -1 })}`;
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}

/** @throws RangeError ERR_OUT_OF_RANGE unless the value is an integer from `least` to `most` */
export function checkInteger(name: string, value: unknown, least: number, most: number): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return;
  throw outOfRange(name, `an integer >= ${least} && <= ${most}`, value);
}

/** @throws RangeError ERR_OUT_OF_RANGE unless the value is a number of milliseconds, or Infinity for no limit */
export function checkTime(name: string, value: unknown): void {
  if (typeof value !== 'number' || !(value >= 0)) throw outOfRange(name, '>= 0, or Infinity', value);
}
