import { EROFS, SystemError } from '@biodone/uring';
import { threadTimers } from '../batch-clock.js';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import { checkDevice, checkOptions, type OptionKinds, STACK_OPTIONS } from '../check-options.js';
import type { BlockClaim } from '../claims.js';
import type { BlockDriver } from '../driver.js';
import { checkInteger, invalidValue, outOfRange } from '../errors.js';
import { checkDevices, claimToWrite, commonLimits, floorTo } from '../stack-children.js';
import { CacheDeviceDriver, type CacheDeviceParts } from './cache-device-driver.js';
import { openCacheDevice } from './cache-device-open.js';
import { CacheDriver, type CacheSettings } from './cache-driver.js';
import { CacheLog } from './cache-log.js';
import { MAP_PAGE_BYTES } from './cache-map-page.js';
import type { CacheStatistics } from './cache-state.js';
import { CacheStore } from './cache-store.js';
import type { WriteBackLimits } from './cache-write-back.js';
import { ChildDevice, ChildIo, sizeOfDevice } from './child-device.js';

/** Options of {@link openCache}. */
export interface CacheOptions extends BlockDeviceOptions {
  /**
   * When a write is done: when it is in the cache (`'write-back'`), or on the device below (`'write-through'`). A flush, and BLOCK_FUA, make
   * it stable in either.
   * @default 'write-back'
   */
  mode?: 'write-back' | 'write-through';
  /** How much it holds. @default 64 MiB, or on a cache device what fits, or is there */
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
  /**
   * A device, faster than the one below, where the cache has its lines, instead of in memory: as large as it is, and what was flushed and is dirty is found
   * on it after a crash. Not together with `log`, which it does not need.
   */
  cacheDevice?: BlockDevice;
  /** Makes a new log, or cache, on that device, instead of opening the one that is there. @default false */
  create?: boolean;
  /** What the log, or the cache device, calls the device below, so that it is not opened with another one. @default what its `config()` says */
  deviceName?: string;
  /** Whether closing the cache closes the device below, and the log or the cache device. @default true */
  closeChildren?: boolean;
  /** How many requests are under way at a time; the others wait in line. @default 1024 */
  childrenMax?: number;
}

/** A device with a cache: see {@link openCache}. */
export class CacheDevice extends BlockDevice {
  readonly #cache: BlockDriver & { readonly statistics: CacheStatistics };

  /** @internal */
  constructor(driver: BlockDriver & { readonly statistics: CacheStatistics }, options: BlockDeviceOptions) {
    super(driver, options);
    this.#cache = driver;
  }

  /** What the cache has done since its opening, and what it holds now. */
  cacheStatistics(): CacheStatistics {
    return this.#cache.statistics;
  }
}

/**
 * Puts a cache over a slower device: in memory, or on the faster device that `cacheDevice` names. What is read or written stays in it until something else needs the room more (S3-FIFO, which a scan
 * does not clear out); sequential readers find what comes next already there.
 *
 * In the mode `'write-back'` a write is done when it is in the cache, and lost with the process, as with any volatile cache, unless a flush has
 * covered it. If something cannot be written back, every flush from then on fails with that errno, the data stays in the cache and is tried again, and
 * new writes go through; `close()` rejects if some of it is still not on the device then.
 *
 * The device below is claimed: writes past the cache would not be seen. The cache keeps its size, and is removed if the device below becomes too small.
 *
 * On a cache device, which is claimed too, a flush makes stable what is dirty there, and a crash loses nothing of that. What happens when that device fails stands in
 * docs/cache.md.
 *
 * @throws RangeError ERR_OUT_OF_RANGE; TypeError ERR_INVALID_ARG_VALUE; SystemError EINVAL for a device that grows, and a log or cache device
 * that is none, another device's or too small; EEXIST for one where `create` is true, EBUSY if somebody has claimed one of the devices, EIO for
 * a damaged one, EROFS for a cache device with dirty lines of a device that is open for reading alone, ENOMEM if there is not so much memory
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
  const { cacheDevice } = options;
  if (cacheDevice !== undefined) return openOnDevice(device, cacheDevice, options);
  const settings = checkSettings(options, Math.max(device.limits.blockSizeBytes, device.limits.transferUnitBytes));
  const { closeChildren = true, childrenMax = 1024, timers = threadTimers } = options;
  const { cacheBytes, lineBytes, dirtyMaxBytes } = settings;
  const { readOnly } = device.capabilities;
  const sizeBytes = floorTo(sizeOfDevice(device, 'openCache'), device.limits.blockSizeBytes);
  const { log: logDevice } = options;
  if (logDevice !== undefined) checkLog(device, logDevice, settings);
  const child = new ChildDevice<ChildIo>(device, () => new ChildIo(), { readOnly, closes: closeChildren });
  let logClaim: BlockClaim | null = null;
  try {
    const store = new CacheStore(cacheBytes / lineBytes, lineBytes, sizeBytes);
    const limits = limitsOf(settings, readOnly);
    let log: CacheLog | null = null;
    if (logDevice !== undefined) {
      logClaim = claimToWrite(logDevice, 1);
      const { create = false, deviceName = JSON.stringify(device.config()) } = options;
      log = await CacheLog.open(logDevice, logClaim, store, { create, deviceName, dirtyMax: dirtyMaxBytes / lineBytes });
    }
    const parts = { child, store, settings, limits, requestsMax: childrenMax, log, closesLog: closeChildren, timers };
    return new CacheDevice(new CacheDriver(parts), options);
  } catch (error) {
    child.release();
    logClaim?.release();
    throw error;
  }
}

/** The same, with the lines on a device. */
async function openOnDevice(device: BlockDevice, fast: BlockDevice, options: CacheOptions): Promise<CacheDevice> {
  const unit = checkCacheDevice(device, fast, options);
  const { closeChildren = true, childrenMax = 1024, timers = threadTimers, create = false } = options;
  const { readOnly } = device.capabilities;
  const lineBytes = checkLineBytes(options.lineBytes, unit);
  const deviceBytes = floorTo(sizeOfDevice(device, 'openCache'), commonLimits([device, fast]).blockSizeBytes);
  const child = new ChildDevice<ChildIo>(device, () => new ChildIo(), { readOnly, closes: closeChildren });
  let fastClaim: BlockClaim | null = null;
  try {
    fastClaim = claimToWrite(fast, 1);
    const { deviceName = JSON.stringify(device.config()), cacheBytes } = options;
    const settingsFor = (holds: number): CacheSettings => checkSettings({ ...options, cacheBytes: holds, lineBytes }, unit);
    const wish = { create, deviceName, deviceBytes, lineBytes, cacheBytes, accept: settingsFor };
    const contents = await openCacheDevice(fast, fastClaim, wish);
    const settings = settingsFor(contents.lines.index.slots * lineBytes);
    const parts = {
      child,
      fast,
      fastClaim,
      contents,
      settings,
      limits: limitsOf(settings, readOnly),
      requestsMax: childrenMax,
      closesChildren: closeChildren,
      timers,
    };
    return await settled(new CacheDeviceDriver(parts), parts, options);
  } catch (error) {
    child.release();
    fastClaim?.release();
    throw error;
  }
}

/** A cache that is to have nothing dirty has what was found of it written back before it is used. */
async function settled(driver: CacheDeviceDriver, parts: CacheDeviceParts, options: CacheOptions): Promise<CacheDevice> {
  const { index, lineBytes } = parts.contents.lines;
  if (!parts.limits.isOn && index.unclean > 0) {
    const left = `the cache device: it holds ${index.unclean * lineBytes} bytes that the device below does not have`;
    if (driver.capabilities.readOnly)
      throw new SystemError(EROFS, 'openCache', undefined, `${left}: open that for writing first`);
    const error = await driver.settle();
    if (error !== 0) throw new SystemError(error, 'openCache', undefined, `${left}, and it cannot be written back`);
  }
  return new CacheDevice(driver, options);
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
  cacheDevice: 'object',
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

/** The unit in which both can be read and written. */
function checkCacheDevice(device: BlockDevice, fast: BlockDevice, { cacheBytes, log, lineBytes }: CacheOptions): number {
  checkDevice('options.cacheDevice', fast, 'openCache');
  checkDevices([device, fast], 2, 'cache');
  if (log !== undefined)
    throw invalidValue('options.log', 'left out for a cache on a device, which keeps what was flushed itself', log);
  if (fast.capabilities.readOnly) throw invalidValue('options.cacheDevice', 'a device that is open for writing', fast);
  if (cacheBytes !== undefined) checkInteger('cacheBytes', cacheBytes, lineBytes ?? LINE_MIN_BYTES, Number.MAX_SAFE_INTEGER);
  const units = [device, fast].flatMap(({ limits }) => [limits.blockSizeBytes, limits.transferUnitBytes]);
  const unit = Math.max(...units);
  if (MAP_PAGE_BYTES % fast.limits.blockSizeBytes === 0) return unit;
  throw invalidValue('options.cacheDevice', `a device with blocks that divide ${MAP_PAGE_BYTES} bytes`, fast);
}

function limitsOf({ dirtyMaxBytes, lineBytes, mode, writeBackDelayMs }: CacheSettings, readOnly: boolean): WriteBackLimits {
  const dirtyMax = dirtyMaxBytes / lineBytes;
  return {
    isOn: mode === 'write-back' && !readOnly,
    dirtyMax,
    background: Math.floor(dirtyMax / 2),
    delayMs: writeBackDelayMs,
  };
}

function checkLineBytes(asked: number | undefined, unit: number): number {
  const lineBytes = asked ?? Math.max(4096, unit);
  const isPowerOfTwo = Number.isInteger(Math.log2(lineBytes));
  if (isPowerOfTwo && lineBytes >= LINE_MIN_BYTES && lineBytes <= LINE_MAX_BYTES && lineBytes % unit === 0) return lineBytes;
  const range = `a power of two from ${LINE_MIN_BYTES} to ${LINE_MAX_BYTES}, and a multiple of the device's unit, ${unit} bytes`;
  throw outOfRange('lineBytes', range, lineBytes);
}

function checkSettings(options: CacheOptions, unit: number): CacheSettings {
  const { mode = 'write-back', writeBackDelayMs = 1000 } = options;
  const lineBytes = checkLineBytes(options.lineBytes, unit);
  const most = options.cacheDevice === undefined ? CACHE_MAX_BYTES : Number.MAX_SAFE_INTEGER;
  const cacheBytes = checkLines('cacheBytes', options.cacheBytes ?? 64 * 2 ** 20, lineBytes, most);
  const half = Math.max(lineBytes, floorTo(cacheBytes / 2, lineBytes));
  const dirtyMaxBytes = checkLines('dirtyMaxBytes', options.dirtyMaxBytes ?? half, lineBytes, cacheBytes);
  checkInteger('writeBackDelayMs', writeBackDelayMs, 1, 2 ** 30);
  if (options.childrenMax !== undefined) checkInteger('childrenMax', options.childrenMax, 1, 65536);
  const { readAheadBytes = Math.min(131_072, floorTo(cacheBytes / 4, lineBytes)), childrenMax, deviceName } = options;
  checkInteger('readAheadBytes', readAheadBytes, 0, Math.min(READ_AHEAD_MAX_BYTES, cacheBytes));
  const asked = { ...(childrenMax === undefined ? {} : { childrenMax }), ...(deviceName === undefined ? {} : { deviceName }) };
  return { mode, cacheBytes, lineBytes, dirtyMaxBytes, writeBackDelayMs, readAheadBytes, ...asked };
}

/** Whole lines of so many bytes. */
function checkLines(name: string, value: number, lineBytes: number, most: number): number {
  return floorTo(checkInteger(name, value, lineBytes, most), lineBytes);
}
