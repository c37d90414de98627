import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

/**
 * An operation that failed, in the shape of Node's own errors (rule 15): `code: 'EIO'`, negative `errno`, `syscall`, and the `path`
 * where one is known.
 */
export class SystemError extends Error {
  override readonly name: string = 'SystemError';
  /** The name of the error, such as `'EIO'`. */
  readonly code: string;
  /** The error's number, negative as on Node's errors. */
  readonly errno: number;
  /** The call or operation that failed. */
  readonly syscall: string;
  /** The file or device, where one is known. */
  declare readonly path?: string;

  /**
   * @param errno the positive errno, as the kernel's headers have it
   * @param syscall what failed
   * @param path on what
   * @param advice what the reader can do about it, appended to the message
   * @param cause the error that led to this one
   */
  constructor(errno: number, syscall: string, path?: string, advice?: string, cause?: unknown) {
    const [code, text] = describe(errno);
    const where = path === undefined ? '' : ` '${path}'`;
    const message = `${code}: ${text}, ${syscall}${where}${advice === undefined ? '' : `: ${advice}`}`;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.errno = -errno;
    this.syscall = syscall;
    if (path !== undefined) this.path = path;
  }
}

/** libuv, whose names Node's own errors have, knows only the errors of its own calls, and some texts of its are about sockets alone. */
function describe(errno: number): [code: string, text: string] {
  const [name, message] = getSystemErrorMap().get(-errno) ?? [];
  const code = name ?? Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `E${errno}`;
  return [code, TEXTS[code] ?? message ?? 'unknown error'];
}

/** What is said differently from libuv, or not at all there. */
const TEXTS: Readonly<Record<string, string>> = {
  EALREADY: 'already in progress, or done before',
  EBADF: 'closed, or no open descriptor',
  EDEADLK: 'resource deadlock avoided',
  EDQUOT: 'disk quota exceeded',
  EILSEQ: 'the data is not what it should be',
  ENOTSUP: 'operation not supported',
  EOPNOTSUPP: 'operation not supported',
  ESTALE: 'stale file handle',
  ETIME: 'timer expired',
  ETIMEDOUT: 'timed out',
};
