import { bucketOf, GhostLines } from './cache-ghosts.js';

/** No slot. */
export const NO_SLOT = -1;

/** In which list a slot is. */
const NOWHERE = 0;
const SMALL = 1;
const MAIN = 2;
const DIRTY = 3;

/** Which share of the clean lines is on probation: the paper's tenth. */
const SMALL_SHARE = 0.1;
/** In place of a line: of a slot that nobody finds any more, and that is not free before those are done who use it. */
const DROPPED = -2;
/** Beyond this a line's hits are not counted. */
const HITS_MAX = 3;

/**
 * Which line of the cached device is in which slot of the cache, which of them are dirty, and which one has to go.
 *
 * The policy is S3-FIFO (Yang et al., SOSP 2023): a new line is on probation in a small queue and leaves it soon unless it is used again, so
 * that a scan does not displace what is in use; a line that comes back shortly after it has left goes to the main queue at once. A hit moves nothing:
 * it counts. Dirty lines are in a queue of their own, in the order in which they became dirty, and cannot be displaced.
 *
 * All of it is in typed arrays, made once: nothing is allocated afterwards.
 */
export class CacheIndex {
  readonly slots: number;
  /** How many lines are dirty, or on their way to the device below. */
  unclean = 0;
  /** How many clean lines have been displaced. */
  evictions = 0;
  readonly #lines: Float64Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #list: Uint8Array;
  /** To which queue a line goes back when it is clean. */
  readonly #home: Uint8Array;
  readonly #hits: Uint8Array;
  readonly #writing: Uint8Array;
  /** Whether what a line holds is in the log. */
  readonly #logged: Uint8Array;
  /** When a dirty line became so: a count. */
  readonly #dirtiedAt: Float64Array;
  /** How many use what is in a slot, and whether it is to stay although it is clean; null where nobody does. */
  readonly #pins: Int32Array | null;
  readonly #kept: Uint8Array | null;
  /** The hash table: the first slot of each bucket, and the one behind each slot. */
  readonly #buckets: Int32Array;
  readonly #chain: Int32Array;
  readonly #mask: number;
  readonly #heads: Int32Array = new Int32Array(4).fill(NO_SLOT);
  readonly #tails: Int32Array = new Int32Array(4).fill(NO_SLOT);
  readonly #counts: Int32Array = new Int32Array(4);
  readonly #ghosts: GhostLines;
  readonly #smallTarget: number;
  #freeHead = 0;
  #free: number;
  #dirtyCount = 0;

  /** @param pins whether what is in a slot is used for a while: {@link pin}, {@link keep}, {@link adopt} */
  constructor(slots: number, pins = false) {
    this.slots = slots;
    this.#pins = pins ? new Int32Array(slots) : null;
    this.#kept = pins ? new Uint8Array(slots) : null;
    this.#lines = new Float64Array(slots).fill(-1);
    this.#next = new Int32Array(slots);
    this.#previous = new Int32Array(slots).fill(NO_SLOT);
    this.#list = new Uint8Array(slots);
    this.#home = new Uint8Array(slots);
    this.#hits = new Uint8Array(slots);
    this.#writing = new Uint8Array(slots);
    this.#logged = new Uint8Array(slots);
    this.#dirtiedAt = new Float64Array(slots);
    const buckets = 2 ** Math.ceil(Math.log2(2 * slots));
    this.#buckets = new Int32Array(buckets).fill(NO_SLOT);
    this.#chain = new Int32Array(slots);
    this.#mask = buckets - 1;
    this.#ghosts = new GhostLines(slots);
    this.#smallTarget = Math.max(1, Math.floor(slots * SMALL_SHARE));
    // The free slots are a stack on the same links as the queues.
    for (let slot = 0; slot < slots; slot++) this.#next[slot] = slot + 1 < slots ? slot + 1 : NO_SLOT;
    this.#free = slots;
  }

  /** How many slots hold a line, or are taken for one. */
  get used(): number {
    return this.slots - this.#free;
  }

  /** Whether there is a slot for one more line: a free one, or one whose line is clean. */
  get hasSlot(): boolean {
    return this.#free > 0 || (this.#counts[SMALL] as number) + (this.#counts[MAIN] as number) > 0;
  }

  /** How many lines wait to be written back. */
  get dirty(): number {
    return this.#counts[DIRTY] as number;
  }

  /** The slot of a line that is there; {@link NO_SLOT} if it is not. */
  find(line: number): number {
    let slot = this.#buckets[bucketOf(line, this.#mask)] as number;
    while (slot !== NO_SLOT && this.#lines[slot] !== line) slot = this.#chain[slot] as number;
    return slot;
  }

  /** Counts a hit. */
  touch(slot: number): void {
    const hits = this.#hits[slot] as number;
    if (hits < HITS_MAX) this.#hits[slot] = hits + 1;
  }

  lineOf(slot: number): number {
    return this.#lines[slot] as number;
  }

  isDirty(slot: number): boolean {
    return this.#list[slot] === DIRTY;
  }

  isWriting(slot: number): boolean {
    return this.#writing[slot] !== 0;
  }

  /** Whether what a line holds is in the log. Whoever changes the line makes that untrue. */
  isLogged(slot: number): boolean {
    return this.#logged[slot] !== 0;
  }

  setLogged(slot: number, logged: boolean): void {
    this.#logged[slot] = logged ? 1 : 0;
  }

  /** Whether the device below may not have what a line holds. */
  isUnclean(slot: number): boolean {
    return this.#list[slot] === DIRTY || this.#writing[slot] !== 0;
  }

  /** Takes a slot for a line that is not there, and is found only after {@link publish}; {@link NO_SLOT} if all are in use. */
  reserve(): number {
    if (this.#free === 0) return this.#evict();
    const slot = this.#freeHead;
    this.#freeHead = this.#next[slot] as number;
    this.#free -= 1;
    return slot;
  }

  /** Gives a reserved slot back that is not needed after all. */
  giveBack(slot: number): void {
    this.#lines[slot] = -1;
    this.#next[slot] = this.#freeHead;
    this.#freeHead = slot;
    this.#free += 1;
  }

  /** The line is in its slot now, clean. */
  publish(slot: number, line: number): void {
    const bucket = bucketOf(line, this.#mask);
    this.#lines[slot] = line;
    this.#chain[slot] = this.#buckets[bucket] as number;
    this.#buckets[bucket] = slot;
    this.#hits[slot] = 0;
    this.#logged[slot] = 0;
    this.#home[slot] = this.#ghosts.has(line) ? MAIN : SMALL;
    this.#push(slot, this.#home[slot] as number);
  }

  /** Forgets a line that is not being written back, dirty or not. */
  drop(slot: number): void {
    const list = this.#list[slot] as number;
    this.#remove(slot);
    if (list === DIRTY) this.unclean -= 1;
    this.#unchain(slot);
    this.#lines[slot] = DROPPED;
    this.#freeDropped(slot);
  }

  /** Somebody uses what is in a slot: no other line may have it until {@link unpin}. */
  pin(slot: number): void {
    const pins = this.#pins as Int32Array;
    pins[slot] = (pins[slot] as number) + 1;
  }

  unpin(slot: number): void {
    const pins = this.#pins as Int32Array;
    pins[slot] = (pins[slot] as number) - 1;
    if (this.#lines[slot] === DROPPED) this.#freeDropped(slot);
  }

  /** No other line may have a slot until {@link unkeep}, also if its line is clean, or dropped. */
  keep(slot: number): void {
    const list = this.#list[slot];
    if (list === SMALL || list === MAIN) this.#remove(slot);
    (this.#kept as Uint8Array)[slot] = 1;
  }

  unkeep(slot: number): void {
    (this.#kept as Uint8Array)[slot] = 0;
    if (this.#lines[slot] === DROPPED) this.#freeDropped(slot);
    else if (this.#list[slot] === NOWHERE && this.#writing[slot] === 0) this.#push(slot, this.#home[slot] as number);
  }

  /** Puts a line into a slot, clean, before anything else is in the index, or was; {@link adopted} follows. False if it is somewhere already. */
  adopt(slot: number, line: number): boolean {
    if (this.find(line) !== NO_SLOT) return false;
    this.publish(slot, line);
    return true;
  }

  /** After the last line that was adopted: the other slots are free. */
  adopted(): void {
    this.#freeHead = NO_SLOT;
    this.#free = 0;
    for (let slot = this.slots - 1; slot >= 0; slot--) if ((this.#lines[slot] as number) < 0) this.giveBack(slot);
  }

  /** The line is other than it is on the device below. */
  setDirty(slot: number): void {
    this.#logged[slot] = 0;
    if (this.#list[slot] === DIRTY) return;
    if (this.#list[slot] !== NOWHERE) this.#remove(slot);
    if (this.#writing[slot] === 0) this.unclean += 1;
    this.#dirtyCount += 1;
    this.#dirtiedAt[slot] = this.#dirtyCount;
    this.#push(slot, DIRTY);
  }

  /** The line is on the device below as it is here. It is not being written back. */
  setClean(slot: number): void {
    if (this.#list[slot] !== DIRTY) return;
    this.#remove(slot);
    this.unclean -= 1;
    this.#goHome(slot);
  }

  /** What the line holds now is on its way to the device below. Whoever changes it meanwhile makes it dirty again. */
  beginWriting(slot: number): void {
    this.#remove(slot);
    this.#writing[slot] = 1;
  }

  /** That has ended; with `failed` the line is dirty again. */
  endWriting(slot: number, failed: boolean): void {
    this.#writing[slot] = 0;
    if (this.#list[slot] === DIRTY) return;
    this.unclean -= 1;
    if (failed) {
      // It holds what it held.
      const logged = this.#logged[slot] as number;
      this.setDirty(slot);
      this.#logged[slot] = logged;
    } else {
      this.#goHome(slot);
    }
  }

  /** A count that is higher than those of all lines that are dirty now. */
  get nextCount(): number {
    return this.#dirtyCount + 1;
  }

  /** When a dirty line became so. */
  dirtiedAt(slot: number): number {
    return this.#dirtiedAt[slot] as number;
  }

  /** The line that has been dirty for the longest time; {@link NO_SLOT} if none is. */
  get oldestDirty(): number {
    return this.#tails[DIRTY] as number;
  }

  /** The dirty line that became so after this one. */
  nextDirty(slot: number): number {
    return this.#previous[slot] as number;
  }

  /** Displaces a clean line. */
  #evict(): number {
    let passed = 0;
    for (;;) {
      const small = this.#counts[SMALL] as number;
      const main = this.#counts[MAIN] as number;
      if (small === 0 && main === 0) return NO_SLOT;
      const list = small > this.#smallTarget || main === 0 ? SMALL : MAIN;
      const slot = this.#tails[list] as number;
      this.#remove(slot);
      if (this.#pins !== null && this.#pins[slot] !== 0) {
        this.#push(slot, list);
        passed += 1;
        if (passed > small + main) return NO_SLOT;
        continue;
      }
      const hits = this.#hits[slot] as number;
      if (list === SMALL && hits > 1) {
        this.#hits[slot] = 0;
        this.#home[slot] = MAIN;
        this.#push(slot, MAIN);
      } else if (list === MAIN && hits > 0) {
        this.#hits[slot] = hits - 1;
        this.#push(slot, MAIN);
      } else {
        if (list === SMALL) this.#ghosts.add(this.#lines[slot] as number);
        this.#unchain(slot);
        this.#lines[slot] = -1;
        this.evictions += 1;
        return slot;
      }
    }
  }

  /** A line that is clean is in the queue from which it can be displaced, unless it is to stay. */
  #goHome(slot: number): void {
    if (this.#kept === null || this.#kept[slot] === 0) this.#push(slot, this.#home[slot] as number);
  }

  /** Makes a slot free whose line was dropped, if nobody uses it, or does any more. */
  #freeDropped(slot: number): void {
    if (this.#pins !== null && (this.#pins[slot] !== 0 || this.#kept?.[slot] !== 0)) return;
    this.giveBack(slot);
  }

  #push(slot: number, list: number): void {
    const head = this.#heads[list] as number;
    this.#next[slot] = head;
    this.#previous[slot] = NO_SLOT;
    if (head === NO_SLOT) this.#tails[list] = slot;
    else this.#previous[head] = slot;
    this.#heads[list] = slot;
    this.#list[slot] = list;
    this.#counts[list] = (this.#counts[list] as number) + 1;
  }

  #remove(slot: number): void {
    const list = this.#list[slot] as number;
    if (list === NOWHERE) return;
    const next = this.#next[slot] as number;
    const previous = this.#previous[slot] as number;
    if (previous === NO_SLOT) this.#heads[list] = next;
    else this.#next[previous] = next;
    if (next === NO_SLOT) this.#tails[list] = previous;
    else this.#previous[next] = previous;
    this.#list[slot] = NOWHERE;
    this.#counts[list] = (this.#counts[list] as number) - 1;
  }

  #unchain(slot: number): void {
    const bucket = bucketOf(this.#lines[slot] as number, this.#mask);
    let at = this.#buckets[bucket] as number;
    if (at === slot) {
      this.#buckets[bucket] = this.#chain[slot] as number;
      return;
    }
    while (this.#chain[at] !== slot) at = this.#chain[at] as number;
    this.#chain[at] = this.#chain[slot] as number;
  }
}
