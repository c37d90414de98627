import { TailQueue, type TailQueueEntry } from '@biodone/sync';
import { beginSubmit, endSubmit } from './biodone.js';

/** Who wants a range for itself. */
export interface RangeEntry extends TailQueueEntry {
  begin: number;
  end: number;
  /** It has waited, and has the range now. */
  entered(): void;
}

/**
 * Lets those that overlap have their ranges one after the other, in the order in which they came. Two writes of the same bytes to two disks
 * could otherwise end in one order here and in the other there, and the disks would differ for ever.
 */
export class RangeQueue {
  readonly #active = new TailQueue<RangeEntry>();
  readonly #waiting = new TailQueue<RangeEntry>();
  #admitting = false;

  /** True if the entry has its range; otherwise it waits, and is told by `entered`. */
  enter(entry: RangeEntry): boolean {
    if (overlaps(this.#active, entry) || overlaps(this.#waiting, entry)) {
      this.#waiting.insertTail(entry);
      return false;
    }
    this.#active.insertTail(entry);
    return true;
  }

  /** Gives a range back. Who has waited for it is told before this returns; completions that come of that are told later. */
  leave(entry: RangeEntry): void {
    this.#active.remove(entry);
    this.#admitLater();
  }

  /** Takes an entry out that waits. False if it does not. */
  cancel(entry: RangeEntry): boolean {
    if (entry.queue !== this.#waiting) return false;
    this.#waiting.remove(entry);
    this.#admitLater();
    return true;
  }

  /** Whether somebody has a part of this range, or waits for one: for those that cannot wait. */
  isTaken(range: RangeEntry): boolean {
    return overlaps(this.#active, range) || overlaps(this.#waiting, range);
  }

  #admitLater(): void {
    if (this.#waiting.isEmpty || this.#admitting) return;
    this.#admitting = true;
    beginSubmit();
    try {
      this.#admit();
    } finally {
      endSubmit();
      this.#admitting = false;
    }
  }

  #admit(): void {
    for (let entry = this.#next(); entry !== null; entry = this.#next()) {
      this.#waiting.remove(entry);
      this.#active.insertTail(entry);
      // It may leave at once, which lets others in: so the search begins anew.
      entry.entered();
    }
  }

  /** The first in line whose range nobody has, and nobody before it wants. */
  #next(): RangeEntry | null {
    for (let entry = this.#waiting.first; entry !== null; entry = this.#waiting.next(entry)) {
      if (!overlaps(this.#active, entry) && !overlaps(this.#waiting, entry, entry)) return entry;
    }
    return null;
  }
}

/** Whether one of them, up to `before`, has a byte of this range. */
function overlaps(entries: TailQueue<RangeEntry>, { begin, end }: RangeEntry, before: RangeEntry | null = null): boolean {
  for (let other = entries.first; other !== null && other !== before; other = entries.next(other)) {
    if (begin < other.end && other.begin < end) return true;
  }
  return false;
}
