import { ECANCELED } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_READ, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import { aim, errorOf } from './cow-transfers.js';
import type { OverlayMap } from './overlay-map.js';
import { ForwardStep, type StepOp, type Stepper } from './step-op.js';

/** A snapshot, as the device knows it that it was taken of. */
export interface SnapshotState {
  /** The blocks that have changed on the device since, as they were. */
  readonly map: OverlayMap;
  readonly claim: BlockClaim | null;
  /** Why it cannot be read any more; null if it can. */
  invalid: string | null;
}

const FIRST = 0;
const OLD_BLOCK = 1;
const COPY = 2;

/**
 * The snapshots of a device, and writes to that: before a block changes for the first time since a snapshot was taken, what is on it is copied for
 * each snapshot that lacks it. Where that cannot be, the snapshot is not valid any more, and the write goes on.
 */
export class SnapshotSet implements Stepper {
  readonly device: BlockDevice;
  readonly claim: BlockClaim | null;
  readonly blockBytes: number;
  readonly sizeBytes: number;
  readonly snapshots: SnapshotState[] = [];
  readonly #forward: ForwardStep;

  constructor(device: BlockDevice, claim: BlockClaim | null, blockBytes: number, sizeBytes: number) {
    this.device = device;
    this.claim = claim;
    this.blockBytes = blockBytes;
    this.sizeBytes = sizeBytes;
    this.#forward = new ForwardStep(device, claim);
  }

  /** Gives an operation the blocks of its request. */
  place(op: StepOp, { offset, lengthBytes }: BlockIo): void {
    op.begin = Math.floor(offset / this.blockBytes);
    op.end = Math.ceil((offset + lengthBytes) / this.blockBytes);
    op.block = op.begin;
    op.count = 0;
  }

  drop(snapshot: SnapshotState): void {
    const at = this.snapshots.indexOf(snapshot);
    if (at >= 0) this.snapshots.splice(at, 1);
  }

  step(op: StepOp): number {
    if (op.phase < FIRST) return this.#forward.step(op);
    if (op.aborted && op.phase !== FIRST && op.io.error === ECANCELED) return this.#cancelled(op);
    if (op.phase === OLD_BLOCK) this.#hasRead(op);
    else if (op.phase === COPY) this.#hasCopied(op);
    else op.block = op.begin;
    for (; op.block < op.end; op.block++) {
      const snapshot = this.#whoLacks(op.block);
      if (snapshot !== null) return op.count > 0 ? this.#copy(op, snapshot) : this.#read(op);
      op.count = 0;
    }
    return this.#forward.step(op);
  }

  /** A write whose copy was taken back has not been done: nothing is wrong with the snapshots. */
  #cancelled(op: StepOp): number {
    if (op.phase === COPY) (op.subject as SnapshotState).map.cancel(op.block);
    return ECANCELED;
  }

  /** The first snapshot that lacks a block. */
  #whoLacks(block: number): SnapshotState | null {
    for (const snapshot of this.snapshots) {
      if (snapshot.invalid !== null || snapshot.map.has(block)) continue;
      if (snapshot.map.reserve(block)) {
        snapshot.map.cancel(block);
        return snapshot;
      }
      snapshot.invalid = 'its store is full';
    }
    return null;
  }

  /** Reads what is on a block. */
  #read(op: StepOp): number {
    op.phase = OLD_BLOCK;
    aim(op, BLOCK_READ, op.block * this.blockBytes, op.staging(this.blockBytes), 0, this.#lengthOf(op.block));
    return op.send(this.device, this.claim);
  }

  #hasRead(op: StepOp): void {
    const error = errorOf(op.io);
    op.count = 1;
    if (error === 0) return;
    for (const snapshot of this.snapshots) {
      if (!snapshot.map.has(op.block)) snapshot.invalid ??= `what it needed to keep could not be read: errno ${error}`;
    }
  }

  #copy(op: StepOp, snapshot: SnapshotState): number {
    const { map, claim } = snapshot;
    op.phase = COPY;
    op.subject = snapshot;
    map.reserve(op.block);
    aim(op, BLOCK_WRITE, map.offsetOf(op.block), op.staging(this.blockBytes), 0, this.#lengthOf(op.block));
    return op.send(map.store, claim);
  }

  #hasCopied(op: StepOp): void {
    const snapshot = op.subject as SnapshotState;
    const error = errorOf(op.io);
    if (error === 0) {
      snapshot.map.add(op.block);
    } else {
      snapshot.map.cancel(op.block);
      snapshot.invalid ??= `its store could not be written: errno ${error}`;
    }
  }

  #lengthOf(block: number): number {
    return Math.min(this.blockBytes, this.sizeBytes - block * this.blockBytes);
  }
}
