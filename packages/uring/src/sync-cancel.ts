import { IORING_REGISTER_SYNC_CANCEL } from './abi.js';
import { type CancelMatch, syncCancelArgument } from './opcodes/cancel.js';
import type { Ring } from './ring.js';
import type { ThreadRing } from './thread-ring.js';

/**
 * Cancels requests and waits until the kernel has done it: IORING_REGISTER_SYNC_CANCEL, Linux 6.0. It blocks, and delivers nothing: the
 * cancelled requests' completions are there to be reaped when it returns. Requests that are not submitted yet are not found.
 *
 * @param ring a {@link Ring}, or a {@link ThreadRing}
 * @param timeoutMs how long to wait at most; `Infinity` for no limit
 * @returns 0, or with `all` or `any` how many were cancelled; -ENOENT if none was found, -EALREADY if one has been started and cannot be
 * stopped, -ETIME at the deadline; -EINVAL on an older kernel
 */
export function cancelSync(ring: Ring | ThreadRing, match: CancelMatch, timeoutMs: number = Number.POSITIVE_INFINITY): number {
  return ('ring' in ring ? ring.ring : ring).register(IORING_REGISTER_SYNC_CANCEL, syncCancelArgument(match, timeoutMs), 1);
}
