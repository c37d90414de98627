import type { BlockTimers } from '@biodone/blockdev';

const resolved = Promise.resolve();

/** A time at which something is to happen to a target, again and again for as long as it lives. */
export class Alarm<T> {
  readonly target: T;
  /** Told when the time has come. */
  ring: ((target: T) => void) | null = null;
  /** In milliseconds of the queue's clock. To be set before it is set; a field, as a number that is passed on can be an object. */
  dueMs = 0.5;
  /** Those of one time ring in the order in which they were set. */
  order = 0;
  /** Which queue it is in, and where. */
  queue: object | null = null;
  place = 0;

  constructor(target: T) {
    this.target = target;
  }
}

/**
 * The alarms of a pool, soonest first. One timer of the thread stands for all of them; who does not return to the event loop calls {@link run}. They are a
 * binary heap: setting and stopping one takes at most log2(n) steps, whatever order the times come in, and one or two if they rise.
 */
export class AlarmQueue<T> {
  readonly #timers: BlockTimers;
  readonly #heap: Alarm<T>[] = [];
  readonly #wake = (): void => {
    this.#cancelWake = null;
    this.run();
  };
  readonly #rest = (): void => {
    this.#resting = false;
    if (this.#heap.length > 0) return;
    this.#cancelWake?.();
    this.#cancelWake = null;
  };
  #cancelWake: (() => void) | null = null;
  #wakeAtMs = 0.5;
  #set = 0;
  /** Whether {@link #rest} is to come. */
  #resting = false;

  constructor(timers: BlockTimers) {
    this.#timers = timers;
  }

  get length(): number {
    return this.#heap.length;
  }

  /** When the next one is due, in milliseconds of the clock; Infinity if none is. */
  get dueMs(): number {
    return this.#heap[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** Sets an alarm, which never rings in here, for its time, which is not Infinity. */
  set(alarm: Alarm<T>, ring: (target: T) => void): void {
    alarm.ring = ring;
    alarm.order = this.#set;
    this.#set += 1;
    alarm.queue = this;
    this.#rise(alarm, this.#heap.length);
    this.#arm();
  }

  /** Stops an alarm, if it is set. */
  stop(alarm: Alarm<T> | null): void {
    if (alarm === null || alarm.queue !== this) return;
    this.#remove(alarm);
    this.#arm();
  }

  /** Rings those whose time has come. */
  run(): void {
    const nowMs = this.#timers.now();
    for (let alarm = this.#heap[0]; alarm !== undefined && alarm.dueMs <= nowMs; alarm = this.#heap[0]) {
      this.#remove(alarm);
      alarm.ring?.(alarm.target);
    }
    this.#arm();
  }

  /** Sees to it that the thread's timer comes no later than the first is due. One that comes too early finds nothing, and is set again. */
  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined) {
      // The next one may come in this turn, as where one operation follows the other: a timer costs more than it does.
      if (this.#cancelWake === null || this.#resting) return;
      this.#resting = true;
      resolved.then(this.#rest);
      return;
    }
    if (this.#cancelWake !== null && this.#wakeAtMs <= first.dueMs) return;
    this.#cancelWake?.();
    this.#wakeAtMs = first.dueMs;
    const delayMs = Math.min(Math.max(0, first.dueMs - this.#timers.now()), DELAY_MAX_MS);
    this.#cancelWake = this.#timers.after(delayMs, this.#wake, true);
  }

  #remove(alarm: Alarm<T>): void {
    alarm.queue = null;
    const last = this.#heap.pop() as Alarm<T>;
    if (last === alarm) return;
    // The last one takes its place, and goes up or down from there.
    this.#rise(last, alarm.place);
    this.#sink(last);
  }

  /** Puts an alarm at a place, or where one above it is that is due later. */
  #rise(alarm: Alarm<T>, from: number): void {
    let place = from;
    while (place > 0) {
      const above = this.#heap[(place - 1) >> 1] as Alarm<T>;
      if (isBefore(above, alarm)) break;
      this.#put(above, place);
      place = (place - 1) >> 1;
    }
    this.#put(alarm, place);
  }

  #sink(alarm: Alarm<T>): void {
    for (;;) {
      const left = 2 * alarm.place + 1;
      // Not both at once by a pattern: that makes an array.
      const one = this.#heap[left];
      if (one === undefined) return;
      const other = left + 1 < this.#heap.length ? (this.#heap[left + 1] as Alarm<T>) : one;
      const next = isBefore(other, one) ? other : one;
      if (isBefore(alarm, next)) return;
      const { place } = next;
      this.#put(next, alarm.place);
      this.#put(alarm, place);
    }
  }

  #put(alarm: Alarm<T>, place: number): void {
    this.#heap[place] = alarm;
    alarm.place = place;
  }
}

function isBefore<T>(one: Alarm<T>, other: Alarm<T>): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order);
}

/** The longest that setTimeout can; what is due later is looked at in between. */
export const DELAY_MAX_MS: number = 2 ** 31 - 1;
