import { ENOENT } from '../errno.js';
import { aim, type FileTarget } from '../ring-file.js';
import { name, type RingRequest, userData } from '../ring-request.js';
import {
  IORING_ASYNC_CANCEL_ALL,
  IORING_ASYNC_CANCEL_ANY,
  IORING_ASYNC_CANCEL_FD,
  IORING_ASYNC_CANCEL_FD_FIXED,
  IORING_ASYNC_CANCEL_OP,
  IORING_ASYNC_CANCEL_USERDATA,
  IORING_OP_ASYNC_CANCEL,
} from './abi.js';
import { prepareOnFile, prepareWithoutFile } from './prepare.js';

/** Which requests of the ring a cancel is for. Several at once must all fit (Linux 6.6 for `opcode`). */
export interface CancelMatch {
  /** This one. */
  readonly request?: RingRequest;
  /** Those on this file. Linux 5.19. */
  readonly file?: FileTarget;
  /** Those with this opcode, such as `request.opcode` of another. Linux 6.6. */
  readonly opcode?: number;
  /** Whatever is under way. Linux 5.19. */
  readonly any?: boolean;
  /** All that fit, instead of the first. Linux 5.19. */
  readonly all?: boolean;
}

/** What came of a cancel. */
export type CancelVerdict = 'cancelled' | 'in progress' | 'done';

/**
 * Cancels requests, Linux 5.5; see io_uring_cancelation(7). Completes with 0, or with `all` or `any` with how many were cancelled, which may
 * be none; with -ENOENT if the one was not found, because it has completed; with -EALREADY if it has been started and cannot be stopped, as disk I/O.
 * {@link cancelVerdict} says it in words. What is cancelled completes with -ECANCELED, before or after this.
 *
 * It finds what the kernel has been given. {@link ThreadRing.cancel} also finds what still waits for room in the ring.
 */
export function prepareCancel(request: RingRequest, match: CancelMatch): void {
  const { flags } = cancelKey(match);
  // Held as for any request: the number of a file that is closed meanwhile may be another one's, whose requests would be cancelled.
  if (match.file === undefined) prepareWithoutFile(request, IORING_OP_ASYNC_CANCEL, -1, flags);
  else prepareOnFile(request, IORING_OP_ASYNC_CANCEL, match.file, flags);
  if (match.request !== undefined) name(request, match.request);
  request.lengthBytes = match.opcode ?? 0;
}

/**
 * One of the three verdicts (rule 10), from a cancel's result. Other errors, such as EINVAL, are none: undefined.
 *
 * @param match what the cancel was for: with `all` or `any` the result is a count, and 0 means that nothing was there to cancel
 */
export function cancelVerdict(result: number, match: CancelMatch = {}): CancelVerdict | undefined {
  if (result === 0 && (match.all === true || match.any === true)) return 'done';
  if (result >= 0) return 'cancelled';
  return result === -ENOENT ? 'done' : result === -IN_PROGRESS ? 'in progress' : undefined;
}

/** EALREADY of Linux: it names a verdict here, and no error. */
const IN_PROGRESS = 114;

/** A match as the kernel has it. */
function cancelKey(match: CancelMatch): { readonly address: number; readonly fd: number; readonly flags: number } {
  const { request, file, opcode, any = false, all = false } = match;
  let flags = all ? IORING_ASYNC_CANCEL_ALL : 0;
  if (any) flags |= IORING_ASYNC_CANCEL_ANY;
  if (opcode !== undefined) flags |= IORING_ASYNC_CANCEL_OP;
  // Without it the kernel looks at the request only if there is no other key.
  if (request !== undefined && (opcode !== undefined || file !== undefined)) flags |= IORING_ASYNC_CANCEL_USERDATA;
  if (file === undefined) return { address: request === undefined ? 0 : userData(request), fd: -1, flags };
  const target = { fd: -1, flags: 0 } as RingRequest;
  aim(target, file);
  flags |= IORING_ASYNC_CANCEL_FD | (target.flags === 0 ? 0 : IORING_ASYNC_CANCEL_FD_FIXED);
  return { address: request === undefined ? 0 : userData(request), fd: target.fd, flags };
}

/**
 * `struct io_uring_sync_cancel_reg` for IORING_REGISTER_SYNC_CANCEL: addr, fd, flags, timeout, opcode, padding; 64 bytes.
 *
 * @param timeoutMs `Infinity` waits without a limit
 * @internal
 */
export function syncCancelArgument(match: CancelMatch, timeoutMs: number): BigInt64Array {
  const registration = new BigInt64Array(8);
  const words = new Int32Array(registration.buffer);
  const { address, fd, flags } = cancelKey(match);
  registration[0] = BigInt(address);
  words[2] = fd;
  words[3] = flags;
  if (timeoutMs === Number.POSITIVE_INFINITY) {
    registration[2] = -1n;
    registration[3] = -1n;
  } else {
    const nanoseconds = BigInt(Math.ceil(Math.max(0, timeoutMs) * 1e6));
    registration[2] = nanoseconds / 1_000_000_000n;
    registration[3] = nanoseconds % 1_000_000_000n;
  }
  new Uint8Array(registration.buffer)[32] = match.opcode ?? 0;
  return registration;
}
