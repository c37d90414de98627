import { TailQueue } from '@biodone/sync';
import { ENOTSUP } from '@biodone/uring';
import { type BlockTimers, threadTimers } from './batch-clock.js';
import { beginSubmit, biodone, endSubmit } from './biodone.js';
import { BlockDevice, type BlockDeviceOptions } from './block-device.js';
import {
  type AbortVerdict,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockIo,
} from './block-io.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from './driver.js';
import { checkInteger } from './errors.js';
import type { BlockCapabilities, BlockLimits } from './limits.js';
import { type Layout, type NestedIo, type NestedOwner, NestedPool } from './nested-io.js';
import { NestedTransfer, type TransferParts } from './nested-transfer.js';
import type { DeviceSpec } from './spec.js';
import type { StackChildren } from './stack-children.js';
import { type WholeOwner, WholeRequests } from './whole-requests.js';

/** Options of every device that lies on others. */
export interface StackOptions extends BlockDeviceOptions {
  /**
   * Whether closing the device closes those under it.
   * @default true
   */
  closeChildren?: boolean;
  /**
   * How many requests to the devices under it can be under way at a time; what needs more waits in line.
   * @default 1024
   */
  childrenMax?: number;
}

/** What makes a driver of a {@link Layout}. */
export interface StackParts {
  readonly name: string;
  readonly children: StackChildren;
  readonly layout: Layout;
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  /** How much of each device is used, from its beginning. */
  readonly usedBytes: (index: number) => number;
  /** What `describe` and `config` say besides the driver's name and the devices. */
  readonly properties: Readonly<Record<string, number>>;
  /** Whether there is always one device, which `config` then names alone, and not in a list. */
  readonly single?: boolean;
  /** What `handle` says. */
  readonly handed: Readonly<Record<string, unknown>>;
  /** Lets go of the devices: called once, when nothing is under way any more. */
  readonly close: () => void | Promise<void>;
}

/** Which operations go to the devices: others end with ENOTSUP (rule 12). */
const FORWARDED: readonly boolean[] = Array.from({ length: BLOCK_COMPARE_AND_WRITE + 1 }, (_, operation) =>
  [BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_WRITE_ZEROES, BLOCK_EXTENTS].includes(operation as never),
);

/** Opens a device on others. What was claimed is given back if that fails. */
export function openStack(parts: StackParts, options: StackOptions, handle?: DeviceHandle): BlockDevice {
  try {
    checkInteger('childrenMax', options.childrenMax ?? 1024, 1, 65536);
    return new BlockDevice(new StackDriver(parts, options), options, handle);
  } catch (error) {
    parts.children.release();
    throw error;
  }
}

/**
 * The driver of devices that lie on others without changing the data: slice, concat and stripe differ in their layout alone. Most requests
 * touch one device, and are that device's as they are.
 */
class StackDriver implements BlockDriver, NestedOwner, WholeOwner {
  readonly name: string;
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly #parts: StackParts;
  readonly #children: StackChildren;
  readonly #layout: Layout;
  readonly #pool: NestedPool;
  /** By device. */
  readonly #whole: readonly WholeRequests[];
  readonly #timers: BlockTimers;
  /** What `config` says of how it was opened. */
  readonly #asked: { readonly childrenMax?: number };
  readonly #transferParts: TransferParts;
  readonly #freeTransfers = new TailQueue<NestedTransfer>();
  /** All transfers there are, for `abort`. */
  readonly #transfers: NestedTransfer[] = [];

  constructor(parts: StackParts, { childrenMax, timers = threadTimers }: StackOptions) {
    this.name = parts.name;
    this.limits = parts.limits;
    this.capabilities = parts.capabilities;
    this.#parts = parts;
    this.#children = parts.children;
    this.#layout = parts.layout;
    this.#timers = timers;
    this.#asked = childrenMax === undefined ? {} : { childrenMax };
    this.#pool = new NestedPool(this, childrenMax ?? 1024);
    this.#whole = parts.children.all.map((device, index) => new WholeRequests(device, parts.children.claim(index), this));
    this.#transferParts = {
      children: parts.children,
      layout: parts.layout,
      pool: this.#pool,
      done: (transfer, error) => this.#transferDone(transfer, error),
    };
  }

  start(io: BlockIo): void {
    const { operation, lengthBytes } = io;
    if (operation === BLOCK_READ || operation === BLOCK_WRITE) {
      const layout = this.#layout;
      layout.locate(io.offset);
      if (layout.lengthBytes >= lengthBytes && this.#pool.admit()) {
        (this.#whole[layout.index] as WholeRequests).start(io, layout.offset);
        return;
      }
    } else if (FORWARDED[operation] !== true) {
      biodone(io, ENOTSUP);
      return;
    }
    this.#takeTransfer().begin(io);
  }

  startSync(io: BlockIo): void {
    if (FORWARDED[io.operation] !== true) {
      io.error = ENOTSUP;
      return;
    }
    const transfer = this.#takeTransfer();
    io.error = transfer.runSync(io);
    this.#recycle(transfer);
  }

  /** For child requests alone. */
  childDone(nested: NestedIo): void {
    nested.transfer?.advance(nested);
  }

  /** For child requests alone. */
  wholeDone(parent: BlockIo, error: number, transferredBytes: number): void {
    parent.transferredBytes = transferredBytes;
    this.#pool.dismiss();
    this.#pool.serve();
    biodone(parent, error);
  }

  abort(io: BlockIo): AbortVerdict {
    for (const transfer of this.#transfers) if (transfer.parent === io) return transfer.abort();
    // What ends at once comes back by the queue of done requests, not in the middle of this.
    beginSubmit();
    try {
      return this.#abortWhole(io) === 'cancelled' ? 'cancelled' : 'in-progress';
    } finally {
      endSubmit();
    }
  }

  poll(): number {
    return this.#children.poll();
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.#children.wait(timeoutMs, this.#timers);
  }

  describe(): Record<string, unknown> {
    const { sizeBytes } = this.limits;
    return { ...this.#parts.properties, sizeBytes, devices: this.#children.all.map((device) => device.describe()) };
  }

  config(): DeviceSpec {
    const { properties, single = false } = this.#parts;
    const devices = this.#children.all.map((device) => device.config());
    return { driver: this.name, ...properties, ...this.#asked, ...(single ? { device: devices[0] } : { devices }) };
  }

  handle(): DeviceHandle {
    const devices = this.#children.all.map((device, index) => device.handle(this.#children.claim(index)));
    return { driver: this.name, ...this.#parts.handed, devices };
  }

  attached(events: DriverEvents): void {
    // A device without one of its parts is none.
    this.#children.watch(this.#parts.usedBytes, () => events.removed());
  }

  close(): void | Promise<void> {
    this.#children.release();
    return this.#parts.close();
  }

  #abortWhole(parent: BlockIo): AbortVerdict | undefined {
    for (const [index, whole] of this.#whole.entries()) {
      const io = whole.of(parent);
      if (io !== undefined) return this.#children.device(index).abort(io);
    }
    return undefined;
  }

  #takeTransfer(): NestedTransfer {
    const free = this.#freeTransfers.removeFirst();
    if (free !== null) return free;
    const made = new NestedTransfer(this.#transferParts);
    this.#transfers.push(made);
    return made;
  }

  #transferDone(transfer: NestedTransfer, error: number): void {
    const parent = transfer.parent as BlockIo;
    this.#recycle(transfer);
    this.#pool.serve();
    biodone(parent, error);
  }

  #recycle(transfer: NestedTransfer): void {
    transfer.parent = null;
    this.#freeTransfers.insertHead(transfer);
  }
}
