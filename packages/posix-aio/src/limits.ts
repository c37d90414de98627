import { EINVAL, SystemError } from '@biodone/uring';
import { _SC_AIO_LISTIO_MAX, _SC_AIO_MAX, _SC_AIO_PRIO_DELTA_MAX } from './constants.js';
import { chooseEngine, type EngineName } from './descriptor/engines.js';
import { invalidType, invalidValue, outOfRange } from './file/file-errors.js';

/** The limits of this thread, and what else can be chosen: see {@link configure}. */
export interface AioConfiguration {
  /**
   * How many requests may be in progress, 1 to 65536; beyond them calls fail with EAGAIN.
   * @default 1024
   */
  AIO_MAX?: number;
  /**
   * How many entries a list may have, 2 to 65536.
   * @default 1024
   */
  AIO_LISTIO_MAX?: number;
  /**
   * How far `aio_reqprio` may lower the priority, 0 to 20.
   * @default 20
   */
  AIO_PRIO_DELTA_MAX?: number;
  /**
   * Whether notifications may be real-time signals. Node cannot handle those, and one that comes ends the process, unless native code handles it.
   * @default false
   */
  realTimeSignals?: boolean;
  /**
   * How requests on descriptors are done: by `'uring'`, by service `'threads'`, or by the first that is to be had. Only before the first
   * request of this thread.
   * @default 'auto'
   */
  engine?: EngineName;
}

/** The values in force, for those who check. */
export const limits: Required<Omit<AioConfiguration, 'engine'>> = {
  AIO_MAX: 1024,
  AIO_LISTIO_MAX: 1024,
  AIO_PRIO_DELTA_MAX: 20,
  realTimeSignals: false,
};

const RANGES = {
  AIO_MAX: [1, 65536],
  AIO_LISTIO_MAX: [2, 65536],
  AIO_PRIO_DELTA_MAX: [0, 20],
} as const;

/**
 * Sets limits of the calling thread, all or nothing. Requests in progress stay.
 *
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for a name that there is not; RangeError ERR_OUT_OF_RANGE; SystemError EBUSY for another
 * engine than the one that is in use; ENOSYS for `'uring'` where there is none
 */
export function configure(configuration: AioConfiguration): void {
  checkNames(configuration);
  for (const name of Object.keys(RANGES) as (keyof typeof RANGES)[]) {
    const value = configuration[name];
    const [least, most] = RANGES[name];
    if (value !== undefined && !(Number.isInteger(value) && value >= least && value <= most)) {
      throw outOfRange(name, `${least} to ${most}`, value);
    }
  }
  const { engine, realTimeSignals } = configuration;
  if (engine !== undefined) chooseEngine(engine);
  for (const name of Object.keys(RANGES) as (keyof typeof RANGES)[]) limits[name] = configuration[name] ?? limits[name];
  if (realTimeSignals !== undefined) limits.realTimeSignals = realTimeSignals;
}

const NAMES: readonly string[] = [...Object.keys(RANGES), 'realTimeSignals', 'engine'];

function checkNames(configuration: AioConfiguration): void {
  if (typeof configuration !== 'object' || configuration === null)
    throw invalidType('configuration', 'of type object', configuration);
  const unknown = Object.keys(configuration).find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw invalidValue('configuration', `made of ${NAMES.join(', ')}`, unknown);
  const { realTimeSignals } = configuration;
  if (realTimeSignals !== undefined && typeof realTimeSignals !== 'boolean')
    throw invalidType('configuration.realTimeSignals', 'of type boolean', realTimeSignals);
}

/**
 * A limit in force in the calling thread, as sysconf(3): `_SC_AIO_MAX`, `_SC_AIO_LISTIO_MAX` or `_SC_AIO_PRIO_DELTA_MAX`.
 *
 * @throws SystemError EINVAL for another name
 */
export function sysconf(name: number): number {
  if (name === _SC_AIO_MAX) return limits.AIO_MAX;
  if (name === _SC_AIO_LISTIO_MAX) return limits.AIO_LISTIO_MAX;
  if (name === _SC_AIO_PRIO_DELTA_MAX) return limits.AIO_PRIO_DELTA_MAX;
  throw new SystemError(
    EINVAL,
    'sysconf',
    undefined,
    `${name} is none of _SC_AIO_MAX, _SC_AIO_LISTIO_MAX and _SC_AIO_PRIO_DELTA_MAX`,
  );
}
