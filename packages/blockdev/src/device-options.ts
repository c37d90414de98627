import { checkInteger, invalidType, outOfRange } from './errors.js';

const TIMEOUT_MAX_MS = 1_200_000;

/** The options that every device has, as whoever writes JavaScript may give them. */
interface GivenOptions {
  readonly timeoutMs?: unknown;
  readonly onTimeout?: unknown;
  readonly retryDelayMs?: unknown;
  readonly piecesMax?: unknown;
  readonly timers?: unknown;
}

/**
 * Checks the options that every device has. A driver does so before it writes anything, too: an opening that is refused for its options has
 * not overwritten what was on the devices.
 *
 * @throws TypeError ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE
 */
export function checkDeviceOptions({ timeoutMs, onTimeout, retryDelayMs, piecesMax, timers }: GivenOptions): void {
  if (timeoutMs !== undefined) checkTimeout(timeoutMs);
  if (onTimeout !== undefined && typeof onTimeout !== 'function') throw invalidType('options.onTimeout', 'a function', onTimeout);
  if (retryDelayMs !== undefined) checkInteger('retryDelayMs', retryDelayMs, 1, 60_000);
  if (piecesMax !== undefined) checkInteger('piecesMax', piecesMax, 1, 65536);
  if (timers !== undefined && !areTimers(timers)) {
    throw invalidType('options.timers', 'an object with the functions now, after and sleep', timers);
  }
}

function checkTimeout(timeoutMs: unknown): void {
  if (typeof timeoutMs !== 'number') throw invalidType('options.timeoutMs', 'of type number', timeoutMs);
  if (timeoutMs === Number.POSITIVE_INFINITY) return;
  // A request's age is a 32-bit number of microseconds.
  if (timeoutMs > 0 && timeoutMs <= TIMEOUT_MAX_MS) return;
  throw outOfRange('options.timeoutMs', `> 0 && <= ${TIMEOUT_MAX_MS}, or Infinity`, timeoutMs);
}

function areTimers(timers: unknown): boolean {
  if (typeof timers !== 'object' || timers === null) return false;
  const { now, after, sleep } = timers as Record<string, unknown>;
  return [now, after, sleep].every((each) => typeof each === 'function');
}
