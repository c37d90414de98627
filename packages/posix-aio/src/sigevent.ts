import { SIGEV_NONE } from './constants.js';

/** Where completions go as events: an `AioEvents`. */
export interface CompletionQueue {
  /** @internal */
  post(cb: object | null, value: unknown): void;
}

/** How the program hears of a completion: `struct sigevent` of <signal.h>. Members that the kind of notification does not use may be missing. */
export interface sigevent {
  /** SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD or SIGEV_KEVENT. */
  sigev_notify: number;
  /** Of SIGEV_SIGNAL: which signal. */
  sigev_signo?: number;
  /**
   * What comes along. For a signal a number of 32 bits, signed or not, or a bigint of 64: the receiver's `si_value`. For the others anything.
   * @default 0 for a signal, otherwise undefined
   */
  sigev_value?: unknown;
  /** Of SIGEV_THREAD: called with `sigev_value`, on the event loop, or on the thread that blocks in one of this package's calls. */
  sigev_notify_function?: (value: unknown) => void;
  /** Of SIGEV_THREAD: looked at by nobody, since no thread is made. */
  sigev_notify_attributes?: unknown;
  /** Of SIGEV_KEVENT: where the event goes, an `AioEvents`, whose `notification()` makes all of this. */
  sigev_notify_kqueue?: CompletionQueue;
}

/** A notification that nobody wants: what a new `aiocb` has. */
export function noNotification(): sigevent {
  return { sigev_notify: SIGEV_NONE };
}
