import {
  type AbortVerdict,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockCapabilities,
  BlockDevice,
  type BlockDeviceOptions,
  type BlockDriver,
  type BlockIo,
  type BlockLimits,
  biodone,
  type DeviceHandle,
  type DeviceSpec,
  type DriverEvents,
} from '@biodone/blockdev';
import { ECANCELED, EINVAL, ENOTSUP, SystemError } from '@biodone/uring';
import { bytesOf, putBytes } from './request-memory.js';

/** Options of {@link openManual}. */
export interface ManualOptions extends BlockDeviceOptions {
  readonly limits?: Partial<BlockLimits>;
  readonly capabilities?: Partial<BlockCapabilities>;
  /** Whether requests that have been started can be cancelled. @default false */
  readonly abortable?: boolean;
  /** Is told of each request that the driver gets, inside `start`: to complete it later, in a way of one's own. */
  readonly onStarted?: (io: BlockIo) => void;
}

/** A device in memory whose requests complete when the test says so: see {@link openManual}. */
export class ManualDevice extends BlockDevice {
  readonly #driver: ManualDriver;

  /** @internal */
  constructor(driver: ManualDriver, options: BlockDeviceOptions) {
    super(driver, options);
    this.#driver = driver;
  }

  /** What the device holds. */
  get contents(): Uint8Array {
    return this.#driver.memory;
  }

  /** The requests that the driver has, in the order in which they came. */
  get started(): readonly BlockIo[] {
    return this.#driver.started;
  }

  /**
   * Ends a request that the driver has; without an error its bytes are moved now.
   *
   * @throws SystemError EINVAL if the driver does not have it
   */
  complete(io: BlockIo | undefined = this.started[0], errno = 0): void {
    this.#driver.complete(io, errno);
  }

  /** Ends all that the driver has at this moment, in order. Returns how many that were. */
  completeAll(errno = 0): number {
    const all = [...this.started];
    for (const io of all) if (this.started.includes(io)) this.complete(io, errno);
    return all.length;
  }

  /** Makes the device larger or smaller, up to the memory that it was opened with. */
  resize(sizeBytes: number): void {
    this.#driver.events?.resized(sizeBytes);
  }

  /** Takes the device away. What the driver has is still to be completed. */
  remove(): void {
    this.#driver.events?.removed();
  }
}

/** Opens a device whose requests complete when the test says so, in any order. `wait` and `poll` complete the oldest. */
export function openManual(sizeBytes: number, options: ManualOptions = {}): ManualDevice {
  return new ManualDevice(new ManualDriver(sizeBytes, options), options);
}

class ManualDriver implements BlockDriver {
  readonly name = 'manual';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly memory: Uint8Array;
  readonly started: BlockIo[] = [];
  events: DriverEvents | null = null;
  readonly #abortable: boolean;
  readonly #onStarted: ((io: BlockIo) => void) | undefined;

  constructor(sizeBytes: number, { limits, capabilities, abortable = false, onStarted }: ManualOptions) {
    this.limits = { blockSizeBytes: 1, memoryAlignmentBytes: 1, ...limits, sizeBytes };
    this.capabilities = { readOnly: false, progress: 'any', ...capabilities };
    this.memory = new Uint8Array(sizeBytes);
    this.#abortable = abortable;
    this.#onStarted = onStarted;
  }

  start(io: BlockIo): void {
    this.started.push(io);
    this.#onStarted?.(io);
  }

  startSync(io: BlockIo): void {
    this.#transfer(io);
  }

  abort(io: BlockIo): AbortVerdict {
    if (!this.#abortable || !this.started.includes(io)) return 'in-progress';
    this.complete(io, ECANCELED);
    return 'cancelled';
  }

  complete(io: BlockIo | undefined, errno: number): void {
    const index = io === undefined ? -1 : this.started.indexOf(io);
    if (io === undefined || index < 0)
      throw new SystemError(EINVAL, 'complete', undefined, 'the driver does not have this request');
    this.started.splice(index, 1);
    if (errno === 0) this.#transfer(io);
    biodone(io, errno);
  }

  poll(): number {
    if (this.started.length === 0) return 0;
    this.complete(this.started[0], 0);
    return 1;
  }

  wait(): number {
    return this.poll();
  }

  describe(): Record<string, unknown> {
    return { sizeBytes: this.memory.length };
  }

  config(): DeviceSpec {
    return { driver: this.name, sizeBytes: this.memory.length };
  }

  handle(): DeviceHandle {
    throw new SystemError(ENOTSUP, 'handle', undefined, `a 'manual' device is for tests, and lives in one thread`);
  }

  attached(events: DriverEvents): void {
    this.events = events;
  }

  close(): void {}

  #transfer(io: BlockIo): void {
    const { operation, offset, lengthBytes } = io;
    if (operation === BLOCK_FLUSH) return;
    if (operation === BLOCK_READ) putBytes(io, this.memory.subarray(offset, offset + lengthBytes));
    else if (operation === BLOCK_WRITE) this.memory.set(bytesOf(io), offset);
    else this.memory.fill(0, offset, offset + lengthBytes);
    io.transferredBytes = lengthBytes;
  }
}
