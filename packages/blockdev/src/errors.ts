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
