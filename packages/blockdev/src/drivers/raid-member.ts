import type { BlockDevice } from '../block-device.js';
import type { BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import { type WholeOwner, WholeRequests } from '../whole-requests.js';
import { bitmapOffset, labelOffset } from './raid-label.js';

/** A device that is, or can be, a component. */
export class RaidSlot {
  readonly index: number;
  readonly device: BlockDevice;
  readonly claim: BlockClaim | null;
  readonly labelOffset: number;
  readonly bitmapOffset: number;
  /** Stops listening to the device. */
  unwatch: () => void = () => {};
  /** Whom its reads come back to: the driver of this channel. */
  owner: WholeOwner | null = null;
  #reads: WholeRequests | null = null;

  constructor(index: number, device: BlockDevice, claim: BlockClaim | null, sizeBytes: number) {
    this.index = index;
    this.device = device;
    this.claim = claim;
    this.labelOffset = labelOffset(sizeBytes);
    this.bitmapOffset = bitmapOffset(sizeBytes);
  }

  /** Reads that are the whole of their parents. */
  get reads(): WholeRequests {
    this.#reads ??= new WholeRequests(this.device, this.claim, this.owner as WholeOwner);
    return this.#reads;
  }

  /** That of a parent, if it is one of these reads. */
  readOf(parent: BlockIo): BlockIo | undefined {
    return this.#reads?.of(parent);
  }
}

/** A component of a raid, as one channel sees it: which device it is can change. */
export class RaidMember {
  readonly index: number;
  /** Null where it is missing. */
  slot: RaidSlot | null;
  /** Why it has failed. */
  reason: string | null;

  constructor(index: number, slot: RaidSlot | null, reason: string | null) {
    this.index = index;
    this.slot = slot;
    this.reason = reason;
  }
}
