import { ENOSYS } from './errno.js';
import { libc } from './syscalls.js';

/** A `cpu_set_t` of the C library: 1024 CPUs. Kernels with more refuse it with EINVAL. */
const MASK_WORDS = 32;

/**
 * On which CPUs the calling thread may run (sched_getaffinity(2)), by their numbers, in ascending order. Null where that cannot be asked: on other
 * systems than Linux, and without a foreign function interface.
 */
export function allowedCpus(): number[] | null {
  const { getaffinity } = affinityCalls();
  const mask = new Uint32Array(MASK_WORDS);
  // 0 is the calling thread. The C library's function returns 0, where the system call itself returns a size.
  if (getaffinity === null || getaffinity(0, mask.byteLength, mask) < 0) return null;
  const cpus: number[] = [];
  for (let cpu = 0; cpu < MASK_WORDS * 32; cpu++) if (((mask[cpu >> 5] as number) >>> (cpu & 31)) & 1) cpus.push(cpu);
  return cpus;
}

/**
 * Binds the calling thread to one CPU (sched_setaffinity(2)). Threads that it starts from now on begin bound to the same.
 *
 * @param cpu one of {@link allowedCpus}
 * @returns 0, or the positive errno: EPERM or EINVAL where a container or a cpuset forbids it, ENOSYS where there is no such call
 */
export function bindToCpu(cpu: number): number {
  const { setaffinity, errno } = affinityCalls();
  if (setaffinity === null) return ENOSYS;
  const mask = new Uint32Array(MASK_WORDS);
  mask[cpu >> 5] = 1 << (cpu & 31);
  return setaffinity(0, mask.byteLength, mask) < 0 ? errno() : 0;
}

interface AffinityCalls {
  getaffinity: ((thread: number, bytes: number, mask: Uint32Array) => number) | null;
  setaffinity: ((thread: number, bytes: number, mask: Uint32Array) => number) | null;
  errno(): number;
}

function affinityCalls(): AffinityCalls {
  try {
    const { sched_getaffinity: getaffinity, sched_setaffinity: setaffinity, errno } = libc();
    return { getaffinity, setaffinity, errno };
  } catch {
    return { getaffinity: null, setaffinity: null, errno: () => 0 };
  }
}
