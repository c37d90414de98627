import { threadTimers } from '../batch-clock.js';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import { checkDevice, checkOptions, type OptionKinds, STACK_OPTIONS } from '../check-options.js';
import { checkInteger, outOfRange } from '../errors.js';
import { floorTo } from '../stack-children.js';
import type { CacheStatistics } from './cache-core.js';
import { CacheDriver, type CacheSettings } from './cache-driver.js';
import { CacheStore } from './cache-store.js';
import { ChildDevice, ChildIo, sizeOfDevice } from './child-device.js';

/** Options of {@link openCache}. */
export interface CacheOptions extends BlockDeviceOptions {
  /**
   * When a write is done: when it is in the cache (`'write-back'`), or on the device below (`'write-through'`). A flush, and BLOCK_FUA, make
   * it stable in either.
   * @default 'write-back'
   */
  mode?: 'write-back' | 'write-through';
  /** How much it holds. @default 64 MiB */
  cacheBytes?: number;
  /** What is read, kept and written back at a time: a power of two from 512 to 131072, and a multiple of the device's block. @default 4096 */
  lineBytes?: number;
  /** How much may be dirty: who writes more waits until some of it has been written back. @default half of cacheBytes */
  dirtyMaxBytes?: number;
  /** For how long something stays dirty, without a flush and where there is room, in milliseconds. @default 1000 */
  writeBackDelayMs?: number;
  /** How far is read ahead for who reads sequentially; 0 for not at all. @default 131072, or a quarter of cacheBytes */
  readAheadBytes?: number;
  /** Whether closing the cache closes the device below. @default true */
  closeChildren?: boolean;
  /** How many requests are under way at a time; the others wait in line. @default 1024 */
  childrenMax?: number;
}

/** A device with a cache: see {@link openCache}. */
export class CacheDevice extends BlockDevice {
  readonly #cache: CacheDriver;

  /** @internal */
  constructor(driver: CacheDriver, options: BlockDeviceOptions) {
    super(driver, options);
    this.#cache = driver;
  }

  /** What the cache has done since its opening, and what it holds now. */
  cacheStatistics(): CacheStatistics {
    return this.#cache.statistics;
  }
}

/**
 * Puts a cache in memory over a slower device. What is read or written stays in it until something else needs the room more (S3-FIFO, which a scan
 * does not clear out); sequential readers find what comes next already there.
 *
 * In the mode `'write-back'` a write is done when it is in the cache, and lost with the process, as with any volatile cache, unless a flush has
 * covered it. If something cannot be written back, every flush from then on fails with that errno, the data stays in the cache and is tried again, and
 * new writes go through; `close()` rejects if some of it is still not on the device then.
 *
 * The device below is claimed: writes past the cache would not be seen. The cache keeps its size, and is removed if the device below becomes too small.
 *
 * @throws RangeError ERR_OUT_OF_RANGE; TypeError ERR_INVALID_ARG_VALUE; SystemError EINVAL for a device that grows, EBUSY if somebody has claimed it
 *
 * @example
 * ```js
 * import { openCache, openMem } from '@biodone/blockdev';
 *
 * const device = openCache(openMem(2 ** 20), { mode: 'write-back', cacheBytes: 2 ** 18 });
 * console.log(device.cacheStatistics().dirtyBytes); // 0
 * await device.close();
 * ```
 */
export function openCache(device: BlockDevice, options: CacheOptions = {}): CacheDevice {
  checkDevice('device', device, 'openCache');
  checkOptions('openCache', options, CACHE_OPTIONS);
  const settings = checkSettings(device, options);
  const { closeChildren = true, childrenMax = 1024, timers = threadTimers } = options;
  checkInteger('childrenMax', childrenMax, 1, 65536);
  const { mode, cacheBytes, lineBytes, dirtyMaxBytes, writeBackDelayMs } = settings;
  const { readOnly } = device.capabilities;
  const sizeBytes = floorTo(sizeOfDevice(device, 'openCache'), device.limits.blockSizeBytes);
  const child = new ChildDevice<ChildIo>(device, () => new ChildIo(), { readOnly, closes: closeChildren });
  try {
    const store = new CacheStore(cacheBytes / lineBytes, lineBytes, sizeBytes);
    const dirtyMax = dirtyMaxBytes / lineBytes;
    const limits = {
      isOn: mode === 'write-back' && !readOnly,
      dirtyMax,
      background: Math.floor(dirtyMax / 2),
      delayMs: writeBackDelayMs,
    };
    return new CacheDevice(new CacheDriver({ child, store, settings, limits, requestsMax: childrenMax, timers }), options);
  } catch (error) {
    child.release();
    throw error;
  }
}

const CACHE_OPTIONS: OptionKinds = {
  ...STACK_OPTIONS,
  mode: ['write-back', 'write-through'],
  cacheBytes: 'number',
  lineBytes: 'number',
  dirtyMaxBytes: 'number',
  writeBackDelayMs: 'number',
  readAheadBytes: 'number',
};

const LINE_MIN_BYTES = 512;
const LINE_MAX_BYTES = 131_072;
const READ_AHEAD_MAX_BYTES = 2 ** 26;

function checkSettings(device: BlockDevice, options: CacheOptions): CacheSettings {
  const { blockSizeBytes, transferUnitBytes } = device.limits;
  const unit = Math.max(blockSizeBytes, transferUnitBytes);
  const { mode = 'write-back', lineBytes = Math.max(4096, unit), writeBackDelayMs = 1000 } = options;
  const isPowerOfTwo = Number.isInteger(Math.log2(lineBytes));
  if (!isPowerOfTwo || lineBytes < LINE_MIN_BYTES || lineBytes > LINE_MAX_BYTES || lineBytes % unit !== 0) {
    const range = `a power of two from ${LINE_MIN_BYTES} to ${LINE_MAX_BYTES}, and a multiple of the device's unit, ${unit} bytes`;
    throw outOfRange('lineBytes', range, lineBytes);
  }
  const cacheBytes = checkLines('cacheBytes', options.cacheBytes ?? 64 * 2 ** 20, lineBytes, 2 ** 32);
  const half = Math.max(lineBytes, floorTo(cacheBytes / 2, lineBytes));
  const dirtyMaxBytes = checkLines('dirtyMaxBytes', options.dirtyMaxBytes ?? half, lineBytes, cacheBytes);
  checkInteger('writeBackDelayMs', writeBackDelayMs, 1, 2 ** 30);
  const { readAheadBytes = Math.min(131_072, floorTo(cacheBytes / 4, lineBytes)), childrenMax } = options;
  checkInteger('readAheadBytes', readAheadBytes, 0, Math.min(READ_AHEAD_MAX_BYTES, cacheBytes));
  const asked = childrenMax === undefined ? {} : { childrenMax };
  return { mode, cacheBytes, lineBytes, dirtyMaxBytes, writeBackDelayMs, readAheadBytes, ...asked };
}

/** Whole lines of so many bytes. */
function checkLines(name: string, value: number, lineBytes: number, most: number): number {
  return floorTo(checkInteger(name, value, lineBytes, most), lineBytes);
}
