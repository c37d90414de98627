import { constants } from 'node:os';
import { SystemError } from '@biodone/uring';

/** An error that a request ends with. `constants.errno` knows the numbers of all of them. */
export function failure(code: keyof typeof constants.errno, syscall: string, path?: string, advice?: string): SystemError {
  return new SystemError(constants.errno[code], syscall, path, advice);
}

/** Wrong use: an error that is thrown at once, by its code. */
export const outOfRange: { name: string; code: string } = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
export const invalidValue: { name: string; code: string } = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' };
