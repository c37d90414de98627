import {
  type AbortVerdict,
  type BlockCapabilities,
  type BlockDevice,
  type BlockDriver,
  BlockIo,
  type BlockLimits,
  biodone,
  type DeviceHandle,
  type DeviceSpec,
  type DriverEvents,
} from '@biodone/blockdev';
import { TailQueue } from '@biodone/sync';
import { ENOTSUP, SystemError } from '@biodone/uring';

/** A request to the device below, on behalf of one to the filter. */
export class FilterIo extends BlockIo {
  filter: FilterDriver | null = null;
  parent: BlockIo | null = null;
}

/**
 * What test devices over another device have in common: as they stand here, requests pass unchanged. The limits are those of the device
 * below, and so are the capabilities; it belongs to the filter, which closes it.
 */
export class FilterDriver implements BlockDriver {
  readonly name: string;
  readonly child: BlockDevice;
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly #free = new TailQueue<FilterIo>();
  /** What is below on behalf of what: for abort. */
  readonly #below = new Map<BlockIo, FilterIo>();
  #detach: (() => void) | null = null;

  constructor(name: string, child: BlockDevice, capabilities: Partial<BlockCapabilities> = {}) {
    this.name = name;
    this.child = child;
    // Who keeps requests, or parts of them, cannot promise what these ask for.
    this.limits = { ...child.limits, atomicWriteMinBytes: 0, atomicWriteMaxBytes: 0 };
    const { progress } = child.capabilities;
    // What is done below when strategy() returns is done here only when the callback has run.
    this.capabilities = {
      ...child.capabilities,
      progress: progress === 'none' ? 'any' : progress,
      retry: true,
      nowait: false,
      ...capabilities,
    };
  }

  start(io: BlockIo): void {
    this.pass(io);
  }

  startSync(io: BlockIo): void {
    this.passSync(io);
  }

  abort(io: BlockIo): AbortVerdict {
    const below = this.#below.get(io);
    return below === undefined ? 'in-progress' : this.child.abort(below);
  }

  poll(): number {
    return this.child.poll();
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.child.wait(timeoutMs);
  }

  describe(): Record<string, unknown> {
    return { child: this.child.describe() };
  }

  config(): DeviceSpec {
    return { driver: this.name, child: this.child.config() };
  }

  handle(): DeviceHandle {
    throw new SystemError(ENOTSUP, 'handle', undefined, `a '${this.name}' device is for tests, and lives in one thread`);
  }

  attached(events: DriverEvents): void {
    const resized = (sizeBytes: number): void => events.resized(sizeBytes);
    const removed = (): void => events.removed();
    this.child.on('resize', resized).on('remove', removed);
    this.#detach = () => this.child.off('resize', resized).off('remove', removed);
  }

  close(): Promise<void> {
    this.#detach?.();
    return this.child.close();
  }

  /** Starts the same request below, with what differs. */
  pass(io: BlockIo, changes?: Partial<BlockIo>): void {
    const below = this.#take(io, changes);
    this.#below.set(io, below);
    below.iodone = belowDone;
    this.child.strategy(below);
  }

  /** Runs the same request below in the calling thread, with what differs. */
  passSync(io: BlockIo, changes?: Partial<BlockIo>): void {
    const below = this.#take(io, changes);
    this.child.strategySync(below);
    io.transferredBytes = below.transferredBytes;
    io.error = this.passed(io, below);
    this.#giveBack(below);
  }

  /** The device below is done with what was passed to it: what the request ends with. Its `transferredBytes` are those from below. */
  protected passed(_io: BlockIo, below: BlockIo): number {
    return below.error;
  }

  /** For {@link belowDone} alone. */
  finish(below: FilterIo): void {
    const io = below.parent as BlockIo;
    this.#below.delete(io);
    io.transferredBytes = below.transferredBytes;
    const error = this.passed(io, below);
    this.#giveBack(below);
    biodone(io, error);
  }

  #take(io: BlockIo, changes?: Partial<BlockIo>): FilterIo {
    const below = this.#free.removeFirst() ?? new FilterIo();
    below.filter = this;
    below.parent = io;
    below.operation = io.operation;
    below.flags = io.flags;
    below.buffer = io.buffer;
    below.bufferOffset = io.bufferOffset;
    below.vector = io.vector;
    below.offset = io.offset;
    below.lengthBytes = io.lengthBytes;
    below.compare = io.compare;
    below.compareOffset = io.compareOffset;
    below.extents = io.extents;
    if (changes !== undefined) Object.assign(below, changes);
    return below;
  }

  #giveBack(below: FilterIo): void {
    below.parent = null;
    below.buffer = null;
    below.vector = null;
    below.compare = null;
    below.extents = null;
    this.#free.insertHead(below);
  }
}

function belowDone(io: BlockIo): void {
  const below = io as FilterIo;
  below.filter?.finish(below);
}
