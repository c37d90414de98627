import { EALREADY, EBADF, EDEADLK, EINVAL, ENOTSUP, EROFS, SystemError } from '@biodone/uring';
import { beginSubmit, biodone, endSubmit, pollDone } from './biodone.js';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockIo, type BlockIoOwner, IO_DONE, IO_STARTED } from './block-io.js';
import type { BlockDriver, DeviceHandle } from './driver.js';
import type { BlockCapabilities, BlockLimits } from './limits.js';

/**
 * A block device: the generic layer over a driver. It checks requests, counts what is in flight and drains at close, so that a driver
 * only sees requests that are aligned, in range and wanted (rule 11).
 *
 * A device object belongs to the thread that made it. Another thread gets its own, for the same open device, by
 * `attachDevice(device.handle())`.
 *
 * @example
 * ```js
 * import { BLOCK_WRITE, BlockIo, openMem } from '@biodone/blockdev';
 * import { IoBuffer } from '@biodone/uring';
 *
 * const device = openMem(1024);
 * const io = new BlockIo();
 * io.operation = BLOCK_WRITE;
 * io.buffer = IoBuffer.allocate(512);
 * io.lengthBytes = 512;
 * io.iodone = ({ error, transferredBytes }) => console.log(error, transferredBytes); // 0 512
 * device.strategy(io);
 * ```
 */
export class BlockDevice implements BlockIoOwner {
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly #driver: BlockDriver;
  /** Where writes and reads end. A read may reach to the end of the block that holds a file's last byte, and is short there. */
  readonly #writeEnd: number;
  readonly #readEnd: number;
  #inFlight = 0;
  #holders = 0;
  #closing: Promise<void> | null = null;
  #drained: (() => void) | null = null;

  /** Puts the generic layer over a driver. Most callers use one of the open functions. */
  constructor(driver: BlockDriver) {
    this.#driver = driver;
    this.limits = driver.limits;
    this.capabilities = driver.capabilities;
    const { blockSizeBytes, sizeBytes } = driver.limits;
    this.#writeEnd = sizeBytes ?? Number.MAX_SAFE_INTEGER;
    this.#readEnd = sizeBytes === null ? this.#writeEnd : Math.ceil(sizeBytes / blockSizeBytes) * blockSizeBytes;
  }

  /** How many requests have been started and not been told to be done: with a callback, until that is called. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Starts a request (rule 2). It never blocks and never returns an error: whatever happens, the request completes through `biodone`,
   * exactly once, and `io.iodone` is not called before this returns.
   *
   * An invalid request completes with EINVAL, an unknown operation with ENOTSUP, a write to a read-only device with EROFS, any request to a
   * closed device with EBADF.
   *
   * @throws SystemError EALREADY for a request that is in flight, or done and its callback still to be called: the one thing that it
   * cannot complete
   */
  strategy(io: BlockIo): void {
    this.#take(io);
    this.#inFlight += 1;
    const error = this.#check(io);
    beginSubmit();
    try {
      if (error === 0) this.#driver.start(io);
      else biodone(io, error);
    } finally {
      endSubmit();
    }
  }

  /**
   * Runs a request in the calling thread and returns with it done; `io.iodone` is not called. Results and errors are those of
   * {@link strategy}.
   *
   * @throws SystemError EALREADY for a request that is in flight
   */
  strategySync(io: BlockIo): void {
    this.#take(io);
    const error = this.#check(io);
    if (error === 0) this.#driver.startSync(io);
    else io.error = error;
    io.state = IO_DONE;
  }

  /** Completes what can be completed without blocking, and runs the callbacks. Returns how many requests that were. */
  poll(): number {
    return this.#driver.poll() + pollDone();
  }

  /**
   * Blocks until a request that was started in this thread completes, and runs the callbacks. Returns at once if none is in flight.
   *
   * @returns how many completed, or why none did
   * @throws SystemError EDEADLK if only the event loop can complete what is in flight
   */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    const early = this.poll();
    if (early > 0) return early;
    if (this.#inFlight > 0 && this.capabilities.progress === 'event-loop') {
      throw new SystemError(EDEADLK, 'wait', undefined, 'this device completes requests in the event loop alone');
    }
    return this.#driver.wait(timeoutMs);
  }

  /** What the device is, as JSON for people. */
  describe(): Record<string, unknown> {
    return { driver: this.#driver.name, ...this.#driver.describe() };
  }

  /**
   * What another thread needs to use the same open device: see `attachDevice`. It is good until this device is closed.
   *
   * @throws SystemError EBADF if that has happened
   */
  handle(): DeviceHandle {
    if (this.#closing !== null) throw new SystemError(EBADF, 'handle', undefined, 'the device is closed');
    return this.#driver.handle();
  }

  /** Lets no more requests in, waits for those in flight, then lets go of the device (rule 13). Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#drain().then(() => this.#driver.close());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Says that somebody works on the open device beside this object, as a pool's service threads do by {@link handle}: {@link close} waits
   * for as many calls of {@link release}.
   *
   * @throws SystemError EBADF once the device is closed
   */
  hold(): void {
    if (this.#closing !== null) throw new SystemError(EBADF, 'hold', undefined, 'the device is closed');
    this.#holders += 1;
  }

  /** Ends one {@link hold}. */
  release(): void {
    this.#holders -= 1;
    this.#tellDrained();
  }

  /** Whether {@link close} has been called: no request is let in any more. */
  get closed(): boolean {
    return this.#closing !== null;
  }

  /** For `biodone` alone: one request of this device is done. */
  finished(): void {
    this.#inFlight -= 1;
    this.#tellDrained();
  }

  #tellDrained(): void {
    if (this.#inFlight === 0 && this.#holders === 0) this.#drained?.();
  }

  #drain(): Promise<void> {
    if (this.#inFlight === 0 && this.#holders === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  #take(io: BlockIo): void {
    // A request that is done and whose callback is still to be called is in the queue of those.
    if (io.state === IO_STARTED || io.queue !== null)
      throw new SystemError(EALREADY, 'strategy', undefined, 'this request is in flight');
    io.state = IO_STARTED;
    io.device = this;
    io.error = 0;
    io.transferredBytes = 0;
  }

  /** 0, or the errno that the request gets. */
  #check(io: BlockIo): number {
    if (this.#closing !== null) return EBADF;
    const { operation, buffer, bufferOffset, offset, lengthBytes } = io;
    if (operation === BLOCK_FLUSH) return 0;
    if (operation !== BLOCK_READ && operation !== BLOCK_WRITE) return ENOTSUP;
    if (operation === BLOCK_WRITE && this.capabilities.readOnly) return EROFS;
    if (buffer === null || !isRange(bufferOffset, lengthBytes, buffer.lengthBytes)) return EINVAL;
    const { blockSizeBytes, memoryAlignmentBytes } = this.limits;
    if (!isRange(offset, lengthBytes, operation === BLOCK_READ ? this.#readEnd : this.#writeEnd)) return EINVAL;
    if (blockSizeBytes !== 1 && (offset % blockSizeBytes !== 0 || lengthBytes % blockSizeBytes !== 0)) return EINVAL;
    if (memoryAlignmentBytes !== 1 && (buffer.address + bufferOffset) % memoryAlignmentBytes !== 0) return EINVAL;
    return 0;
  }
}

/** Whether `length` bytes from `offset` lie within `size`. The subtraction cannot overflow, where an addition could. */
function isRange(offset: number, length: number, size: number): boolean {
  return (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    length <= size &&
    offset <= size - length
  );
}
