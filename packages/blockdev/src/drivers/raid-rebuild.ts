import type { BlockTimers } from '../batch-clock.js';
import type { RaidDriver } from './raid-driver.js';
import { COMPONENT_REBUILDING } from './raid-label.js';
import type { RaidMember, RaidSlot } from './raid-member.js';
import type { RaidSet } from './raid-set.js';
import { flushSlot } from './raid-stable.js';
import type { RaidStripe } from './raid-stripe.js';
import { RaidWalk, type RaidWalkOptions, walkError } from './raid-walk.js';

/** After which part of all rows the labels say how far it is, and at most after how much. */
const CHECKPOINT_PARTS = 16;
const CHECKPOINT_BYTES = 256 * 2 ** 20;

/**
 * Makes the contents of a component of all the others, row by row. Rows that are done count as the component's at once: they are read from it and
 * written to it. The labels say now and then how many are stable, and there the next opening goes on.
 */
export class RaidRebuild extends RaidWalk {
  readonly member: RaidMember;
  readonly #slot: RaidSlot;
  readonly #checkpointRows: number;
  #checkpointAt: number;

  constructor(driver: RaidDriver, set: RaidSet, member: RaidMember, timers: BlockTimers, options: RaidWalkOptions) {
    super('rebuild', driver, set, timers, options);
    const { rows, stripeBytes } = set.geometry;
    this.member = member;
    this.#slot = member.slot as RaidSlot;
    this.row = set.state.rowsOf(member.index);
    this.doneRows = this.row;
    this.#checkpointRows = Math.max(1, Math.min(Math.ceil(rows / CHECKPOINT_PARTS), Math.floor(CHECKPOINT_BYTES / stripeBytes)));
    this.#checkpointAt = this.row + this.#checkpointRows;
  }

  loaded(error: number): void {
    if (error !== 0) {
      const what = this.set.isUnknown(this.row)
        ? 'its parity is not known to be right, since the power failed or a component did in the middle of a write'
        : 'more than one component cannot be read';
      this.rowDone(walkError('rebuild', error, `row ${this.row} cannot be reconstructed: ${what}`));
    } else if (!this.#isWanted()) this.#stop();
    else this.stripe?.rebuild(this.set.geometry.columnOf(this.row, this.member.index));
  }

  stored(): void {
    // If that has failed, the component is taken out.
    if (!this.#isWanted()) {
      this.#stop();
      return;
    }
    this.set.state.setRows(this.member.index, this.row + 1);
    this.rowDone();
  }

  marked(): void {}

  protected work(stripe: RaidStripe): void {
    if (!this.#isWanted()) this.#stop();
    else stripe.load(1 << this.set.geometry.columnOf(this.row, this.member.index), 0, this.set.geometry.stripeBytes);
  }

  protected next(row: number): number {
    return row;
  }

  protected override pause(goOn: () => void): void {
    this.set.changed();
    if (this.row < this.#checkpointAt || this.row >= this.set.geometry.rows) goOn();
    else this.checkpoint(goOn);
  }

  /** Has the labels say how far it is. */
  checkpoint(done: () => void): void {
    const { row } = this;
    this.#checkpointAt = row + this.#checkpointRows;
    flushSlot(this.set, this.#slot, (error) => {
      if (error !== 0) this.set.takeOut(this.member, this.#slot, `a flush failed: errno ${error}`);
      if (!this.#isWanted()) {
        done();
        return;
      }
      this.set.state.setStableRows(this.member.index, row);
      this.set.state.touch();
      this.driver.metadata.whenSaved(done);
    });
  }

  /** The component counts as good only when all of it is stable, and the labels say so. */
  protected complete(done: (error: Error | null) => void): void {
    flushSlot(this.set, this.#slot, (error) => {
      if (error !== 0) this.set.takeOut(this.member, this.#slot, `a flush failed: errno ${error}`);
      if (!this.#isWanted() || !this.set.becomeGood(this.member)) {
        done(this.#failure());
        return;
      }
      this.driver.metadata.whenSaved((unsaved) => {
        done(unsaved === 0 ? null : walkError('rebuild', unsaved, 'the labels could not be written'));
      });
    });
  }

  #isWanted(): boolean {
    const { member, set } = this;
    return !this.cancelled && member.slot === this.#slot && set.state.stateOf(member.index) === COMPONENT_REBUILDING;
  }

  #stop(): void {
    this.rowDone(this.cancelled ? null : this.#failure());
  }

  #failure(): Error {
    return walkError('rebuild', 0, `the component has failed: ${this.member.reason ?? 'it was taken out'}`);
  }
}
