import type { BlockTimers } from '../batch-clock.js';
import type { RaidDriver } from './raid-driver.js';
import type { RaidSet } from './raid-set.js';
import type { RaidStripe } from './raid-stripe.js';
import { RaidWalk, type RaidWalkOptions, walkError } from './raid-walk.js';

/** What a scrub has found. */
export interface RaidScrubResult {
  readonly rows: number;
  /** How many rows had a parity that did not go with their data, and has been made anew. */
  readonly mismatches: number;
  /** How many places could not be read, and have been written back from the others. */
  readonly repaired: number;
  /** How many rows have more such places than the others can make up for. Reads of them fail. */
  readonly unreadable: number;
}

/** What looks at the parity, and makes it right. */
abstract class ParityWalk extends RaidWalk {
  mismatches = 0;
  unreadable = 0;

  protected abstract wanted(stripe: RaidStripe): number;
  protected abstract isRight(stripe: RaidStripe): boolean;

  protected work(): void {
    this.region = this.set.regionOf(this.row);
    // It writes, so the bit of its region is to be set: a crash may leave half of a parity.
    if (this.set.state.enterRegion(this.region)) this.marked(0);
    else this.driver.metadata.mark(this);
  }

  marked(error: number): void {
    const { stripe } = this;
    if (error !== 0 || stripe === null) this.#leave(walkError(this.name, error, 'the bitmap could not be written'));
    else stripe.load(this.wanted(stripe), 0, this.set.geometry.stripeBytes);
  }

  loaded(error: number): void {
    const stripe = this.stripe as RaidStripe;
    if (error !== 0) {
      this.unreadable += 1;
      this.#leave(null);
    } else if (this.isRight(stripe)) this.#leave(null);
    else {
      const { stripeBytes } = this.set.geometry;
      this.mismatches += 1;
      stripe.store(stripe.parityBit, 0, 0, 0, stripeBytes, 0, true);
    }
  }

  stored(error: number): void {
    this.#leave(error === 0 ? null : walkError(this.name, error, 'the parity could not be written'));
  }

  #leave(failure: Error | null): void {
    this.set.state.leaveRegion(this.region);
    this.rowDone(failure);
  }
}

/** Reads all of a raid, its parity too, and repairs what is wrong: what cannot be read, and parity that does not go with the data. */
export class RaidScrub extends ParityWalk {
  readonly #repairedBefore: number;

  constructor(driver: RaidDriver, set: RaidSet, timers: BlockTimers, options: RaidWalkOptions) {
    super('scrub', driver, set, timers, options);
    this.#repairedBefore = set.state.repaired;
  }

  get result(): RaidScrubResult {
    const { doneRows, mismatches, unreadable } = this;
    return { rows: doneRows, mismatches, repaired: this.set.state.repaired - this.#repairedBefore, unreadable };
  }

  protected wanted(stripe: RaidStripe): number {
    return stripe.dataBits | stripe.parityBit;
  }

  protected isRight(stripe: RaidStripe): boolean {
    return stripe.isConsistent();
  }

  protected next(row: number): number {
    return row;
  }

  protected complete(done: (error: Error | null) => void): void {
    done(null);
  }
}

/** Makes the parity of those regions anew of which it is not known: what was being written when the power failed, or all of a new array. */
export class RaidResync extends ParityWalk {
  readonly #failed = new Set<number>();
  #region = -1;

  constructor(driver: RaidDriver, set: RaidSet, timers: BlockTimers, options: RaidWalkOptions) {
    super('resync', driver, set, timers, options);
    this.totalRows = Math.min(set.geometry.rows, set.state.countUnknown() * set.identity.regionRows);
  }

  protected wanted(stripe: RaidStripe): number {
    return stripe.dataBits;
  }

  protected isRight(): boolean {
    return false;
  }

  protected next(row: number): number {
    const { set } = this;
    const { regionRows } = set.identity;
    let region = Math.floor(row / regionRows);
    if (this.unreadable > 0) {
      this.#failed.add(this.#region);
      this.unreadable = 0;
    }
    if (this.#region === region && row < set.geometry.rows) return row;
    if (this.#region >= 0) {
      if (!this.#failed.has(this.#region)) set.state.setUnknown(this.#region, false);
      region = this.#region + 1;
    }
    while (region < set.state.regions && !set.state.isUnknown(region)) region += 1;
    this.#region = region < set.state.regions ? region : -1;
    return Math.min(set.geometry.rows, region * regionRows);
  }

  protected complete(done: (error: Error | null) => void): void {
    done(this.#failed.size === 0 ? null : walkError('resync', 0, 'some rows cannot be read: their parity is still not known'));
  }
}
