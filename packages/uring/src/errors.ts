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
    const [code, text] = getSystemErrorMap().get(-errno) ?? describe(errno);
    const where = path === undefined ? '' : ` '${path}'`;
    const message = `${code}: ${text}, ${syscall}${where}${advice === undefined ? '' : `: ${advice}`}`;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.errno = -errno;
    this.syscall = syscall;
    if (path !== undefined) this.path = path;
  }
}

/** libuv, whose names Node's own errors have, knows only the errors of its own calls. */
function describe(errno: number): [code: string, text: string] {
  const code = Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `E${errno}`;
  return [code, TEXTS[code] ?? 'unknown error'];
}

const TEXTS: Readonly<Record<string, string>> = {
  EDEADLK: 'resource deadlock avoided',
  EDQUOT: 'disk quota exceeded',
  ESTALE: 'stale file handle',
  ETIME: 'timer expired',
};
