import { inspect } from 'node:util';
import { EINVAL, ENOSYS, IoBuffer, libc, SystemError } from '@biodone/uring';
import { SI_ASYNCIO } from './constants.js';

/** The first real-time signal of the kernel; the C library keeps two or three of these for itself. */
const SIGRTMIN = 32;
/** The kernel's _NSIG. */
export const SIGNALS_MAX = 64;

/** How many signals have been sent: a wait in this thread ends by its own ones too. */
export let signalsSent = 0;

let information: IoBuffer | null = null;

/** Whether a signal is a real-time one. */
export function isRealTime(signal: number): boolean {
  return signal >= SIGRTMIN;
}

/**
 * Queues a signal for this process, with a value and SI_ASYNCIO, as the completion of asynchronous I/O has it: rt_sigqueueinfo(2).
 *
 * @throws SystemError EAGAIN if too many are queued, ENOSYS where the call is not to be had
 */
export function queueSignal(signal: number, value: number | bigint): void {
  const { rt_sigqueueinfo, errno } = libc();
  if (rt_sigqueueinfo === null) {
    throw new SystemError(ENOSYS, 'rt_sigqueueinfo', undefined, `not known for ${process.platform} ${process.arch}`);
  }
  information ??= IoBuffer.allocate(128, 8);
  const { bytes, address } = information;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, 32);
  // `siginfo_t` of 64-bit architectures, include/uapi/asm-generic/siginfo.h: si_signo, si_errno, si_code, then si_pid, si_uid and si_value.
  words.fill(0);
  words[0] = signal;
  words[2] = SI_ASYNCIO;
  words[4] = process.pid;
  words[5] = process.getuid?.() ?? 0;
  new BigInt64Array(bytes.buffer, bytes.byteOffset, 16)[3] = BigInt.asIntN(64, BigInt(value));
  signalsSent += 1;
  if (rt_sigqueueinfo(process.pid, signal, address) !== 0) throw new SystemError(errno(), 'rt_sigqueueinfo');
}

/** What a `sigev_value` must be to come with a signal. @throws SystemError EINVAL */
export function checkSignalValue(value: unknown, syscall: string): void {
  if (value === undefined || typeof value === 'bigint') return;
  if (typeof value === 'number' && Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 32) return;
  const advice = `sigev_value is ${inspect(value)}: with a signal comes an integer of 32 bits, or a bigint`;
  throw new SystemError(EINVAL, syscall, undefined, advice);
}
