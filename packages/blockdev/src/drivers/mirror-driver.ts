import { EBUSY, ECANCELED, ENOTSUP } from '@biodone/uring';
import type { BlockTimers } from '../batch-clock.js';
import { beginSubmit, biodone, endSubmit } from '../biodone.js';
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
import type { NestedIo, NestedOwner } from '../nested-io.js';
import { RangeQueue } from '../range-queue.js';
import type { DeviceSpec } from '../spec.js';
import { pollAll, waitForAny } from '../stack-children.js';
import { MirrorChildren } from './mirror-children.js';
import type { MirrorHalf } from './mirror-half.js';
import type { MirrorIo } from './mirror-io.js';
import { MirrorReads } from './mirror-reads.js';
import type { MirrorSet } from './mirror-set.js';
import { MirrorWrites } from './mirror-writes.js';

/** What the driver is made of. */
export interface MirrorDriverParts {
  readonly set: MirrorSet;
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly timers: BlockTimers;
  /** A half could not read a range that another one could. */
  readonly repair: (half: MirrorHalf, offset: number, lengthBytes: number) => void;
  /** The halves may differ in a range. */
  readonly makeEqual: (offset: number, lengthBytes: number) => void;
  /** Does all repairs that can be done, in the calling thread. */
  readonly repairNow: () => void;
  readonly describe: () => Record<string, unknown>;
  readonly config: () => DeviceSpec;
  readonly handle: () => DeviceHandle;
  readonly attached: (events: DriverEvents) => void;
  readonly close: () => Promise<void>;
}

/** The driver of a mirror: a read goes to one half, everything else to all of them. */
export class MirrorDriver implements BlockDriver, NestedOwner {
  readonly name = 'mirror';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  /** The ranges that are being written, or copied from one half to another. */
  readonly ranges: RangeQueue = new RangeQueue();
  readonly reads: MirrorReads;
  readonly describe: () => Record<string, unknown>;
  readonly config: () => DeviceSpec;
  readonly handle: () => DeviceHandle;
  readonly attached: (events: DriverEvents) => void;
  readonly close: () => Promise<void>;
  readonly #set: MirrorSet;
  readonly #children: MirrorChildren;
  readonly #writes: MirrorWrites;
  readonly #timers: BlockTimers;
  readonly #repairNow: () => void;
  /** What waits for the labels of the first write; null once they are written. */
  #first: BlockIo[] | null = null;

  constructor(parts: MirrorDriverParts) {
    const { set, limits, capabilities, repair } = parts;
    this.limits = limits;
    this.capabilities = capabilities;
    this.describe = parts.describe;
    this.config = parts.config;
    this.handle = parts.handle;
    this.attached = parts.attached;
    this.close = parts.close;
    this.#set = set;
    this.#timers = parts.timers;
    this.#repairNow = parts.repairNow;
    const children = new MirrorChildren(this);
    this.#children = children;
    const rotational = capabilities.rotational === true;
    this.reads = new MirrorReads({ set, children, blockSizeBytes: limits.blockSizeBytes, rotational, repair });
    this.#writes = new MirrorWrites(set, children, this.ranges, parts.makeEqual);
  }

  start(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ || operation === BLOCK_EXTENTS) this.reads.startPlain(io);
    else if (!isForAll(operation)) biodone(io, ENOTSUP);
    else if (this.#first !== null && operation !== BLOCK_FLUSH) this.#startFirst(io, this.#first);
    else this.#writes.start(io);
  }

  startSync(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ || operation === BLOCK_EXTENTS) {
      this.#set.inThread(() => {
        io.error = this.reads.run(io, 0);
        this.#repairNow();
      });
    } else {
      io.error = isForAll(operation) ? this.#touchInThread(operation) || this.#writes.run(io) : ENOTSUP;
    }
  }

  /** For child requests alone. */
  childDone(nested: NestedIo): void {
    const child = nested as MirrorIo;
    if (!this.#children.ended(child)) return;
    if (child.write === null) this.reads.done(child);
    else this.#writes.partDone(child.write, child);
  }

  abort(io: BlockIo): AbortVerdict {
    const waiting = this.#first?.indexOf(io) ?? -1;
    if (waiting >= 0) {
      this.#first?.splice(waiting, 1);
      biodone(io, ECANCELED);
      return 'cancelled';
    }
    return this.#writes.abort(io) ?? this.reads.abort(io);
  }

  /** A half is out: nobody waits for what it has under way. */
  abandon(half: MirrorHalf): void {
    beginSubmit();
    try {
      half.abandon();
      half.plain?.abandon();
      for (const child of this.#children.underWay((each) => each.half === half)) {
        if (child.write === null) this.reads.halfLost(child);
        else this.#writes.halfLost(child.write, child);
      }
    } finally {
      endSubmit();
    }
  }

  poll(): number {
    return pollAll(this.#set.devices);
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return waitForAny(this.#set.devices, timeoutMs, this.#timers);
  }

  /** Lets no write reach a half before the labels say that the mirror is in use. */
  waitForFirstWrite(): void {
    this.#first = [];
  }

  #startFirst(io: BlockIo, waiting: BlockIo[]): void {
    waiting.push(io);
    if (waiting.length > 1) return;
    this.#set.touch();
    this.#set.whenSaved((error) => this.#startAllFirst(error));
  }

  #startAllFirst(error: number): void {
    const waiting = this.#first ?? [];
    // If the labels cannot be written, the next write tries it again.
    this.#first = error === 0 ? null : [];
    // By the queue of done requests: none may keep the others from being started.
    beginSubmit();
    try {
      for (const io of waiting) {
        if (error === 0) this.#writes.start(io);
        else biodone(io, error);
      }
    } finally {
      endSubmit();
    }
  }

  /** Writes the labels of the first write in the calling thread. Returns the errno with which that failed. */
  #touchInThread(operation: number): number {
    if (this.#first === null || operation === BLOCK_FLUSH) return 0;
    if (this.#set.isSaving) return EBUSY;
    const error = this.#set.inThread(() => this.#set.touch());
    if (error === 0) this.#first = null;
    return error;
  }
}

/** What goes to all halves. */
function isForAll(operation: number): boolean {
  return (
    operation === BLOCK_WRITE || operation === BLOCK_FLUSH || operation === BLOCK_DISCARD || operation === BLOCK_WRITE_ZEROES
  );
}
