import { checkInteger, checkTime, invalidType, outOfRange } from './errors.js';

/**
 * What makes an operation a timeout (IORING_OP_TIMEOUT, IORING_OP_LINK_TIMEOUT): `op.timer`. The pool only reads it, so one object can serve many
 * operations.
 *
 * A timeout does no I/O, and stands outside the order of its file: no flush covers it, and no drain waits for it or holds it. It completes through its
 * callback, once, and may be told of before that, by {@link AioTimer.shots}: with ETIME after its time, with 0 after its count of completions, with ECANCELED if it is cancelled. It counts in the pool's
 * `depth`, and keeps the process alive. A thread that does not return to its event loop sees it in `poll` and `wait`.
 */
export interface AioTimer {
  /** How many milliseconds from when its turn comes: from its submission, or in a chain from the completion of the one before. */
  readonly timeoutMs: number;
  /**
   * Whether `timeoutMs` is a time of the pool's clock, `timers.now()`, by default `performance.now()`; one that is over completes at once
   * (IORING_TIMEOUT_ABS).
   * @default false
   */
  readonly absolute?: boolean;
  /**
   * After how many completions of the pool, timeouts not counted, it completes with 0, if its time has not come by then.
   * @default 0: they do not matter
   */
  readonly count?: number;
  /**
   * How often its time comes (IORING_TIMEOUT_MULTISHOT): every `timeoutMs` from its turn on, from 1 to Infinity, until it is cancelled. With the last it completes.
   * Each of those before is told by a call of its callback with `op.error` ETIME, in which `op.more` is true: it goes on, keeps its id and its place in `depth`,
   * and belongs to the pool, whatever the callback returns. It can be cancelled there. A thread that is late misses those between, which do not count. Not with
   * `absolute`, `count` or `link`, and `timeoutMs` is then a number from 1 on; and not for who reaps completions: `queueCompletion` throws EALREADY.
   * @default 1
   */
  readonly shots?: number;
  /**
   * Whether it covers the operation before it in its chain, and that one alone: from when that one's turn comes, until it is done. If the time comes
   * first, the operation is cancelled, and the timeout completes with ETIME; if the operation has started and is not ended at once, with EALREADY: whether
   * the attempt was of use says the operation's own error, which may be ECANCELED. If
   * the operation is done first, the timeout completes with ECANCELED. It is no step of the chain: how that goes on says the operation's own `link`.
   * @default false
   */
  readonly link?: boolean;
}

/** @throws RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_TYPE */
export function checkTimer(timer: AioTimer): void {
  if (typeof timer !== 'object') throw invalidType('timer', 'an object, or null', timer);
  const { timeoutMs, absolute = false, count = 0, link = false, shots = 1 } = timer;
  checkTime('timer.timeoutMs', timeoutMs);
  checkInteger('timer.count', count, 0, Number.MAX_SAFE_INTEGER);
  for (const [name, value] of Object.entries({ absolute, link })) {
    if (typeof value !== 'boolean') throw invalidType(`timer.${name}`, 'a boolean', value);
  }
  if (link && count > 0) throw outOfRange('timer.count', '0 for a link timeout', count);
  if (shots !== Number.POSITIVE_INFINITY) checkInteger('timer.shots', shots, 1, Number.MAX_SAFE_INTEGER);
  if (shots === 1) return;
  if (absolute || link || count > 0) throw outOfRange('timer.shots', '1 with absolute, count or link', shots);
  // Without a time between them there would be no end.
  if (!(timeoutMs >= 1 && timeoutMs < Number.POSITIVE_INFINITY)) {
    throw outOfRange('timer.timeoutMs', '>= 1, and not Infinity, with shots', timeoutMs);
  }
}
