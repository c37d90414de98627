import { ENOTSUP } from '@biodone/uring';
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
    if (operation === BLOCK_READ || operation === BLOCK_EXTENTS) this.reads.start(io, 0);
    else if (isForAll(operation)) this.#writes.start(io);
    else biodone(io, ENOTSUP);
  }

  startSync(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ || operation === BLOCK_EXTENTS) {
      this.#set.inThread(() => {
        io.error = this.reads.run(io, 0);
        this.#repairNow();
      });
    } else {
      io.error = isForAll(operation) ? this.#writes.run(io) : ENOTSUP;
    }
  }

  /** For child requests alone. */
  childDone(io: NestedIo): void {
    const child = io as MirrorIo;
    if (!this.#children.ended(child)) return;
    if (child.write === null) this.reads.done(child);
    else this.#writes.partDone(child.write, child);
  }

  abort(io: BlockIo): AbortVerdict {
    return this.#writes.abort(io) ?? this.reads.abort(io);
  }

  /** A half is out: nobody waits for what it has under way. */
  abandon(half: MirrorHalf): void {
    beginSubmit();
    try {
      half.abandon();
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
}

/** What goes to all halves. */
function isForAll(operation: number): boolean {
  return (
    operation === BLOCK_WRITE || operation === BLOCK_FLUSH || operation === BLOCK_DISCARD || operation === BLOCK_WRITE_ZEROES
  );
}
