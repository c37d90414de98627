import { isMainThread } from 'node:worker_threads';
import {
  CQE_BYTES,
  IORING_FEAT_EXT_ARG,
  IORING_FEAT_NODROP,
  IORING_FEAT_SINGLE_MMAP,
  IORING_OFF_SQ_RING,
  IORING_OFF_SQES,
  IORING_SETUP_ATTACH_WQ,
  IORING_SETUP_CLAMP,
  IORING_SETUP_COOP_TASKRUN,
  IORING_SETUP_CQSIZE,
  IORING_SETUP_DEFER_TASKRUN,
  IORING_SETUP_NO_MMAP,
  IORING_SETUP_SINGLE_ISSUER,
  IORING_SETUP_SQ_AFF,
  IORING_SETUP_SQPOLL,
  IORING_SETUP_SUBMIT_ALL,
  IORING_SETUP_TASKRUN_FLAG,
  MAP_SHARED,
  PARAMS_BYTES,
  PARAMS_CQ_ENTRIES,
  PARAMS_CQ_OFF,
  PARAMS_CQ_USER_ADDR,
  PARAMS_FEATURES,
  PARAMS_FLAGS,
  PARAMS_SQ_ENTRIES,
  PARAMS_SQ_OFF,
  PARAMS_SQ_THREAD_CPU,
  PARAMS_SQ_THREAD_IDLE,
  PARAMS_SQ_USER_ADDR,
  PARAMS_WQ_FD,
  RINGS_HEADER_BYTES,
  SQE_BYTES,
  SYS_io_uring_setup,
} from './abi.js';
import { EINVAL, ENOTSUP } from './errno.js';
import { SystemError } from './errors.js';
import { map, mapOwned } from './ring-memory.js';
import type { RingSettings } from './ring-options.js';
import { libc } from './syscalls.js';
import { closeOwned, guardRing, openOwned, type RingGuard, threadEnd } from './thread-end.js';

/** What {@link Ring} uses of a ring: its descriptor and memory. */
interface OpenedRing {
  readonly fd: number;
  /** Whether the memory is ours, so that the ring ends with its descriptor. */
  readonly own: boolean;
  /** Whom to give a place among the registered files. */
  readonly guard: RingGuard | null;
  readonly words: Int32Array;
  readonly sqes: Uint32Array;
  /** Gives everything back. The views must not be touched after it. */
  readonly close: () => void;
}

/** A ring, its sizes, and where in the memory the kernel keeps what. Indexes are in words of 32 bits. */
export interface RingMemory extends OpenedRing {
  readonly features: number;
  readonly setupFlags: number;
  readonly sqEntries: number;
  readonly cqEntries: number;
  readonly sqHead: number;
  readonly sqTail: number;
  readonly sqFlags: number;
  readonly sqDropped: number;
  readonly cqHead: number;
  readonly cqTail: number;
  readonly cqFlags: number;
  readonly cqOverflow: number;
  readonly cqes: number;
}

const FEATURES_NEEDED = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
/** sysconf(3): _SC_PAGESIZE of Linux. */
const SC_PAGESIZE = 30;

/**
 * Opens a ring with as much of the settings as this kernel knows: flags that it does not know make it answer EINVAL, so they are left
 * out from the newest to the oldest.
 *
 * @throws SystemError with the errno of io_uring_setup(2)
 */
export function setUpRing(settings: RingSettings): RingMemory {
  let refused = new SystemError(EINVAL, 'io_uring_setup', undefined, 'this kernel does not know what the options ask for');
  const inWorker = !isMainThread && !settings.unsafeTermination;
  if (inWorker && threadEnd() === null) throw new SystemError(ENOTSUP, 'io_uring_setup', undefined, NO_HOOKS);
  for (const { flags, small } of attempts(settings)) {
    const own = (flags & IORING_SETUP_NO_MMAP) !== 0;
    try {
      if (own) return setUpOwn(flags, small ? onePageEach(settings) : settings);
      const opened = setUpMapped(flags, settings);
      if (!inWorker) return opened;
      opened.close();
    } catch (error) {
      if (!(error instanceof SystemError) || error.errno !== -EINVAL || error.syscall !== 'io_uring_setup') throw error;
      refused = error;
      continue;
    }
    // The options are good, so it is the memory that the kernel has refused.
    throw new SystemError(ENOTSUP, 'io_uring_setup', undefined, NOT_IN_WORKERS, refused);
  }
  throw refused;
}

const NO_HOOKS =
  'this Node does not export its cleanup hooks, so a worker that is terminated would leave the kernel writing into freed memory: use ' +
  'io_uring on the main thread, or say unsafeTermination: true and never terminate the worker';

const NOT_IN_WORKERS =
  'this kernel cannot keep a ring in memory of ours (Linux 6.5 and newer can), so a worker that is terminated would leave the kernel ' +
  'writing into freed memory: use io_uring on the main thread, or say unsafeTermination: true and never terminate the worker';

/** Before Linux 6.10 a ring's memory had to be contiguous: one page for the requests, and one for the completions. */
function onePageEach(settings: RingSettings): RingSettings {
  return { ...settings, sqEntries: Math.min(settings.sqEntries, 64), cqEntries: Math.min(settings.cqEntries, 128) };
}

/** The flags to try, best first: Linux 6.5 has NO_MMAP, 6.1 DEFER_TASKRUN, 6.0 SINGLE_ISSUER, 5.19 the others of taskRun, 5.18 SUBMIT_ALL. */
function* attempts(settings: RingSettings): Generator<{ readonly flags: number; readonly small?: boolean }> {
  const { clamp, memory, singleIssuer, sqPoll, attachTo, taskRun } = settings;
  const base =
    IORING_SETUP_CQSIZE |
    (clamp ? IORING_SETUP_CLAMP : 0) |
    (attachTo === null ? 0 : IORING_SETUP_ATTACH_WQ) |
    (sqPoll === null ? 0 : IORING_SETUP_SQPOLL | (sqPoll.cpu === undefined ? 0 : IORING_SETUP_SQ_AFF));
  const issuer = singleIssuer ? IORING_SETUP_SINGLE_ISSUER : 0;
  const cooperative = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
  const deferred = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
  // The polling thread runs the completions' work itself.
  const newest = sqPoll !== null || taskRun === 'interrupt' ? 0 : taskRun === 'deferred' ? deferred : cooperative;
  const older = newest === 0 ? 0 : cooperative;
  const all = base | IORING_SETUP_SUBMIT_ALL;
  const inOwn = all | issuer | newest | IORING_SETUP_NO_MMAP;
  if (memory !== 'mapped') yield { flags: inOwn };
  // Where a ring has to be in memory of ours, a small one is better than none.
  if (memory === 'own' || (memory === 'auto' && !isMainThread)) yield { flags: inOwn, small: true };
  if (memory === 'own') return;
  yield { flags: all | issuer | newest };
  yield { flags: all | older };
  yield { flags: all };
  yield { flags: base };
}

function setUpOwn(flags: number, settings: RingSettings): RingMemory {
  const sqBytes = pages(settings.sqEntries * SQE_BYTES);
  const ringBytes = pages(RINGS_HEADER_BYTES + settings.cqEntries * CQE_BYTES + settings.sqEntries * 4);
  const memory = mapOwned(sqBytes + ringBytes);
  let guard: RingGuard | null = null;
  let fd = -1;
  try {
    guard = guardRing();
    const params = new Uint32Array(PARAMS_BYTES / 4);
    setAddress(params, PARAMS_SQ_USER_ADDR, memory.address);
    setAddress(params, PARAMS_CQ_USER_ADDR, memory.address + sqBytes);
    fd = setUp(flags, settings, params);
    guard?.guard(fd);
    const bytes = libc().view(memory.address, sqBytes + ringBytes);
    const close = (): void => {
      closeOwned(fd);
      guard?.release(fd);
      memory.unmap();
    };
    const words = new Int32Array(bytes, sqBytes);
    return describe({ fd, own: true, guard, words, sqes: new Uint32Array(bytes, 0, sqBytes / 4), close }, params, flags);
  } catch (error) {
    if (fd >= 0) closeOwned(fd);
    guard?.release(fd);
    memory.unmap();
    throw error;
  }
}

function setUpMapped(flags: number, settings: RingSettings): RingMemory {
  const { view, munmap } = libc();
  const params = new Uint32Array(PARAMS_BYTES / 4);
  const fd = setUp(flags, settings, params);
  try {
    const sqArray = word(params, PARAMS_SQ_OFF + 6);
    const cqes = word(params, PARAMS_CQ_OFF + 5);
    // IORING_FEAT_SINGLE_MMAP: one mapping holds both rings.
    const ringBytes = Math.max(sqArray + word(params, PARAMS_SQ_ENTRIES) * 4, cqes + word(params, PARAMS_CQ_ENTRIES) * CQE_BYTES);
    const sqBytes = word(params, PARAMS_SQ_ENTRIES) * SQE_BYTES;
    const ring = map(ringBytes, MAP_SHARED, fd, IORING_OFF_SQ_RING);
    const entries = mapSecond(fd, sqBytes, ring, ringBytes);
    const close = (): void => {
      munmap(entries, sqBytes);
      munmap(ring, ringBytes);
      closeOwned(fd);
    };
    const words = new Int32Array(view(ring, ringBytes));
    return describe({ fd, own: false, guard: null, words, sqes: new Uint32Array(view(entries, sqBytes)), close }, params, flags);
  } catch (error) {
    closeOwned(fd);
    throw error;
  }
}

/** io_uring_setup(2), with a look at what the kernel can do. */
function setUp(flags: number, settings: RingSettings, params: Uint32Array): number {
  const { setup, errno } = libc();
  params[PARAMS_FLAGS] = flags;
  params[PARAMS_CQ_ENTRIES] = settings.cqEntries;
  params[PARAMS_SQ_THREAD_IDLE] = settings.sqPoll?.idleMs ?? 0;
  params[PARAMS_SQ_THREAD_CPU] = settings.sqPoll?.cpu ?? 0;
  params[PARAMS_WQ_FD] = settings.attachTo ?? 0;
  const fd = openOwned(() => setup(SYS_io_uring_setup, settings.sqEntries, params));
  if (fd < 0) throw new SystemError(errno(), 'io_uring_setup', undefined, 'probe() says why and what to do');
  if ((word(params, PARAMS_FEATURES) & FEATURES_NEEDED) !== FEATURES_NEEDED) {
    closeOwned(fd);
    throw new SystemError(ENOTSUP, 'io_uring_setup', undefined, 'this kernel is too old, io_uring needs Linux 5.11 here');
  }
  return fd;
}

function describe(opened: OpenedRing, params: Uint32Array, setupFlags: number): RingMemory {
  const { words } = opened;
  const sqEntries = word(params, PARAMS_SQ_ENTRIES);
  const sqArray = word(params, PARAMS_SQ_OFF + 6) >> 2;
  // The order of the entries is the order of the queue, for good.
  for (let index = 0; index < sqEntries; index++) words[sqArray + index] = index;
  return {
    ...opened,
    features: word(params, PARAMS_FEATURES),
    setupFlags,
    sqEntries,
    cqEntries: word(params, PARAMS_CQ_ENTRIES),
    sqHead: word(params, PARAMS_SQ_OFF) >> 2,
    sqTail: word(params, PARAMS_SQ_OFF + 1) >> 2,
    sqFlags: word(params, PARAMS_SQ_OFF + 4) >> 2,
    sqDropped: word(params, PARAMS_SQ_OFF + 5) >> 2,
    cqHead: word(params, PARAMS_CQ_OFF) >> 2,
    cqTail: word(params, PARAMS_CQ_OFF + 1) >> 2,
    cqFlags: word(params, PARAMS_CQ_OFF + 6) >> 2,
    cqOverflow: word(params, PARAMS_CQ_OFF + 4) >> 2,
    cqes: word(params, PARAMS_CQ_OFF + 5) >> 2,
  };
}

function mapSecond(fd: number, lengthBytes: number, first: number, firstBytes: number): number {
  try {
    return map(lengthBytes, MAP_SHARED, fd, IORING_OFF_SQES);
  } catch (error) {
    libc().munmap(first, firstBytes);
    throw error;
  }
}

function pages(lengthBytes: number): number {
  const pageBytes = libc().sysconf(SC_PAGESIZE);
  return Math.ceil(lengthBytes / pageBytes) * pageBytes;
}

function setAddress(params: Uint32Array, index: number, address: number): void {
  params[index] = address;
  params[index + 1] = Math.floor(address / 0x1_0000_0000);
}

function word(words: Uint32Array, index: number): number {
  return words[index] as number;
}
