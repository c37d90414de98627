import { inspect } from 'node:util';
import { CQ_ENTRIES_MAX, SQ_ENTRIES_MAX } from './abi.js';
import { EBADF } from './errno.js';
import { SystemError } from './errors.js';

/** Options of {@link Ring}. */
export interface RingOptions {
  /**
   * Requests that one system call can submit: 1 to 32768, rounded up to a power of two, and no more than `cqEntries`.
   * @default 256, or `cqEntries` if that is less
   */
  sqEntries?: number;
  /**
   * Requests that can be in flight: 1 to 65536, rounded up to a power of two.
   * @default 4096
   */
  cqEntries?: number;
  /**
   * Takes the largest sizes that there are for sizes beyond them (IORING_SETUP_CLAMP), instead of refusing those.
   * @default true
   */
  clamp?: boolean;
  /**
   * Tells the kernel that only this thread submits (IORING_SETUP_SINGLE_ISSUER, Linux 6.0), which is the rule in any case.
   * @default true
   */
  singleIssuer?: boolean;
  /**
   * When the kernel does its work for completions that come later: `'interrupt'`, as soon as it can; `'cooperative'`, when this thread
   * makes a system call anyway (IORING_SETUP_COOP_TASKRUN, Linux 5.19); `'deferred'`, when this thread asks for completions
   * (IORING_SETUP_DEFER_TASKRUN, Linux 6.1), which is mostly the fastest and needs `singleIssuer`. Older kernels do what they know.
   *
   * Deferred work includes what continues a request: the next member of a chain, a link timeout, a send that waited for room. They stand
   * still while this thread runs JavaScript. Where that is long and they must not wait for it, take `'interrupt'`.
   * @default 'deferred'; `'cooperative'` with `singleIssuer: false`
   */
  taskRun?: 'interrupt' | 'cooperative' | 'deferred';
  /**
   * Lets a kernel thread take the requests, so that submitting is no system call. It burns a CPU until it has been idle for so many
   * milliseconds, 1000 by default. `cpu` binds it to one. It does the work of `taskRun` too.
   */
  sqPoll?: { idleMs?: number; cpu?: number };
  /**
   * With `sqPoll`: shares the polling thread of another ring (IORING_SETUP_ATTACH_WQ). Without it nothing is shared since Linux 5.12, whose
   * worker threads belong to the submitting thread.
   */
  attachTo?: { readonly fd: number };
  /**
   * Places in the table of registered files.
   * @default 0
   */
  fileTableEntries?: number;
  /**
   * Places in the table of registered buffers: at most 16384.
   * @default 0
   */
  bufferTableEntries?: number;
  /**
   * Where the queues are: in memory of ours, so that the ring ends with its descriptor (IORING_SETUP_NO_MMAP, Linux 6.5), or mapped from
   * the kernel. `'auto'` prefers the first.
   * @default 'auto'
   */
  memory?: 'auto' | 'own' | 'mapped';
  /**
   * Opens a ring in a worker also where nothing can be done for the case that the worker is terminated: the kernel would go on writing
   * into memory that the worker has freed.
   * @default false
   */
  unsafeTermination?: boolean;
}

/** Options that have been checked, with all defaults. */
export interface RingSettings {
  readonly sqEntries: number;
  readonly cqEntries: number;
  readonly clamp: boolean;
  readonly singleIssuer: boolean;
  readonly taskRun: 'interrupt' | 'cooperative' | 'deferred';
  readonly sqPoll: { readonly idleMs: number; readonly cpu: number | undefined } | null;
  /** The other ring's descriptor. */
  readonly attachTo: number | null;
  readonly fileTableEntries: number;
  readonly bufferTableEntries: number;
  readonly memory: 'auto' | 'own' | 'mapped';
  readonly unsafeTermination: boolean;
}

/** @throws RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_VALUE */
export function checkRingOptions(options: RingOptions): RingSettings {
  const { clamp = true, cqEntries = 4096, sqEntries = Math.min(256, cqEntries) } = options;
  checkRange('cqEntries', cqEntries, 1, clamp ? undefined : CQ_ENTRIES_MAX);
  checkRange('sqEntries', sqEntries, 1, cqEntries);
  if (!clamp) checkRange('sqEntries', sqEntries, 1, SQ_ENTRIES_MAX);
  const { singleIssuer = true, taskRun = singleIssuer ? 'deferred' : 'cooperative', memory = 'auto' } = options;
  const { fileTableEntries = 0, bufferTableEntries = 0 } = options;
  checkRange('fileTableEntries', fileTableEntries, 0, 1 << 20);
  checkRange('bufferTableEntries', bufferTableEntries, 0, 1 << 14);
  checkChoice('taskRun', taskRun, ['interrupt', 'cooperative', 'deferred']);
  checkChoice('memory', memory, ['auto', 'own', 'mapped']);
  if (taskRun === 'deferred' && !singleIssuer) throw contradiction("taskRun 'deferred'", 'singleIssuer false');
  if (options.taskRun !== undefined && options.sqPoll !== undefined)
    throw contradiction('taskRun', 'sqPoll, whose thread does that work');
  checkObject('sqPoll', options.sqPoll);
  checkObject('attachTo', options.attachTo);
  const sqPoll = options.sqPoll === undefined ? null : { idleMs: options.sqPoll.idleMs ?? 1000, cpu: options.sqPoll.cpu };
  if (sqPoll !== null) {
    checkRange('sqPoll.idleMs', sqPoll.idleMs, 1, 0x7fffffff);
    if (sqPoll.cpu !== undefined) checkRange('sqPoll.cpu', sqPoll.cpu, 0, 0xffff_ffff);
  }
  return {
    // As the kernel rounds them: memory of ours has to be there before it does.
    sqEntries: powerOfTwo(Math.min(sqEntries, SQ_ENTRIES_MAX)),
    cqEntries: powerOfTwo(Math.min(cqEntries, CQ_ENTRIES_MAX)),
    clamp,
    singleIssuer,
    taskRun,
    sqPoll,
    attachTo: openRing(options.attachTo),
    fileTableEntries,
    bufferTableEntries,
    memory,
    unsafeTermination: options.unsafeTermination ?? false,
  };
}

export function checkRange(name: string, value: number, min: number, max: number = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  const range = `an integer >= ${min}${max === Number.MAX_SAFE_INTEGER ? '' : ` && <= ${max}`}`;
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${inspect(value)}`;
  throw Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}

/** The descriptor of a ring to attach to; null for none. */
function openRing(ring: { readonly fd: number } | undefined): number | null {
  if (ring === undefined) return null;
  if (ring.fd < 0) throw new SystemError(EBADF, 'io_uring_setup', undefined, 'the ring of attachTo is closed');
  return ring.fd;
}

/** A time to wait for: Infinity, or a number that is not negative. */
export function checkTimeout(timeoutMs: number): void {
  if (timeoutMs >= 0) return;
  const message = `The value of "timeoutMs" is out of range. It must be a number >= 0. Received ${inspect(timeoutMs)}`;
  throw Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}

function checkChoice(name: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  const message = `The property '${name}' must be one of: ${choices.map((choice) => `'${choice}'`).join(', ')}. Received '${value}'`;
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}

function contradiction(one: string, other: string): TypeError {
  return Object.assign(new TypeError(`The option ${one} cannot be had together with ${other}`), {
    code: 'ERR_INVALID_ARG_VALUE',
  });
}

function checkObject(name: string, value: unknown): void {
  if (value === undefined || (typeof value === 'object' && value !== null)) return;
  const message = `The property '${name}' must be an object. Received ${inspect(value)}`;
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}

function powerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}
