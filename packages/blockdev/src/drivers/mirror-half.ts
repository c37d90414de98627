import type { BlockDevice } from '../block-device.js';
import type { BlockClaim } from '../claims.js';
import type { HalfState } from './mirror-assembly.js';
import { labelOffset } from './mirror-label.js';

/** One of the devices that hold the same data. */
export class MirrorHalf {
  readonly index: number;
  /** Null where a half is missing. */
  readonly device: BlockDevice | null;
  readonly claim: BlockClaim | null;
  state: HalfState;
  /** Why it has failed. */
  reason: string | null;
  /** Where its label is: it stays there, should the device grow. */
  readonly labelOffset: number;
  /** How many requests to it are under way. */
  inFlight = 0;
  /** Where the last read ended, for halves where distance costs time. */
  readEnd = 0;
  /** Stops listening to the device. */
  unwatch: () => void = () => {};

  constructor(index: number, device: BlockDevice | null, claim: BlockClaim | null, state: HalfState, reason: string | null) {
    this.index = index;
    this.device = device;
    this.claim = claim;
    this.labelOffset = labelOffset(device?.limits.sizeBytes ?? 0);
    this.state = state;
    this.reason = reason;
  }

  /** Its bit in a set of halves. */
  get bit(): number {
    return 1 << this.index;
  }

  /** Whether writes go to it. */
  get inUse(): boolean {
    return this.state !== 'failed';
  }

  /** Whether it has all that has been made stable. */
  get isComplete(): boolean {
    return this.state === 'good' || this.state === 'syncing';
  }
}
