import type { AbortVerdict, BlockIo } from './block-io.js';
import type { BlockCapabilities, BlockLimits } from './limits.js';
import type { DeviceSpec } from './spec.js';

/**
 * What a driver writes. The generic layer, BlockDevice, has checked, split and aligned every request before the driver sees it (rule 11):
 * the driver knows no other operations than those that its capabilities name, besides reads, writes and flushes.
 *
 * For a template look at the null driver; for one that works on other devices, at stack-driver.ts.
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
  /**
   * Tries to end a request that it has started (rule 10). The request completes in any case, with ECANCELED if that worked; mostly the
   * answer is `'in-progress'`, which a driver without this method gives.
   */
  abort?(io: BlockIo): AbortVerdict;
  /** Completes what can be completed without blocking. Returns how many requests that were. */
  poll(): number;
  /** Blocks until a request that was started in this thread completes. */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME';
  /**
   * For a thread that waits for several things at once, by `waitForDoors` of `@biodone/uring`, right after {@link poll}: how long it may sleep without
   * asking again, in milliseconds, because the next completion signals a door. 0, which a driver without this method answers, where it may not: then it
   * calls {@link wait}.
   *
   * @param vain how many times in a row it has slept as long as it might
   */
  beforeSleep?(vain: number): number;
  /** What the device is, as JSON for people. */
  describe(): Record<string, unknown>;
  /** What opens the device again, as JSON for `openDevice`. It holds no keys and no passphrases. */
  config(): DeviceSpec;
  /**
   * What another thread of this process needs to use the same device.
   *
   * @throws SystemError ENOTSUP for a device that one thread alone can use
   */
  handle(): DeviceHandle;
  /** Looks whether the device has changed its size, or is gone, and says so by what {@link attached} was told. A short call. */
  refresh?(): void;
  /** Told once, by the device that it is under, whom to tell of changes. */
  attached?(events: DriverEvents): void;
  /** Lets go of everything. No request is in flight, and none will come. */
  close(): void | Promise<void>;
}

/** What a driver tells the device above it. */
export interface DriverEvents {
  /** The device is larger or smaller now. */
  resized(sizeBytes: number): void;
  /** The device is gone: requests that are started from now on complete with ENODEV, without the driver. */
  removed(): void;
}

/**
 * An open device on its way to another thread: it can be cloned by `postMessage` and names what is open, so it is good for as long as the
 * device that gave it.
 */
export interface DeviceHandle {
  /** Which registered driver makes a device of it: see `registerDriver`. */
  readonly driver: string;
  /** What the channels of the device share. */
  readonly shared?: SharedArrayBuffer;
  /** The claim by whose right the other thread works. */
  readonly claimId?: number;
  readonly [property: string]: unknown;
}
