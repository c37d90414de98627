import { getSystemErrorMap, inspect } from 'node:util';

/** Failed I/O, with the message, the members and the class of FileHandle's errors. */
export function ioError(errno: number, syscall: string): NodeJS.ErrnoException {
  const [code = `E${errno}`, text = 'unknown error'] = getSystemErrorMap().get(-errno) ?? [];
  return Object.assign(new Error(`${code}: ${text}, ${syscall}`), { errno: -errno, code, syscall });
}

/** What a call on a handle that is closed, or closing, is rejected with: it has no errno, as FileHandle's. */
export function closedError(syscall: string): NodeJS.ErrnoException {
  return Object.assign(new Error('file closed'), { code: 'EBADF', syscall });
}

export function invalidState(message: string): Error {
  return Object.assign(new Error(message), { code: 'ERR_INVALID_STATE' });
}

/** What FileHandle throws if it is to use another `fs` for its streams. */
export function notImplemented(what: string): Error {
  return Object.assign(new Error(`The ${what} method is not implemented`), { code: 'ERR_METHOD_NOT_IMPLEMENTED' });
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
