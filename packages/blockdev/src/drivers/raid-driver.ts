import { TailQueue } from '@biodone/sync';
import { EBUSY, ECANCELED, ENOTSUP } from '@biodone/uring';
import type { BlockTimers } from '../batch-clock.js';
import { beginSubmit, biodone, endSubmit } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
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
import type { BlockClaim } from '../claims.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import { EXTENT_DATA } from '../extent-list.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import { type NestedIo, type NestedOwner, NestedPool } from '../nested-io.js';
import { NestedTransfer, type TransferParts } from '../nested-transfer.js';
import { LOOK_AT_OTHERS_MS } from '../shared-state.js';
import type { DeviceSpec } from '../spec.js';
import { pollAll, waitForAny } from '../stack-children.js';
import type { WholeOwner } from '../whole-requests.js';
import { RaidFlushes } from './raid-flush.js';
import type { RaidGeometry } from './raid-geometry.js';
import type { RaidMember, RaidSlot } from './raid-member.js';
import { RaidMetadata } from './raid-metadata.js';
import { createRaidReads } from './raid-reads.js';
import type { RowPart, RowRequests } from './raid-requests.js';
import type { RaidSet } from './raid-set.js';
import { RaidStripes } from './raid-stripes.js';
import { createRaidWrites } from './raid-writes.js';

/** What the driver leaves to the raid. */
export interface RaidDriverParts {
  readonly set: RaidSet;
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly timers: BlockTimers;
  readonly childrenMax: number;
  readonly describe: () => Record<string, unknown>;
  readonly config: () => DeviceSpec;
  readonly handle: () => DeviceHandle;
  readonly attached: (events: DriverEvents) => void;
  readonly close: () => void | Promise<void>;
}

/**
 * The driver of a raid with parity (levels 1 and 5), on one channel. A read goes straight to its component as long as that is there; all else has
 * its rows for itself.
 */
export class RaidDriver implements BlockDriver, WholeOwner, NestedOwner {
  readonly name = 'raid';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly stripes: RaidStripes;
  readonly metadata: RaidMetadata;
  readonly describe: () => Record<string, unknown>;
  readonly config: () => DeviceSpec;
  readonly handle: () => DeviceHandle;
  readonly attached: (events: DriverEvents) => void;
  readonly close: () => void | Promise<void>;
  readonly #set: RaidSet;
  readonly #geometry: RaidGeometry;
  readonly #timers: BlockTimers;
  readonly #reads: RowRequests<RowPart>;
  readonly #writes: RowRequests<RowPart>;
  readonly #flushes: RaidFlushes;
  readonly #pool: NestedPool;
  readonly #transferParts: TransferParts;
  readonly #freeTransfers = new TailQueue<NestedTransfer>();
  readonly #transfers: NestedTransfer[] = [];
  /** Plain reads that somebody wants to end. */
  readonly #aborted = new Set<BlockIo>();
  /** How many requests have ended. It wraps around: for differences. */
  #ended = 0;

  constructor(parts: RaidDriverParts) {
    const { set, timers, childrenMax } = parts;
    this.limits = parts.limits;
    this.capabilities = parts.capabilities;
    this.describe = parts.describe;
    this.config = parts.config;
    this.handle = parts.handle;
    this.attached = parts.attached;
    this.close = parts.close;
    this.#set = set;
    this.#geometry = set.geometry;
    this.#timers = timers;
    this.stripes = new RaidStripes(set, timers, childrenMax);
    this.metadata = new RaidMetadata(set, timers);
    const { stripes, metadata } = this;
    const end = (io: BlockIo, error: number): void => this.#end(io, error);
    const endSaved = (io: BlockIo, error: number): void => {
      this.#ended = (this.#ended + 1) | 0;
      metadata.complete(io, error);
    };
    this.#reads = createRaidReads({ set, stripes }, end);
    this.#writes = createRaidWrites({ set, stripes, metadata }, endSaved);
    this.#flushes = new RaidFlushes(set, endSaved);
    this.#pool = new NestedPool(this, childrenMax);
    this.#transferParts = {
      children: new MemberDevices(set),
      layout: set.geometry,
      pool: this.#pool,
      done: (transfer, error) => this.#transferDone(transfer, error),
    };
  }

  start(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ) this.#startRead(io);
    else if (operation === BLOCK_WRITE) this.#writes.start(io);
    else if (operation === BLOCK_FLUSH) this.#flushes.start(io);
    else if (operation === BLOCK_EXTENTS) this.#startExtents(io);
    else if (isZeroing(io)) this.#writes.start(io);
    else biodone(io, ENOTSUP);
  }

  startSync(io: BlockIo): void {
    const set = this.#set;
    if (set.state.changes !== set.seen) set.refresh();
    set.inThread = true;
    try {
      io.error = this.#run(io);
    } finally {
      set.inThread = false;
    }
  }

  /** For child requests alone. */
  wholeDone(parent: BlockIo, error: number, transferredBytes: number): void {
    this.#pool.dismiss();
    this.#pool.serve();
    const aborted = this.#aborted.size > 0 && this.#aborted.delete(parent);
    if (error === 0 && transferredBytes === parent.lengthBytes) {
      parent.transferredBytes = transferredBytes;
      this.#end(parent, 0);
    } else if (aborted) this.#end(parent, error);
    // It is read again, with its row: whatever is wrong is judged there.
    else this.#reads.start(parent);
  }

  /** For child requests alone. */
  childDone(nested: NestedIo): void {
    nested.transfer?.advance(nested);
  }

  abort(io: BlockIo): AbortVerdict {
    for (const transfer of this.#transfers) if (transfer.parent === io) return transfer.abort();
    const verdict = this.#reads.abort(io) ?? this.#writes.abort(io);
    if (verdict !== undefined) return verdict;
    beginSubmit();
    try {
      if (this.#flushes.abort(io)) return 'in-progress';
      return this.#abortPlain(io) === 'cancelled' ? 'cancelled' : 'in-progress';
    } finally {
      endSubmit();
    }
  }

  poll(): number {
    const before = this.#ended;
    this.stripes.poll();
    if (this.metadata.isWaiting) this.metadata.retry();
    pollAll(this.#set.devices);
    if (this.stripes.isReady) this.stripes.poll();
    return (this.#ended - before) | 0;
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    const deadlineMs = this.#timers.now() + timeoutMs;
    while (true) {
      const count = this.poll();
      if (count > 0) return count;
      const left = Math.max(0, deadlineMs - this.#timers.now());
      const devices = this.#set.devices;
      const isWaiting = this.stripes.isWaiting || this.metadata.isWaiting;
      if (this.stripes.isReady) continue;
      if (devices.some(({ inFlight }) => inFlight > 0)) {
        const ended = waitForAny(devices, isWaiting ? Math.min(left, LOOK_AT_OTHERS_MS) : left, this.#timers);
        if (ended === 'EINTR') return ended;
      } else if (isWaiting) this.#timers.sleep(Math.min(left, LOOK_AT_OTHERS_MS));
      else return 0;
      if (left === 0) return this.poll() || 'ETIME';
    }
  }

  #startRead(io: BlockIo): void {
    const set = this.#set;
    if (set.state.changes !== set.seen) set.refresh();
    const geometry = this.#geometry;
    geometry.locate(io.offset);
    const member = set.members[geometry.index] as RaidMember;
    if (geometry.lengthBytes < io.lengthBytes) {
      if (set.allGood) this.#takeTransfer().begin(io);
      else this.#reads.start(io);
    } else if ((set.allGood || set.isUp(member, geometry.row)) && this.#pool.admit()) {
      (member.slot as RaidSlot).reads.start(io, geometry.offset);
    } else if (set.allGood) this.#takeTransfer().begin(io);
    else this.#reads.start(io);
  }

  #startExtents(io: BlockIo): void {
    if (this.#set.allGood) {
      this.#takeTransfer().begin(io);
      return;
    }
    everythingIsData(io);
    this.#end(io, 0);
  }

  #run(io: BlockIo): number {
    const { operation } = io;
    if (operation === BLOCK_READ || operation === BLOCK_EXTENTS) return this.#runRead(io);
    if (operation === BLOCK_FLUSH) return this.#flushes.run(io) || this.#saveNow();
    if (operation !== BLOCK_WRITE && !isZeroing(io)) return ENOTSUP;
    // It would have to wait for others' writes, or for labels that are on their way.
    if (this.#isBusy() || this.#writes.isTaken(io)) return EBUSY;
    return this.#writes.run(io, EBUSY) || this.#saveNow();
  }

  #runRead(io: BlockIo): number {
    if (this.#set.allGood) {
      const transfer = this.#takeTransfer();
      const error = transfer.runSync(io);
      this.#recycle(transfer);
      if (error === 0 && (io.operation === BLOCK_EXTENTS || io.transferredBytes === io.lengthBytes)) return 0;
      if (io.operation === BLOCK_EXTENTS) return error;
    }
    if (io.operation === BLOCK_EXTENTS) {
      everythingIsData(io);
      return 0;
    }
    return this.#reads.isTaken(io) ? EBUSY : this.#reads.run(io, EBUSY);
  }

  #isBusy(): boolean {
    return this.metadata.isRunning || this.metadata.isWaiting;
  }

  /** Writes the labels in the calling thread, if they are to be written before it can go on. */
  #saveNow(): number {
    if (this.#set.isSaved) return 0;
    if (this.#isBusy()) return EBUSY;
    let error = 0;
    this.metadata.whenSaved((result) => {
      error = result;
    });
    return error;
  }

  #end(io: BlockIo, error: number): void {
    this.#ended = (this.#ended + 1) | 0;
    biodone(io, error);
  }

  #abortPlain(parent: BlockIo): AbortVerdict | undefined {
    for (const slot of this.#set.slots) {
      const io = slot?.readOf(parent);
      if (slot === null || io === undefined) continue;
      this.#aborted.add(parent);
      return slot.device.abort(io);
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
    const isWhole = error === 0 && (parent.operation === BLOCK_EXTENTS || parent.transferredBytes === parent.lengthBytes);
    if (isWhole || error === ECANCELED || parent.operation === BLOCK_EXTENTS) this.#end(parent, error);
    else this.#reads.start(parent);
  }

  #recycle(transfer: NestedTransfer): void {
    transfer.parent = null;
    this.#freeTransfers.insertHead(transfer);
  }
}

/** The components, for requests that go straight to them. */
class MemberDevices {
  readonly #set: RaidSet;

  constructor(set: RaidSet) {
    this.#set = set;
  }

  get count(): number {
    return this.#set.members.length;
  }

  device(index: number): BlockDevice {
    return this.#set.members[index]?.slot?.device as BlockDevice;
  }

  claim(index: number): BlockClaim | null {
    return this.#set.members[index]?.slot?.claim ?? null;
  }
}

function isZeroing({ operation }: BlockIo): boolean {
  return operation === BLOCK_WRITE_ZEROES || operation === BLOCK_DISCARD;
}

function everythingIsData(io: BlockIo): void {
  io.extents?.clear();
  io.extents?.add(io.offset, io.lengthBytes, EXTENT_DATA);
  io.transferredBytes = io.lengthBytes;
}
