import { inspect } from 'node:util';

/** A value that is not in its range, as Node's own errors say it. */
export function outOfRange(name: string, range: string, value: unknown): RangeError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${inspect(value, { depth: -1 })}`;
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}

/** @throws RangeError ERR_OUT_OF_RANGE unless the value is an integer from `least` to `most` */
export function checkInteger(name: string, value: unknown, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw outOfRange(
    name,
    most === Number.MAX_SAFE_INTEGER ? `an integer >= ${least}` : `an integer >= ${least} && <= ${most}`,
    value,
  );
}

/** A value that is not what an argument or an option can be, as Node's own errors say it. */
export function invalidValue(name: string, expected: string, value: unknown): TypeError {
  const message = `The value of "${name}" is invalid. It must be ${expected}. Received ${inspect(value, { depth: -1 })}`;
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}

/** A value of another type than an argument or an option has, as Node's own errors say it. */
export function invalidType(name: string, expected: string, value: unknown): TypeError {
  const message = `The type of "${name}" is wrong. It must be ${expected}. Received ${inspect(value, { depth: -1 })}`;
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}
