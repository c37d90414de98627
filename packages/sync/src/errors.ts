import { constants } from 'node:os';

/** The codes that a {@link SyncError} can carry. */
export type SyncErrorCode =
  | 'EBUSY'
  | 'ECANCELED'
  | 'EDEADLK'
  | 'EINVAL'
  | 'ENOENT'
  | 'ENOTRECOVERABLE'
  | 'EOVERFLOW'
  | 'EPERM'
  | 'EPIPE'
  | 'EPROTONOSUPPORT'
  | 'ETIMEDOUT';

/**
 * What a synchronization primitive throws, or hands to a callback: `code`, `errno` and `syscall` as on Node's own errors.
 *
 * `code` says what went wrong, `syscall` which call said so, by its BSD name (`mutex_enter`, `cv_wait`, `TAILQ_REMOVE`). Each method's
 * documentation lists the codes that it uses.
 *
 * @example
 * ```js
 * import { KMutex, SyncError } from '@biodone/sync';
 *
 * const mutex = KMutex.initialize(new SharedArrayBuffer(KMutex.BYTES), 0);
 * try {
 *   mutex.exit();
 * } catch (error) {
 *   console.log(error instanceof SyncError, error.code); // true EPERM
 * }
 * ```
 */
export class SyncError extends Error {
  override readonly name: string = 'SyncError';
  /** The name of the error, such as `'EDEADLK'`. */
  readonly code: SyncErrorCode;
  /** The error's number on this platform, negative as on Node's errors. */
  readonly errno: number;
  /** The BSD name of the call that failed. */
  readonly syscall: string;

  /**
   * @param code the name of the error
   * @param syscall the BSD name of the call that failed
   * @param detail what exactly was wrong, appended to the message
   */
  constructor(code: SyncErrorCode, syscall: string, detail?: string) {
    super(`${code}: ${texts[code]}, ${syscall}${detail === undefined ? '' : `: ${detail}`}`);
    this.code = code;
    this.errno = -errnoOf(code);
    this.syscall = syscall;
  }
}

/** What a wait by promise is rejected with when its `signal` is aborted: as Node's own, with the signal's reason as `cause`. */
export class AbortError extends Error {
  override readonly name: string = 'AbortError';
  /** Always `'ABORT_ERR'`. */
  readonly code: string = 'ABORT_ERR';

  /** @param cause the reason of the signal */
  constructor(cause: unknown) {
    super('The operation was aborted', { cause });
  }
}

const texts: Readonly<Record<SyncErrorCode, string>> = {
  EBUSY: 'resource busy',
  ECANCELED: 'operation canceled',
  EDEADLK: 'resource deadlock would occur',
  EINVAL: 'invalid argument',
  ENOENT: 'no such entry',
  ENOTRECOVERABLE: 'state not recoverable',
  EOVERFLOW: 'value too large',
  EPERM: 'operation not permitted',
  EPIPE: 'closed queue',
  EPROTONOSUPPORT: 'version not supported',
  ETIMEDOUT: 'operation timed out',
};

function errnoOf(code: SyncErrorCode): number {
  // Node knows the numbers of this platform, but not of the errors of robust mutexes.
  if (code === 'ENOTRECOVERABLE') return process.platform === 'darwin' ? 104 : 131;
  return constants.errno[code];
}
