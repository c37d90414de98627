import { EINVAL, SystemError } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { type AbortVerdict, BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import type { DeviceHandle, DriverEvents } from '../driver.js';
import { FreeList } from '../free-list.js';

/** A request to the device below: the child of one that came from above, or, without a parent, nobody's. As NestedIo, it is no BlockIo but has one. */
export class ChildIo {
  readonly io: BlockIo = new BlockIo();
  parent: BlockIo | null = null;

  constructor() {
    this.io.private = this;
  }
}

/**
 * The one device that a driver works on: claimed as long as the driver is open, so that nobody else writes to it (a channel of another
 * thread's device cannot be, and works by the right of its handle), and the requests that the
 * driver makes to it, which are made once and used again.
 */
export class ChildDevice<Child extends ChildIo> {
  readonly device: BlockDevice;
  /** By what right requests go to it. */
  readonly claim: BlockClaim | null;
  readonly #closes: boolean;
  readonly #make: () => Child;
  readonly #free = new FreeList<Child>();
  /** All that were ever made. */
  readonly #children: Child[] = [];
  #forget: (() => void) | null = null;

  /**
   * @throws SystemError EBUSY if somebody else has claimed the device
   */
  constructor(device: BlockDevice, make: () => Child, how: { readOnly: boolean; closes: boolean }) {
    this.device = device;
    this.#make = make;
    this.#closes = how.closes;
    this.claim = device.attached ? null : device.claim(how.readOnly ? 'read-many-write-none' : 'read-many-write-one');
  }

  /** What moves requests on: callbacks of children run after `strategy` has returned, also where the device itself has nothing to wait for. */
  get progress(): 'any' | 'event-loop' {
    return this.device.capabilities.progress === 'event-loop' ? 'event-loop' : 'any';
  }

  /** How a FUA that is passed down is honoured: the device below emulates it, if it has to. */
  get fua(): 'none' | 'native' {
    return this.device.capabilities.fua === 'none' ? 'none' : 'native';
  }

  /** A request for `parent`, to be filled in. */
  take(parent: BlockIo): Child {
    let child = this.#free.take();
    if (child === null) {
      child = this.#make();
      this.#children.push(child);
    }
    child.parent = parent;
    child.io.claim = this.claim;
    return child;
  }

  /** Takes a request back that is done. Nobody's memory is to be held by a request that nobody uses. */
  giveBack(child: Child): void {
    const { io } = child;
    child.parent = null;
    io.buffer = null;
    io.vector = null;
    io.compare = null;
    io.extents = null;
    this.#free.put(child);
  }

  /** Tries to end what works for `parent`. */
  abort(parent: BlockIo): AbortVerdict {
    const child = this.#children.find((one) => one.parent === parent);
    const verdict = child === undefined ? 'in-progress' : this.device.abort(child.io);
    // The child is done, and its callback is still to be called: so the parent is not.
    return verdict === 'done' ? 'in-progress' : verdict;
  }

  /** Passes on what the device tells of itself. */
  follow(events: DriverEvents, sizeOf: (sizeBytes: number) => number): void {
    const resized = (sizeBytes: number): void => events.resized(sizeOf(sizeBytes));
    const removed = (): void => events.removed();
    this.device.on('resize', resized).on('remove', removed);
    this.#forget = () => this.device.off('resize', resized).off('remove', removed);
  }

  /** A handle to the device, by the right of the claim. */
  handle(): DeviceHandle {
    return this.device.handle(this.claim);
  }

  /** Lets go of the device, and closes it if it is closed with what stands on it. */
  close(): Promise<void> {
    this.release();
    return this.#closes ? this.device.close() : Promise.resolve();
  }

  /** Lets go of the device. */
  release(): void {
    this.#forget?.();
    this.#forget = null;
    this.claim?.release();
  }
}

/** Runs a request, and promises its end: for opening and formatting. @throws SystemError what the request ended with */
export async function runIo(device: BlockDevice, io: BlockIo, call: string): Promise<void> {
  await new Promise<void>((resolve) => {
    io.iodone = () => resolve();
    device.strategy(io);
  });
  if (io.error !== 0)
    throw new SystemError(io.error, call, undefined, `the ${String(device.describe()['driver'])} device below says so`);
}

/** @throws SystemError EINVAL for a device without a fixed end */
export function sizeOfDevice(device: BlockDevice, call: string): number {
  const { sizeBytes } = device.limits;
  if (sizeBytes === null)
    throw new SystemError(EINVAL, call, undefined, 'a device that grows has no end: open it with a fixed size');
  return sizeBytes;
}
