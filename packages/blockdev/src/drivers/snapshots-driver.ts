import { EBUSY, ENOTSUP, SystemError } from '@biodone/uring';
import type { BlockTimers } from '../batch-clock.js';
import { biodone } from '../biodone.js';
import {
  type AbortVerdict,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockIo,
} from '../block-io.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import type { DeviceSpec } from '../spec.js';
import { commonCapabilities, commonLimits, pollAll, StackChildren, waitForAny } from '../stack-children.js';
import type { SnapshotSet } from './snapshot-set.js';
import { ForwardStep, StepOps } from './step-op.js';

/** The longest transfer, and the longest range that is zeroed or discarded at a time: its blocks may have to be copied before. */
const TRANSFER_MAX_BYTES = 2 ** 20;
const RANGE_MAX_BYTES = 2 ** 24;

/** What the driver is made of. */
export interface SnapshotsDriverParts {
  readonly set: SnapshotSet;
  readonly requestsMax: number;
  readonly asked: { readonly childrenMax?: number };
  readonly timers: BlockTimers;
  /** Lets go of everything that stands on the device, and then of the device. */
  readonly close: () => Promise<void>;
}

/** The driver of a device that snapshots can be taken of. Without any, requests go to the device below as they are. */
export class SnapshotsDriver implements BlockDriver {
  readonly name = 'snapshots';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly ops: StepOps = new StepOps();
  readonly set: SnapshotSet;
  readonly #parts: SnapshotsDriverParts;
  readonly #children: StackChildren;
  readonly #forward: ForwardStep;

  constructor(parts: SnapshotsDriverParts) {
    const { set, requestsMax } = parts;
    this.#parts = parts;
    this.set = set;
    this.#children = new StackChildren([set.device], null);
    this.#forward = new ForwardStep(set.device, set.claim);
    const capabilities = commonCapabilities([set.device]);
    this.limits = {
      ...commonLimits([set.device]),
      sizeBytes: set.sizeBytes,
      maxTransferBytes: Math.max(TRANSFER_MAX_BYTES, set.blockBytes),
      maxDiscardBytes: RANGE_MAX_BYTES,
      maxZeroesBytes: RANGE_MAX_BYTES,
      maxInFlight: requestsMax,
    };
    this.capabilities = {
      ...capabilities,
      progress: capabilities.progress === 'event-loop' ? 'event-loop' : 'any',
      // A write may wait for the copy of what it is to change.
      nowait: false,
    };
  }

  start(io: BlockIo): void {
    const { operation } = io;
    if (isChange(operation) && this.set.snapshots.length > 0) {
      const op = this.ops.take(this.set, io);
      this.set.place(op, io);
      this.ops.startInRange(op);
    } else if (isKnown(operation)) {
      this.ops.run(this.ops.take(this.#forward, io));
    } else {
      biodone(io, ENOTSUP);
    }
  }

  startSync(io: BlockIo): void {
    const { operation } = io;
    if (!isKnown(operation)) {
      io.error = ENOTSUP;
      return;
    }
    const copies = isChange(operation) && this.set.snapshots.length > 0;
    const op = this.ops.take(copies ? this.set : this.#forward, io);
    if (copies) this.set.place(op, io);
    io.error = copies && this.ops.ranges.isTaken(op) ? this.ops.refuse(op, EBUSY) : this.ops.runSync(op);
  }

  abort(io: BlockIo): AbortVerdict {
    return this.ops.abort(io);
  }

  poll(): number {
    return pollAll(this.#busy());
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return waitForAny(this.#busy(), timeoutMs, this.#parts.timers);
  }

  describe(): Record<string, unknown> {
    const { blockBytes, device, sizeBytes, snapshots } = this.set;
    const told = snapshots.map(({ map, invalid }) => ({ keptBytes: map.count * blockBytes, invalid }));
    return { sizeBytes, blockBytes, snapshots: told, device: device.describe() };
  }

  config(): DeviceSpec {
    const { blockBytes, device } = this.set;
    return { driver: 'snapshots', device: device.config(), blockBytes, ...this.#parts.asked };
  }

  handle(): DeviceHandle {
    const advice = 'snapshots need to see every write, so the device is for one thread: serve other threads through a pool';
    throw new SystemError(ENOTSUP, 'handle', undefined, advice);
  }

  attached(events: DriverEvents): void {
    this.#children.watch(
      () => this.set.sizeBytes,
      () => events.removed(),
    );
  }

  close(): Promise<void> {
    this.#children.release();
    return this.#parts.close();
  }

  /** A write waits for what it copies, too. */
  #busy(): (typeof this.set.device)[] {
    return [this.set.device, ...this.set.snapshots.map(({ map }) => map.store)];
  }
}

function isChange(operation: number): boolean {
  return operation === BLOCK_WRITE || operation === BLOCK_WRITE_ZEROES || operation === BLOCK_DISCARD;
}

function isKnown(operation: number): boolean {
  return isChange(operation) || operation === BLOCK_READ || operation === BLOCK_FLUSH || operation === BLOCK_EXTENTS;
}
