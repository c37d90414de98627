import { IoBuffer } from '@biodone/uring';
import type { BlockTimers } from '../batch-clock.js';
import { beginSubmit, biodone, endSubmit } from '../biodone.js';
import type { BlockIo } from '../block-io.js';
import { LOOK_AT_OTHERS_MS } from '../shared-state.js';
import { encodeBitmap } from './raid-bitmap-block.js';
import { BITMAP_BYTES, encodeLabel, LABEL_BYTES } from './raid-label.js';
import type { RaidMember, RaidSlot } from './raid-member.js';
import type { RaidSet } from './raid-set.js';
import { labelOf, writeStable } from './raid-stable.js';
import { REGION_CLEAN, REGION_MARKED, REGION_TO_CLEAR, REGION_TO_MARK } from './raid-state.js';

/** Who waits for the bit of a region. */
export interface MarkWaiter {
  readonly region: number;
  marked(error: number): void;
}

/**
 * Writes the labels and the write-intent bitmap, on all components in use. No write begins before the bit of its region is stable on all of
 * them: so a crash leaves the bit of whatever may be on some components only. No write is told to be done before the labels say, stably,
 * which component lacks it. What is asked for while a round is under way goes into the next one.
 */
export class RaidMetadata {
  readonly #set: RaidSet;
  readonly #timers: BlockTimers;
  /** Requests that are done but for the labels, and others who wait for those. */
  readonly #held: BlockIo[] = [];
  readonly #waiting: ((error: number) => void)[] = [];
  readonly #marking: MarkWaiter[] = [];
  /** Regions whose bits are to be written; those that this round sets, and those that it clears. */
  #asked: number[] = [];
  #setting: number[] = [];
  #clearing: number[] = [];
  #running = false;
  #again = false;
  #outstanding = 0;
  #error = 0;
  #version = 0;
  #cancelRetry: (() => void) | null = null;

  constructor(set: RaidSet, timers: BlockTimers) {
    this.#set = set;
    this.#timers = timers;
  }

  get isRunning(): boolean {
    return this.#running;
  }

  /** Whether another thread has what is needed here. */
  get isWaiting(): boolean {
    return this.#cancelRetry !== null;
  }

  /** Completes a request as soon as the labels are what they have to be. */
  complete(io: BlockIo, error: number): void {
    if (error !== 0 || this.#set.isSaved) {
      biodone(io, error);
      return;
    }
    this.#held.push(io);
    this.save();
  }

  /** Calls back when the labels say how things are, or cannot be written. */
  whenSaved(callback: (error: number) => void): void {
    if (this.#set.isSaved) {
      callback(0);
      return;
    }
    this.#waiting.push(callback);
    this.save();
  }

  /** Has the bit of a region set that is not; see {@link RaidState.enterRegion}. */
  mark(waiter: MarkWaiter): void {
    const { state } = this.#set;
    const { region } = waiter;
    if (state.setMark(region, REGION_CLEAN, REGION_TO_MARK) || state.setMark(region, REGION_TO_CLEAR, REGION_TO_MARK)) {
      this.#asked.push(region);
    }
    if (state.markOf(region) === REGION_MARKED) {
      waiter.marked(0);
      return;
    }
    this.#marking.push(waiter);
    this.save();
  }

  /** Takes back somebody who waits for a bit. */
  cancelMark(waiter: MarkWaiter): boolean {
    const index = this.#marking.indexOf(waiter);
    if (index < 0) return false;
    this.#marking.splice(index, 1);
    return true;
  }

  /** Has bits cleared: of regions that are REGION_TO_CLEAR. */
  clear(regions: readonly number[]): void {
    this.#asked.push(...regions);
    this.save();
  }

  /** Begins a round, now or when the one that is under way has ended. */
  save(): void {
    if (this.#running) {
      this.#again = true;
      return;
    }
    const { state } = this.#set;
    if (this.#cancelRetry !== null) return;
    // The thread that has it needs nothing of this one.
    while (this.#set.inThread && !state.lockLabels()) this.#timers.sleep(LOOK_AT_OTHERS_MS);
    if (!this.#set.inThread && !state.lockLabels()) {
      this.#cancelRetry = this.#timers.after(LOOK_AT_OTHERS_MS, () => this.retry(), true);
      return;
    }
    this.#running = true;
    this.#begin();
  }

  /** Tries again what another thread kept from going on: by the timer, or for a thread that does not return to its event loop. */
  retry(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.save();
  }

  #begin(): void {
    const { state, identity } = this.#set;
    this.#again = false;
    this.#error = 0;
    this.#version = state.version;
    const round = new Set(this.#asked.splice(0));
    // The thread that was to set a bit may have ended before it did.
    for (const { region } of this.#marking) round.add(region);
    // What is decided here stays so for the round: a region that is marked from now on is set by the next one, whatever this one writes of it.
    this.#setting = [...round].filter((region) => state.markOf(region) === REGION_TO_MARK);
    this.#clearing = [...round].filter((region) => state.markOf(region) === REGION_TO_CLEAR);
    const members = this.#set.inUse();
    const isUnsaved = !state.isSaved;
    const isMarked = (region: number): boolean => {
      const mark = state.markOf(region);
      return mark === REGION_TO_MARK || mark === REGION_MARKED || state.isUnknown(region);
    };
    // A component that has come has no bitmap yet.
    const bitmap = isUnsaved || round.size > 0 ? IoBuffer.allocate(BITMAP_BYTES) : null;
    if (bitmap !== null) encodeBitmap(identity.uuid, state.regions, isMarked, bitmap.bytes);
    const generation = isUnsaved ? state.nextGeneration() : 0;
    // One more, so that it does not end before all have begun.
    this.#outstanding = 1;
    beginSubmit();
    try {
      for (const member of members) {
        const slot = member.slot as RaidSlot;
        if (bitmap !== null) this.#write(member, slot, slot.bitmapOffset, bitmap);
        if (!isUnsaved) continue;
        const block = IoBuffer.allocate(LABEL_BYTES);
        encodeLabel(labelOf(this.#set, member.index, generation), block.bytes);
        this.#write(member, slot, slot.labelOffset, block);
      }
    } finally {
      endSubmit();
    }
    this.#partDone();
  }

  #write(member: RaidMember, slot: RaidSlot, offset: number, buffer: IoBuffer): void {
    this.#outstanding += 1;
    writeStable(this.#set, slot, offset, buffer, (error) => {
      if (error !== 0 && !this.#set.takeOut(member, slot, `its label could not be written: errno ${error}`)) this.#error = error;
      this.#partDone();
    });
  }

  #partDone(): void {
    this.#outstanding -= 1;
    if (this.#outstanding > 0) return;
    const { state } = this.#set;
    const error = this.#error;
    if (error === 0) state.setSaved(this.#version);
    if (error === 0) for (const region of this.#setting) state.setMark(region, REGION_TO_MARK, REGION_MARKED);
    // One that somebody has marked again meanwhile is not, and goes into the next round.
    for (const region of this.#clearing) state.setMark(region, REGION_TO_CLEAR, REGION_CLEAN);
    state.unlockLabels();
    this.#running = false;
    this.#tellMarked(error);
    if (error !== 0) this.#tell(error);
    else if (state.isSaved) this.#tell(0);
    if (this.#again || this.#held.length > 0 || this.#waiting.length > 0 || this.#asked.length > 0 || this.#marking.length > 0) {
      this.save();
    }
  }

  #tellMarked(error: number): void {
    const { state } = this.#set;
    for (const waiter of this.#marking.splice(0)) {
      if (state.markOf(waiter.region) === REGION_MARKED) waiter.marked(0);
      else if (error !== 0) waiter.marked(error);
      else this.mark(waiter);
    }
  }

  #tell(error: number): void {
    const held = this.#held.splice(0);
    const waiting = this.#waiting.splice(0);
    // By the queue of done requests: none may keep the others from being told.
    beginSubmit();
    try {
      for (const io of held) biodone(io, error);
    } finally {
      endSubmit();
    }
    for (const callback of waiting) callback(error);
  }
}
