import type { BlockIo } from './block-io.js';
import type { BlockCapabilities, BlockLimits } from './limits.js';

/**
 * What a driver writes. The generic layer, BlockDevice, has checked every request against the limits before the driver sees it.
 *
 * For a template look at the null driver.
 */
export interface BlockDriver {
  /** The kind of device, as in {@link DeviceHandle.driver}. */
  readonly name: string;
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  /** Starts a request, and completes it with `biodone`, now or later, exactly once. It neither blocks nor throws. */
  start(io: BlockIo): void;
  /** Runs a request in the calling thread, and leaves `error` and `transferredBytes` in it. It blocks as long as it takes. */
  startSync(io: BlockIo): void;
  /** Completes what can be completed without blocking. Returns how many requests that were. */
  poll(): number;
  /** Blocks until a request that was started in this thread completes. */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME';
  /** What the device is, as JSON for people. */
  describe(): Record<string, unknown>;
  /** What another thread of this process needs to use the same device. */
  handle(): DeviceHandle;
  /** Lets go of everything. No request is in flight, and none will come. */
  close(): void;
}

/**
 * An open device on its way to another thread: it can be cloned by `postMessage` and names what is open, so it is good for as long as the
 * device that gave it.
 */
export interface DeviceHandle {
  readonly driver: 'null' | 'mem' | 'file';
  readonly [property: string]: unknown;
}
