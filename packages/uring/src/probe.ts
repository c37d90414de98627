import { readFileSync } from 'node:fs';
import { SystemError } from './errors.js';
import { Ring } from './ring.js';

/** What {@link probe} found. */
export interface ProbeResult {
  /** Whether io_uring works here and now, in this process. */
  readonly available: boolean;
  /** Where it does not: the reason and the way out, in words. */
  readonly reason: string | null;
  /** IORING_FEAT_ bits of the kernel, 0 where it is not available. */
  readonly features: number;
}

let answer: ProbeResult | undefined;

/** Whether io_uring can be used, found out by opening a ring. Asked once a thread: what the kernel forbids, it does not allow later. */
export function probe(): ProbeResult {
  answer ??= tryRing();
  return answer;
}

function tryRing(): ProbeResult {
  if (process.platform !== 'linux') {
    return {
      available: false,
      reason: `io_uring is part of Linux, and this is ${process.platform}`,
      features: 0,
    };
  }
  try {
    const ring = new Ring({ sqEntries: 1, cqEntries: 2 });
    const features = ring.features;
    ring.close();
    return { available: true, reason: null, features };
  } catch (error) {
    return { available: false, reason: explain(error), features: 0 };
  }
}

function explain(error: unknown): string {
  if (!(error instanceof SystemError)) return String(error);
  const setting = readSetting('/proc/sys/kernel/io_uring_disabled');
  if (error.code === 'EPERM' && setting !== null && setting !== '0') {
    return `kernel.io_uring_disabled=${setting}: the administrator can allow it with sysctl kernel.io_uring_disabled=0`;
  }
  if (error.code === 'EPERM' || (error.code === 'ENOSYS' && error.syscall === 'io_uring_setup')) {
    const cause = error.code === 'EPERM' ? 'seccomp: EPERM, as in' : 'ENOSYS: a kernel before 5.1, or seccomp as in';
    return `${cause} Docker's default profile: run the container with a profile that allows io_uring_setup, io_uring_enter and io_uring_register`;
  }
  if (error.code === 'ENOMEM') return `${error.message}: raise the limit on locked memory (ulimit -l)`;
  return error.message;
}

function readSetting(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}
