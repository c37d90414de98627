import { threadTimers } from '../batch-clock.js';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import { checkDevice, checkOptions, type OptionKinds, STACK_OPTIONS } from '../check-options.js';
import type { BlockClaim } from '../claims.js';
import { checkInteger, invalidValue, outOfRange } from '../errors.js';
import { checkDevices, claimToWrite, floorTo } from '../stack-children.js';
import { CacheDriver, type CacheSettings } from './cache-driver.js';
import { CacheLog } from './cache-log.js';
import { MAP_PAGE_BYTES } from './cache-map-page.js';
import type { CacheStatistics } from './cache-state.js';
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
  /**
   * A device, faster than the one below, that keeps what is dirty and was flushed, as a separate intent log: a flush is done when it is there, and it is
   * written back from memory later. After a crash it is found there again. It needs twice `dirtyMaxBytes`, and a little for its map. For
   * `'write-back'` alone.
   */
  log?: BlockDevice;
  /** Makes a new log on that device, instead of opening the one that is there. @default false */
  create?: boolean;
  /** What the log calls the device below, so that it is not opened with another one. @default what its `config()` says */
  deviceName?: string;
  /** Whether closing the cache closes the device below, and the log. @default true */
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
 * @throws RangeError ERR_OUT_OF_RANGE; TypeError ERR_INVALID_ARG_VALUE; SystemError EINVAL for a device that grows, and a log
 * that is none, another device's or too small; EEXIST for a log where `create` is true, EBUSY if somebody has claimed one of the devices, EIO for
 * a damaged log, ENOMEM if there is not so much memory
 *
 * @example
 * ```js
 * import { openCache, openMem } from '@biodone/blockdev';
 *
 * const device = await openCache(openMem(2 ** 20), { mode: 'write-back', cacheBytes: 2 ** 18 });
 * console.log(device.cacheStatistics().dirtyBytes); // 0
 * await device.close();
 * ```
 */
export async function openCache(device: BlockDevice, options: CacheOptions = {}): Promise<CacheDevice> {
  checkDevice('device', device, 'openCache');
  checkOptions('openCache', options, CACHE_OPTIONS);
  const settings = checkSettings(device, options);
  const { closeChildren = true, childrenMax = 1024, timers = threadTimers } = options;
  checkInteger('childrenMax', childrenMax, 1, 65536);
  const { mode, cacheBytes, lineBytes, dirtyMaxBytes, writeBackDelayMs } = settings;
  const { readOnly } = device.capabilities;
  const sizeBytes = floorTo(sizeOfDevice(device, 'openCache'), device.limits.blockSizeBytes);
  const { log: logDevice } = options;
  if (logDevice !== undefined) checkLog(device, logDevice, settings);
  const child = new ChildDevice<ChildIo>(device, () => new ChildIo(), { readOnly, closes: closeChildren });
  let logClaim: BlockClaim | null = null;
  try {
    const store = new CacheStore(cacheBytes / lineBytes, lineBytes, sizeBytes);
    const dirtyMax = dirtyMaxBytes / lineBytes;
    const limits = {
      isOn: mode === 'write-back' && !readOnly,
      dirtyMax,
      background: Math.floor(dirtyMax / 2),
      delayMs: writeBackDelayMs,
    };
    let log: CacheLog | null = null;
    if (logDevice !== undefined) {
      logClaim = claimToWrite(logDevice, 1);
      const { create = false, deviceName = JSON.stringify(device.config()) } = options;
      log = await CacheLog.open(logDevice, logClaim, store, { create, deviceName, dirtyMax });
    }
    const parts = { child, store, settings, limits, requestsMax: childrenMax, log, closesLog: closeChildren, timers };
    return new CacheDevice(new CacheDriver(parts), options);
  } catch (error) {
    child.release();
    logClaim?.release();
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
  log: 'object',
  create: 'boolean',
  deviceName: 'string',
};

/** What one array of bytes can hold. */
const CACHE_MAX_BYTES = 2 ** 32 - 2 ** 20;
const LINE_MIN_BYTES = 512;
const LINE_MAX_BYTES = 131_072;
const READ_AHEAD_MAX_BYTES = 2 ** 26;

function checkLog(device: BlockDevice, log: BlockDevice, { lineBytes, mode }: CacheSettings): void {
  checkDevice('options.log', log, 'openCache');
  checkDevices([device, log], 2, 'cache');
  if (mode !== 'write-back') throw invalidValue('options.log', 'left out where nothing waits to be written back', log);
  if (device.capabilities.readOnly)
    throw invalidValue('options.log', 'left out for a device that is open for reading alone', log);
  const { blockSizeBytes } = log.limits;
  if (lineBytes % blockSizeBytes === 0 && MAP_PAGE_BYTES % blockSizeBytes === 0) return;
  throw outOfRange(
    'lineBytes',
    `a multiple of the log's block, ${blockSizeBytes} bytes, which divides ${MAP_PAGE_BYTES}`,
    lineBytes,
  );
}

function checkSettings(device: BlockDevice, options: CacheOptions): CacheSettings {
  const { blockSizeBytes, transferUnitBytes } = device.limits;
  const unit = Math.max(blockSizeBytes, transferUnitBytes);
  const { mode = 'write-back', lineBytes = Math.max(4096, unit), writeBackDelayMs = 1000 } = options;
  const isPowerOfTwo = Number.isInteger(Math.log2(lineBytes));
  if (!isPowerOfTwo || lineBytes < LINE_MIN_BYTES || lineBytes > LINE_MAX_BYTES || lineBytes % unit !== 0) {
    const range = `a power of two from ${LINE_MIN_BYTES} to ${LINE_MAX_BYTES}, and a multiple of the device's unit, ${unit} bytes`;
    throw outOfRange('lineBytes', range, lineBytes);
  }
  const cacheBytes = checkLines('cacheBytes', options.cacheBytes ?? 64 * 2 ** 20, lineBytes, CACHE_MAX_BYTES);
  const half = Math.max(lineBytes, floorTo(cacheBytes / 2, lineBytes));
  const dirtyMaxBytes = checkLines('dirtyMaxBytes', options.dirtyMaxBytes ?? half, lineBytes, cacheBytes);
  checkInteger('writeBackDelayMs', writeBackDelayMs, 1, 2 ** 30);
  const { readAheadBytes = Math.min(131_072, floorTo(cacheBytes / 4, lineBytes)), childrenMax, deviceName } = options;
  checkInteger('readAheadBytes', readAheadBytes, 0, Math.min(READ_AHEAD_MAX_BYTES, cacheBytes));
  const asked = { ...(childrenMax === undefined ? {} : { childrenMax }), ...(deviceName === undefined ? {} : { deviceName }) };
  return { mode, cacheBytes, lineBytes, dirtyMaxBytes, writeBackDelayMs, readAheadBytes, ...asked };
}

/** Whole lines of so many bytes. */
function checkLines(name: string, value: number, lineBytes: number, most: number): number {
  return floorTo(checkInteger(name, value, lineBytes, most), lineBytes);
}
