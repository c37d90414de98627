import type { BlockTimers } from '../batch-clock.js';
import type { RaidSlot } from './raid-member.js';
import type { RaidMetadata } from './raid-metadata.js';
import type { RaidSet } from './raid-set.js';
import { flushSlot } from './raid-stable.js';
import { REGION_MARKED, REGION_TO_CLEAR } from './raid-state.js';

/**
 * Clears the bits of regions that nobody has written to for a while, after a flush: what was written there is stable on all components then. It
 * looks every now and then, as long as there are bits; for all channels.
 */
export class RaidCleaner {
  readonly #set: RaidSet;
  readonly #metadata: RaidMetadata;
  readonly #timers: BlockTimers;
  readonly #delayMs: number;
  #cancelTimer: (() => void) | null = null;
  #stopped = false;
  #busy = false;

  constructor(set: RaidSet, metadata: RaidMetadata, timers: BlockTimers, delayMs: number) {
    this.#set = set;
    this.#metadata = metadata;
    this.#timers = timers;
    this.#delayMs = delayMs;
  }

  start(): void {
    if (this.#stopped) return;
    // Nobody waits for it, and no process need.
    this.#cancelTimer ??= this.#timers.after(this.#delayMs, () => this.#look(), false);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #look(): void {
    this.#cancelTimer = null;
    const { state } = this.#set;
    if (!this.#busy && !this.#set.isBroken && !this.#set.inThread) {
      const quiet: number[] = [];
      for (let region = 0; region < state.regions; region++) {
        if (state.markOf(region) !== REGION_MARKED || state.isUnknown(region)) continue;
        // One that was written to since the last look is left for the next.
        if (!state.isWritten(region)) quiet.push(region);
        else state.forgetWrites(region);
      }
      if (quiet.length > 0) this.#flush(quiet);
    }
    this.start();
  }

  #flush(quiet: readonly number[]): void {
    const members = this.#set.inUse();
    let left = members.length;
    let failed = false;
    this.#busy = true;
    for (const member of members) {
      const { slot } = member;
      if (slot === null) continue;
      flushSlot(this.#set, slot, (error) => {
        if (error !== 0 && !this.#set.takeOut(member, slot, `a flush failed: errno ${error}`)) failed = true;
        left -= 1;
        if (left > 0) return;
        this.#busy = false;
        if (!failed && !this.#stopped) clearQuiet(this.#set, this.#metadata, quiet);
      });
    }
  }
}

/**
 * Clears all bits before the end: all is stable, and all components go together.
 *
 * @returns the errno with which that failed, or 0
 */
export async function makeClean(set: RaidSet, metadata: RaidMetadata): Promise<number> {
  const { state } = set;
  let failure = 0;
  if (set.untouched) return 0;
  const marked = Array.from({ length: state.regions }, (_, region) => region).filter(
    (region) => state.markOf(region) === REGION_MARKED,
  );
  // Before the flush: it does not cover what another channel writes after it.
  for (const region of marked) state.forgetWrites(region);
  await Promise.all(
    set.inUse().map(async (member) => {
      const slot = member.slot as RaidSlot;
      const error = await new Promise<number>((resolve) => flushSlot(set, slot, resolve));
      if (error !== 0 && !set.takeOut(member, slot, `the last flush failed: errno ${error}`)) failure = error;
    }),
  );
  if (failure === 0 && !state.isBroken) {
    clearQuiet(set, metadata, marked);
    if (marked.length > 0) state.touch();
  }
  const unsaved = await new Promise<number>((resolve) => metadata.whenSaved(resolve));
  return failure || unsaved;
}

/** Has the bits cleared of regions that nobody writes to. Who begins now finds that out, and has the bit set again. */
function clearQuiet(set: RaidSet, metadata: RaidMetadata, regions: readonly number[]): void {
  const { state } = set;
  const cleared = regions.filter((region) => {
    if (state.isUnknown(region) || state.isWritten(region)) return false;
    if (!state.setMark(region, REGION_MARKED, REGION_TO_CLEAR)) return false;
    // Pairs with the add in enterRegion(): one of the two sees the other.
    if (!state.isWritten(region)) return true;
    state.setMark(region, REGION_TO_CLEAR, REGION_MARKED);
    return false;
  });
  if (cleared.length > 0) metadata.clear(cleared);
}
