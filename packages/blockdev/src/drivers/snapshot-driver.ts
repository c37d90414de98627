import { EBUSY, EIO, ENOTSUP, SystemError } from '@biodone/uring';
import type { BlockTimers } from '../batch-clock.js';
import { biodone } from '../biodone.js';
import { type AbortVerdict, BLOCK_FLUSH, BLOCK_READ, type BlockIo } from '../block-io.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import type { DeviceSpec } from '../spec.js';
import { pollAll, waitForAny } from '../stack-children.js';
import { CowReads } from './cow-transfers.js';
import type { SnapshotState } from './snapshot-set.js';
import type { SnapshotsDriver } from './snapshots-driver.js';
import type { StepOp, Stepper } from './step-op.js';

/** The driver of a snapshot: what has changed since comes from its store, the rest from the device, where nobody changes it meanwhile. */
export class SnapshotDriver implements BlockDriver, Stepper {
  readonly name = 'snapshot';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly state: SnapshotState;
  readonly #live: SnapshotsDriver;
  readonly #reads: CowReads;
  readonly #timers: BlockTimers;
  readonly #close: () => Promise<void>;
  #events: DriverEvents | null = null;

  constructor(live: SnapshotsDriver, state: SnapshotState, timers: BlockTimers, close: () => Promise<void>) {
    const { set } = live;
    this.state = state;
    this.#live = live;
    this.#timers = timers;
    this.#close = close;
    const claims = { base: set.claim, store: state.claim };
    this.#reads = new CowReads({
      base: set.device,
      claims,
      map: state.map,
      blockBytes: set.blockBytes,
      sizeBytes: set.sizeBytes,
    });
    this.limits = live.limits;
    const isByEventLoop = state.map.store.capabilities.progress === 'event-loop' || live.capabilities.progress === 'event-loop';
    this.capabilities = { readOnly: true, progress: isByEventLoop ? 'event-loop' : 'any', volatileCache: false };
  }

  /** The device is gone. */
  remove(): void {
    this.#events?.removed();
  }

  start(io: BlockIo): void {
    const { ops, set } = this.#live;
    if (io.operation === BLOCK_FLUSH) {
      biodone(io, 0);
    } else if (io.operation === BLOCK_READ) {
      const op = ops.take(this, io);
      // No write may change a block between the look whether it has been copied and the end of the read.
      set.place(op, io);
      ops.startInRange(op);
    } else {
      biodone(io, ENOTSUP);
    }
  }

  startSync(io: BlockIo): void {
    const { ops, set } = this.#live;
    if (io.operation === BLOCK_FLUSH) return;
    if (io.operation !== BLOCK_READ) {
      io.error = ENOTSUP;
      return;
    }
    const op = ops.take(this, io);
    set.place(op, io);
    io.error = ops.ranges.isTaken(op) ? ops.refuse(op, EBUSY) : ops.runSync(op);
  }

  step(op: StepOp): number {
    return this.state.invalid === null ? this.#reads.step(op) : EIO;
  }

  abort(io: BlockIo): AbortVerdict {
    return this.#live.ops.abort(io);
  }

  poll(): number {
    return pollAll(this.#devices());
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return waitForAny(this.#devices(), timeoutMs, this.#timers);
  }

  describe(): Record<string, unknown> {
    const { map, invalid } = this.state;
    return { sizeBytes: this.limits.sizeBytes, keptBytes: map.count * this.#live.set.blockBytes, invalid };
  }

  config(): DeviceSpec {
    return { driver: this.name, device: this.#live.config() };
  }

  handle(): DeviceHandle {
    throw new SystemError(ENOTSUP, 'handle', undefined, 'a snapshot is for the thread that has the device it was taken of');
  }

  attached(events: DriverEvents): void {
    this.#events = events;
  }

  close(): Promise<void> {
    return this.#close();
  }

  #devices(): (typeof this.state.map.store)[] {
    return [this.#live.set.device, this.state.map.store];
  }
}
