import { inspect } from 'node:util';
import { SoftInterrupt } from '@biodone/sync';
import { EINVAL, ENOTSUP, SystemError } from '@biodone/uring';
import { AioEvents } from './aio-events.js';
import { SIGEV_KEVENT, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD } from './constants.js';
import { limits } from './limits.js';
import { checkSignalValue, isRealTime, queueSignal, SIGNALS_MAX } from './queued-signal.js';
import type { sigevent } from './sigevent.js';

/** A notification that is due. */
interface Notice {
  readonly sigevent: sigevent;
  readonly cb: object | null;
}

const due: Notice[] = [];
let first = 0;

/** Notices are given from a microtask, so none comes inside a call that submits or cancels (rule 4). */
const interrupt = new SoftInterrupt((budget) => {
  let count = 0;
  while (first < due.length && count < budget) {
    const notice = due[first] as Notice;
    first += 1;
    count += 1;
    // Before the notice, so that an exception of the last one leaves nothing behind unscheduled.
    if (first === due.length) {
      due.length = 0;
      first = 0;
    } else if (count === budget) {
      interrupt.schedule();
    }
    give(notice);
  }
  return count;
});

/** Tells of a completion, soon; the request's state is final (rule 5). @param cb null for that of a list */
export function notify(sigevent: sigevent, cb: object | null): void {
  due.push({ sigevent, cb });
  interrupt.schedule();
}

/** Gives the notices that are due now, on a thread that blocks instead of returning to its event loop. */
export function giveNotices(): void {
  if (due.length > 0) interrupt.runNow(due.length - first);
}

/** The notification that a `sigevent` asks for, checked; null for none. @throws SystemError EINVAL, ENOTSUP, and names the member */
export function notificationOf(sigevent: sigevent | null | undefined, syscall: string): sigevent | null {
  if (sigevent === null || sigevent === undefined) return null;
  if (typeof sigevent !== 'object') throw invalid(syscall, `the sigevent is ${inspect(sigevent)}, no object with sigev_notify`);
  const kind = sigevent.sigev_notify;
  if (kind === SIGEV_NONE) return null;
  if (kind === SIGEV_SIGNAL) checkSignal(sigevent, syscall);
  else if (kind === SIGEV_THREAD) {
    if (typeof sigevent.sigev_notify_function !== 'function')
      throw invalid(syscall, 'sigev_notify_function is no function, which SIGEV_THREAD calls');
  } else if (kind === SIGEV_KEVENT) {
    if (!(sigevent.sigev_notify_kqueue instanceof AioEvents))
      throw invalid(syscall, 'sigev_notify_kqueue is no AioEvents: use its notification()');
  } else {
    throw invalid(syscall, `sigev_notify is ${inspect(kind)}, none of SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD and SIGEV_KEVENT`);
  }
  // The program may use its own for another request meanwhile.
  return { ...sigevent };
}

function checkSignal({ sigev_signo, sigev_value }: sigevent, syscall: string): void {
  const isSignal = Number.isInteger(sigev_signo) && (sigev_signo as number) >= 1 && (sigev_signo as number) <= SIGNALS_MAX;
  if (!isSignal) throw invalid(syscall, `sigev_signo is ${inspect(sigev_signo)}, no signal's number, as in os.constants.signals`);
  checkSignalValue(sigev_value, syscall);
  if (!isRealTime(sigev_signo as number) || limits.realTimeSignals) return;
  const advice = `sigev_signo ${sigev_signo} is a real-time signal, which ends a Node process that has no native handler for it: use SIGUSR2, SIGEV_THREAD, or configure({ realTimeSignals: true })`;
  throw new SystemError(ENOTSUP, syscall, undefined, advice);
}

function give({ sigevent, cb }: Notice): void {
  if (sigevent.sigev_notify === SIGEV_SIGNAL) {
    queueSignal(sigevent.sigev_signo as number, (sigevent.sigev_value ?? 0) as number | bigint);
  } else if (sigevent.sigev_notify === SIGEV_THREAD) {
    sigevent.sigev_notify_function?.(sigevent.sigev_value);
  } else {
    sigevent.sigev_notify_kqueue?.post(cb, sigevent.sigev_value);
  }
}

function invalid(syscall: string, what: string): SystemError {
  return new SystemError(EINVAL, syscall, undefined, what);
}
