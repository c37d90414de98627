import { getSystemErrorMap, inspect } from 'node:util';

/** Failed I/O, with the message, the members and the class of FileHandle's errors. */
export function ioError(errno: number, syscall: string): NodeJS.ErrnoException {
  const [code = `E${errno}`, text = 'unknown error'] = getSystemErrorMap().get(-errno) ?? [];
  return Object.assign(new Error(`${code}: ${text}, ${syscall}`), { errno: -errno, code, syscall });
}

/** What a call on a handle that is closed, or closing, is rejected with. FileHandle's has no errno. */
export function closedError(syscall: string): NodeJS.ErrnoException {
  return Object.assign(new Error('file closed'), { errno: -9, code: 'EBADF', syscall });
}

export function invalidState(message: string): Error {
  return Object.assign(new Error(message), { code: 'ERR_INVALID_STATE' });
}

export function invalidType(name: string, expected: string, value: unknown): TypeError {
  const message = `The "${name}" argument must be ${expected}. Received ${inspect(value, { depth: -1 })}`;
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}

export function invalidValue(name: string, expected: string, value: unknown): TypeError {
  const message = `The argument '${name}' must be ${expected}. Received ${inspect(value, { depth: -1 })}`;
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}

export function outOfRange(name: string, range: string, value: unknown): RangeError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${inspect(value, { depth: -1 })}`;
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}
