import { BLOCK_FLUSH, type BlockIo, type BlockOperation } from '@biodone/blockdev';
import type { SeededRandom } from './random.js';

/** What goes wrong. */
export type FaultAction =
  /** The request fails, and reaches nothing. EAGAIN makes the generic layer try again. */
  | { readonly kind: 'error'; readonly errno: number }
  /** It starts only after so many milliseconds of the device's timers. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** It completes only when somebody aborts it, with ECANCELED; in the synchronous way it fails with ETIMEDOUT. */
  | { readonly kind: 'never' }
  /** Bits of what is read or written flip: those of `mask` (by default all) in `lengthBytes` (1) bytes from `position` (0) on. */
  | { readonly kind: 'corrupt'; readonly position?: number; readonly lengthBytes?: number; readonly mask?: number }
  /** A write stops after so many sectors (of 512 bytes), with an error or, without `errno`, silently. */
  | { readonly kind: 'torn'; readonly sectors: number; readonly sectorBytes?: number; readonly errno?: number }
  /** It goes to an offset that is so much higher, or lower. */
  | { readonly kind: 'misdirected'; readonly byBytes: number }
  /** It is reported as done, and was not done. */
  | { readonly kind: 'lost' };

/** Which requests a fault befalls, and how often. */
export interface FaultRule {
  readonly action: FaultAction;
  /** Which operations. @default all */
  readonly operations?: readonly BlockOperation[];
  /** Requests that touch a byte from here on. @default 0 */
  readonly fromOffset?: number;
  /** Requests that touch a byte before this one. @default the end */
  readonly beforeOffset?: number;
  /** How many requests that match are let pass first: n - 1 for the n-th. @default 0 */
  readonly skip?: number;
  /** How often it happens; Infinity for ever. @default 1 */
  readonly times?: number;
  /** Decides besides, for each request that fits and is its turn, whether it happens. */
  readonly when?: (io: BlockIo) => boolean;
  /** In which share of the cases it happens, by the device's seed. @default 1 */
  readonly probability?: number;
}

/** A rule that is in force: it tells what it did, and can be taken back. */
export class ActiveFault {
  readonly rule: FaultRule;
  /** How many requests it fits. */
  matched = 0;
  /** How often it has happened. */
  fired = 0;
  readonly #remove: (fault: ActiveFault) => void;

  /** @internal */
  constructor(rule: FaultRule, remove: (fault: ActiveFault) => void) {
    this.rule = rule;
    this.#remove = remove;
  }

  /** Takes the rule back. What has happened stays. Idempotent. */
  remove(): void {
    this.#remove(this);
  }

  /** Whether it happens to this request. @internal */
  strikes(io: BlockIo, random: SeededRandom): boolean {
    const { skip = 0, times = 1, probability = 1, when } = this.rule;
    if (!this.#fits(io)) return false;
    this.matched += 1;
    if (this.matched <= skip || this.fired >= times) return false;
    if (when !== undefined && !when(io)) return false;
    if (probability < 1 && !random.chance(probability)) return false;
    this.fired += 1;
    return true;
  }

  #fits({ operation, offset, lengthBytes }: BlockIo): boolean {
    const { operations, fromOffset = 0, beforeOffset = Number.POSITIVE_INFINITY } = this.rule;
    if (operations !== undefined && !operations.includes(operation)) return false;
    if (operation === BLOCK_FLUSH) return true;
    return offset < beforeOffset && offset + Math.max(lengthBytes, 1) > fromOffset;
  }
}
