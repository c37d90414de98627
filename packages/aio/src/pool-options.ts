import { type BlockTimers, threadTimers } from '@biodone/blockdev';
import { AioFile } from './aio-file.js';
import { type DisciplineName, makeDiscipline } from './bufq/disciplines.js';
import { checkNames } from './check-names.js';
import { checkInteger, invalidType, outOfRange } from './errors.js';
import { checkLimits } from './pool-limits.js';
import type { PoolService } from './service.js';
import { type ServiceThreadsOptions, threadsDefault } from './threads/options.js';

/** Options of {@link AioServicePool}; what those of service threads say holds with `service: 'threads'`. */
export interface AioServicePoolOptions extends ServiceThreadsOptions {
  /**
   * Who serves the operations: `'inline'`, the submitting thread itself, whose event loop or polling takes the completions; or `'threads'`,
   * service threads with a channel of the device each; or a service of one's own, which serves this pool alone and is closed with it; or `'auto'`:
   * service threads where only the event loop could complete what is served inline, as for files without io_uring, and other threads can have the device
   * (a warning BIODONE_POOL_FALLBACK says so, once), otherwise inline. The pool is closed with its device then, if that is closed first.
   * @default 'auto'
   */
  service?: 'auto' | 'inline' | 'threads' | PoolService;
  /**
   * How many service threads there can be: they are started on need.
   * @default one per CPU that the process may use
   */
  threads?: number;
  /**
   * How many operations may be submitted and not done, 1 to 65536. Beyond them `submit` returns EAGAIN.
   * @default 256
   */
  depth?: number;
  /**
   * How many of them may be with the device, 1 to `depth`; the others wait in the pool's queue. Set it to what the device can work on at a time,
   * so that the discipline and not the device decides what goes next.
   * @default `depth`: nothing waits in the pool
   */
  inFlightMax?: number;
  /**
   * How many bytes the operations that are submitted and not done may move, all together. Beyond them `submit` returns EAGAIN; one that is
   * larger by itself goes while no other bytes are under way. A limit makes each operation a little dearer.
   * @default Infinity
   */
  bytesMax?: number;
  /**
   * In which order those that wait go to the device: `'fcfs'` as they came, `'disksort'` by offset, `'readprio'` reads first, `'priocscan'` by
   * priority and offset.
   * @default 'fcfs'
   */
  discipline?: DisciplineName;
  /**
   * The open file, where more than one device stands for it.
   * @default one that all pools of the same device object share
   */
  file?: AioFile;
  /** @default this thread's */
  timers?: BlockTimers;
}

/** With all defaults; `threads` is for service threads alone. */
export type CompleteOptions = Required<Omit<AioServicePoolOptions, 'file' | keyof ServiceThreadsOptions>> & {
  readonly file: AioFile | null;
  readonly timers: BlockTimers;
  /** What was asked for, for service threads. */
  readonly asked: ServiceThreadsOptions;
};

/** @throws RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_TYPE, SystemError ENOENT */
export function completeOptions(options: AioServicePoolOptions): CompleteOptions {
  checkNames('AioServicePool', options, OPTIONS);
  const { service = 'auto', depth = 256, bytesMax = Number.POSITIVE_INFINITY, discipline = 'fcfs', file = null } = options;
  const { inFlightMax = depth, threads = threadsDefault(), timers = threadTimers } = options;
  checkLimits({ depth, inFlightMax, bytesMax });
  checkInteger('threads', threads, 1, 1024);
  if (service !== 'auto' && service !== 'inline' && service !== 'threads' && !isService(service)) {
    throw outOfRange('service', `'auto', 'inline', 'threads' or a PoolService`, service);
  }
  if (file !== null && !(file instanceof AioFile)) throw invalidType('file', 'an AioFile', file);
  // Here, although the pool makes its own: service threads hold the device from when they are made, and nothing may fail after that.
  makeDiscipline(discipline);
  return { service, depth, inFlightMax, bytesMax, discipline, threads, timers, file, asked: options };
}

const OPTIONS: readonly string[] = [
  ...['service', 'threads', 'depth', 'inFlightMax', 'bytesMax', 'discipline', 'file', 'timers'],
  ...['idleMs', 'threadsMin', 'bind', 'claim', 'modules', 'spawn'],
];

function isService(service: unknown): service is PoolService {
  return typeof service === 'object' && service !== null && typeof (service as PoolService).start === 'function';
}
