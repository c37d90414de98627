import { name, type RingRequest } from '../ring-request.js';
import { IORING_OP_LINK_TIMEOUT, IORING_OP_TIMEOUT, IORING_OP_TIMEOUT_REMOVE } from './abi.js';
import { setTime } from './argument.js';
import { checkWord, prepareWithoutFile } from './prepare.js';

/** The time is a point of the clock, not a duration. */
export const IORING_TIMEOUT_ABS: number = 1 << 0;
/** By CLOCK_BOOTTIME, which goes on while the machine sleeps, instead of CLOCK_MONOTONIC. Linux 5.15. */
export const IORING_TIMEOUT_BOOTTIME: number = 1 << 2;
/** By CLOCK_REALTIME, the time of the day. Linux 5.15. */
export const IORING_TIMEOUT_REALTIME: number = 1 << 3;
/** The end of the time is a success, as far as links are concerned. Linux 5.16. */
export const IORING_TIMEOUT_ETIME_SUCCESS: number = 1 << 5;
/**
 * Goes on after each end of the time, with IORING_CQE_F_MORE: `count` times, or without an end; it ends early, without that flag, if a
 * completion finds no room in the completion queue. A cancel that comes while it goes off does not find it. Linux 6.4.
 */
export const IORING_TIMEOUT_MULTISHOT: number = 1 << 6;

const IORING_TIMEOUT_UPDATE = 1 << 1;
const IORING_LINK_TIMEOUT_UPDATE = 1 << 4;

/**
 * A timer, Linux 5.4. Completes with -ETIME when the time is over, with 0 when `count` other completions have come before that, and with
 * -ECANCELED when it is cancelled.
 *
 * @param timeoutMs a duration, or with IORING_TIMEOUT_ABS a point of the clock: of CLOCK_MONOTONIC, whose milliseconds are
 * `Number(process.hrtime.bigint()) / 1e6`
 * @param count of completions that end it early; 0 for none. With IORING_TIMEOUT_MULTISHOT: how often it goes off; 0 for no limit
 * @param flags IORING_TIMEOUT_ flags
 * @throws RangeError ERR_OUT_OF_RANGE
 */
export function prepareTimeout(request: RingRequest, timeoutMs: number, count = 0, flags = 0): void {
  checkWord('count', count);
  const address = setTime(request, timeoutMs);
  prepareWithoutFile(request, IORING_OP_TIMEOUT, -1, flags);
  request.address = address;
  request.lengthBytes = 1;
  request.offset = count;
}

/**
 * A limit for the request before it in a {@link RequestChain}, Linux 5.5. When the time is over that is cancelled, and this completes with
 * -ETIME, or -EALREADY if it could not be stopped; when it completes in time, this completes with -ECANCELED.
 */
export function prepareLinkTimeout(request: RingRequest, timeoutMs: number, flags = 0): void {
  const address = setTime(request, timeoutMs);
  prepareWithoutFile(request, IORING_OP_LINK_TIMEOUT, -1, flags);
  request.address = address;
  request.lengthBytes = 1;
}

/** Cancels a timer, Linux 5.5: completes with 0, with -ENOENT if it has gone off, with -EBUSY if it is just going off. */
export function prepareTimeoutRemove(request: RingRequest, timer: RingRequest): void {
  prepareWithoutFile(request, IORING_OP_TIMEOUT_REMOVE, -1, 0);
  name(request, timer);
}

/** Gives a timer, or a link timeout, another time, Linux 5.11 and 5.15. Completes with 0, or with -ENOENT if it has gone off. */
export function prepareTimeoutUpdate(request: RingRequest, timer: RingRequest, timeoutMs: number, flags = 0): void {
  const address = setTime(request, timeoutMs);
  const update = IORING_TIMEOUT_UPDATE | (timer.opcode === IORING_OP_LINK_TIMEOUT ? IORING_LINK_TIMEOUT_UPDATE : 0);
  prepareWithoutFile(request, IORING_OP_TIMEOUT_REMOVE, -1, update | flags);
  name(request, timer);
  request.offset = address;
}
