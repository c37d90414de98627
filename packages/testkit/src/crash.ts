import {
  type AbortVerdict,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  BlockDevice,
  type BlockDeviceOptions,
  type BlockIo,
  type BlockOperation,
  biodone,
  type DeviceSpec,
} from '@biodone/blockdev';
import { ECANCELED, EIO } from '@biodone/uring';
import { wrong } from './check-fault.js';
import { type CachedChange, destage, sectorsOf, VolatileCache } from './crash-cache.js';
import { FilterDriver } from './filter-driver.js';
import { SeededRandom } from './random.js';
import { bytesOf, putBytes } from './request-memory.js';
import { flushRequest, readRequest, runSync } from './requests.js';

/** Options of {@link openCrash}. */
export interface CrashOptions extends BlockDeviceOptions {
  /**
   * Whether the device makes what has BLOCK_FUA stable itself, and that alone, or leaves it to the generic layer, which flushes.
   * @default 'native'
   */
  readonly fua?: 'native' | 'emulate';
  /** Keeps requests until {@link CrashDevice.step}, so that a crash finds some in flight. @default false */
  readonly stepped?: boolean;
}

/** What a crash leaves of that which was not flushed. */
export interface CrashLosses {
  /** In which share of the cases a sector that was not flushed has reached the device all the same. @default 0 */
  readonly survive?: number;
  /** Decides which do, and in which order. Needed unless `survive` is 0. */
  readonly random?: SeededRandom;
  /** What is written whole or not at all. @default 512 */
  readonly sectorBytes?: number;
}

/** A device with a volatile cache: see {@link openCrash}. */
export class CrashDevice extends BlockDevice {
  readonly #driver: CrashDriver;

  /** @internal */
  constructor(driver: CrashDriver, options: BlockDeviceOptions) {
    super(driver, options);
    this.#driver = driver;
  }

  /** How many changes are in the cache, and would be lost: writes, zeros and discards, or parts of them. */
  get unflushed(): number {
    return this.#driver.cache.length;
  }

  /** How many requests wait for {@link step}. */
  get waiting(): number {
    return this.#driver.waiting.length;
  }

  /** Does one of the requests that wait, by its place. False if there is none. */
  step(index = 0): boolean {
    return this.#driver.step(index);
  }

  /**
   * The power fails and comes back: what was not flushed is gone, but for what `losses` lets survive, and requests in flight complete with
   * EIO; a write, zeros or a discard among them may have been done in part. The device can be used at once.
   *
   * @throws TypeError ERR_INVALID_ARG_VALUE
   */
  crash(losses: CrashLosses = {}): void {
    this.#driver.crash(losses);
  }
}

/**
 * Puts a volatile write cache over a device: a write is done when it is in the cache, and stable only after a flush, or with BLOCK_FUA, which
 * makes nothing else stable. The same goes for zeros, and for discards, which read as zeros. {@link CrashDevice.crash} loses the rest. The
 * device below is used in the synchronous way: let it be one in memory, or a small file.
 *
 * @example
 * ```js
 * import { openMem } from '@biodone/blockdev';
 * import { flushRequest, openCrash, readRequest, run, writeRequest } from '@biodone/testkit';
 *
 * const device = openCrash(openMem(4096));
 * await run(device, writeRequest(0, Buffer.from('kept')));
 * await run(device, flushRequest());
 * await run(device, writeRequest(4, Buffer.from('lost')));
 * device.crash();
 * const io = readRequest(0, 8);
 * await run(device, io);
 * console.log(String.fromCharCode(...io.buffer.bytes.subarray(0, 8)) === 'kept\0\0\0\0'); // true
 * await device.close();
 * ```
 */
export function openCrash(child: BlockDevice, options: CrashOptions = {}): CrashDevice {
  return new CrashDevice(new CrashDriver(child, options), options);
}

class CrashDriver extends FilterDriver {
  readonly cache: VolatileCache = new VolatileCache();
  readonly waiting: BlockIo[] = [];
  readonly #stepped: boolean;
  readonly #fua: 'native' | 'emulate';

  constructor(child: BlockDevice, { fua = 'native', stepped = false }: CrashOptions) {
    super('crash', child, {
      fua,
      progress: stepped ? 'any' : 'none',
      volatileCache: true,
      zeroes: 'fast',
      discard: true,
      extents: false,
      compareAndWrite: false,
    });
    this.#stepped = stepped;
    this.#fua = fua;
  }

  override start(io: BlockIo): void {
    if (this.#stepped) this.waiting.push(io);
    else biodone(io, this.#do(io));
  }

  override startSync(io: BlockIo): void {
    io.error = this.#do(io);
  }

  override abort(io: BlockIo): AbortVerdict {
    const index = this.waiting.indexOf(io);
    if (index < 0) return 'in-progress';
    this.waiting.splice(index, 1);
    biodone(io, ECANCELED);
    return 'cancelled';
  }

  override poll(): number {
    return this.#stepped && this.step(0) ? 1 : 0;
  }

  override wait(): number {
    return this.poll();
  }

  step(index: number): boolean {
    const [io] = this.waiting.splice(index, 1);
    if (io === undefined) return false;
    biodone(io, this.#do(io));
    return true;
  }

  crash({ survive = 0, random, sectorBytes = 512 }: CrashLosses): void {
    if (typeof survive !== 'number' || !(survive >= 0 && survive <= 1)) throw wrong('survive', 'a number from 0 to 1', survive);
    if (survive > 0 && !(random instanceof SeededRandom)) {
      throw wrong('random', 'a SeededRandom, which decides what survives', random);
    }
    if (!Number.isSafeInteger(sectorBytes) || sectorBytes < 1) throw wrong('sectorBytes', 'an integer >= 1', sectorBytes);
    const inFlight = this.waiting.splice(0);
    const lost = [...this.cache.changes, ...inFlight.filter(({ operation }) => CHANGING.has(operation)).map(changeOf)];
    this.cache.clear();
    if (random !== undefined && survive > 0) {
      for (const sector of random.shuffled(lost.flatMap((change) => sectorsOf(change, sectorBytes)))) {
        if (random.chance(survive)) destage(this.child, sector);
      }
    }
    for (const io of inFlight) biodone(io, EIO);
  }

  override config(): DeviceSpec {
    return { ...super.config(), fua: this.#fua, stepped: this.#stepped };
  }

  override describe(): Record<string, unknown> {
    return { ...super.describe(), unflushed: this.cache.length };
  }

  #do(io: BlockIo): number {
    io.transferredBytes = io.operation === BLOCK_FLUSH ? 0 : io.lengthBytes;
    if (io.operation === BLOCK_READ) return this.#read(io);
    if (io.operation === BLOCK_FLUSH) return this.#flush();
    if (io.operation === BLOCK_COMPARE_AND_WRITE) throw new Error('the generic layer does this by reading and writing');
    const change = changeOf(io);
    if ((io.flags & BLOCK_FUA) !== 0) return this.#writeThrough(change);
    this.cache.add(change);
    return 0;
  }

  #read(io: BlockIo): number {
    const below = readRequest(io.offset, io.lengthBytes);
    const { error, transferredBytes } = runSync(this.child, below);
    if (error !== 0) return error;
    const bytes = (below.buffer?.bytes ?? new Uint8Array()).subarray(0, io.lengthBytes);
    const reached = this.cache.cover(bytes, io.offset, transferredBytes);
    io.transferredBytes = reached;
    putBytes(io, bytes.subarray(0, reached));
    return 0;
  }

  /** Makes all of the cache stable, in order. */
  #flush(): number {
    for (const change of this.cache.changes) {
      const error = destage(this.child, change);
      if (error !== 0) return error;
    }
    const { error } = runSync(this.child, flushRequest());
    if (error === 0) this.cache.clear();
    return error;
  }

  /** Makes this change stable and nothing else: what the cache has of its range is older, and must not come over it later. */
  #writeThrough(change: CachedChange): number {
    const error = destage(this.child, change) || runSync(this.child, flushRequest()).error;
    if (error === 0) this.cache.drop(change.offset, change.lengthBytes);
    return error;
  }
}

/** What a device may have done in part when the power fails. */
const CHANGING: ReadonlySet<BlockOperation> = new Set([BLOCK_WRITE, BLOCK_WRITE_ZEROES, BLOCK_DISCARD]);

function changeOf(io: BlockIo): CachedChange {
  const { operation, offset, lengthBytes, flags } = io;
  return { offset, lengthBytes, bytes: operation === BLOCK_WRITE ? bytesOf(io) : null, flags };
}
