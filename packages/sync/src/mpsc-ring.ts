import { type Acquisition, BUSY, TAKEN } from './callback-waiter.js';
import { SyncError } from './errors.js';
import { checkSerialized, type SerializedPrimitive } from './handover.js';
import { alignUp, attachWords, type Kind } from './layout.js';
import { checkShape, checkSize, initializeRing, isDrained, type RingOptions, SharedRing } from './ring.js';
import { CAPACITY, CLOSED, COUNT_MASK, HEAD, RING_BODY, TAIL } from './ring-words.js';

const KIND: Kind = { name: 'MpscRing', number: 6, syscall: 'ring_init' };

/**
 * A bounded queue of fixed-size records in shared memory, for any number of producing threads and one consuming thread.
 *
 * A producer first reserves places for its batch, then writes the records and marks each as complete; so producers never wait for one another.
 * `push()` and `pop()` move as many records as they can at once, never block and allocate nothing; to wait, see {@link SharedRing}. They make a system
 * call only if the other side sleeps.
 *
 * **Ordering**: the batches come out in the order in which their places were reserved; the records of a batch stay together and in order, so those
 * of one producer are first in, first out. Whatever a producer did before `push()` is visible to the consumer after the `pop()` that gave it those
 * records.
 *
 * **Fairness**: none is promised among producers that wait for space; all of them are woken.
 *
 * **Closing** lets every push that has reserved its places finish: the ring is drained when the last of them has been popped.
 *
 * **A thread that dies** between reserving and completing leaves places that never become complete: the consumer gets what lies before them, and
 * nothing behind. Where producers may be terminated, wait with a deadline, or give each its own {@link SpscRing}.
 *
 * @example
 * ```js
 * import { MpscRing } from '@biodone/sync';
 *
 * const shape = { recordBytes: 8, capacity: 256 };
 * const ring = MpscRing.initialize(new SharedArrayBuffer(MpscRing.bytes(shape)), 0, shape);
 *
 * ring.push(Int32Array.of(7, 8));
 * await ring.waitForRecordsAsync();
 * const record = new Int32Array(2);
 * console.log(ring.pop(record), record[1]); // 1 8
 * ring.close();
 * ```
 */
export class MpscRing extends SharedRing {
  /** Index of the first word of the records; the marks lie before them. */
  readonly #records: number;

  /**
   * Attaches to a ring that some thread has initialized.
   *
   * @throws {@link SyncError} `EINVAL` if there is none at that place, `EPROTONOSUPPORT` if another version of this package made it
   */
  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    const words = attachWords(KIND, memory, byteOffset, RING_BODY * 4);
    super(KIND, words, new RecordReady(words));
    this.#records = RING_BODY + this.capacity;
  }

  /**
   * How many bytes a ring of that shape takes.
   *
   * @throws {@link SyncError} `EINVAL` if the shape is none, or the ring would take 2^31 bytes or more
   */
  static bytes(options: RingOptions): number {
    return bytesOf(options);
  }

  /**
   * Makes a new, empty ring at a place of shared memory, before any other thread uses it.
   *
   * @param byteOffset a multiple of {@link SharedRing.ALIGNMENT}, with {@link bytes} after it
   * @throws {@link SyncError} `EINVAL` if the memory is not shared, too small or misaligned, or the shape is none
   */
  static initialize(memory: SharedArrayBuffer, byteOffset: number, options: RingOptions): MpscRing {
    initializeRing(KIND, memory, byteOffset, options, bytesOf(options));
    return viewOf(memory, byteOffset);
  }

  /**
   * Attaches to what {@link SharedRing.serialize} of another thread returned.
   *
   * @throws {@link SyncError} `EINVAL` if that is no such ring, `EPROTONOSUPPORT` if it is one of another version of this package
   */
  static attach(serialized: SerializedPrimitive): MpscRing {
    checkSerialized(KIND, serialized);
    return viewOf(serialized.memory, serialized.byteOffset);
  }

  /**
   * For any producer: pushes records, as many as fit.
   *
   * @param records where the records are, one behind the other
   * @param count how many records
   * @param first the number of the first record in `records`
   * @returns how many were pushed: less than `count` if the ring is full
   * @throws {@link SyncError} `EPIPE` if the ring is closed, `EINVAL` if `records` has not so many; nothing is pushed then
   */
  push(records: Int32Array, count = 1, first = 0): number {
    this.checkRecords(records, count, first, 'ring_push');
    const words = this.words;
    for (;;) {
      // [mpsc:push-tail] Before the head, so that there is never more space than this says. Pairs with the store in pop(): the consumer has read
      // what is overwritten below.
      const tail = Atomics.load(words, TAIL);
      // [mpsc:push-head] Pairs with the or in close(), and with the compareExchange of other producers.
      const head = Atomics.load(words, HEAD);
      if ((head & CLOSED) !== 0) throw new SyncError('EPIPE', 'ring_push');
      const pushed = head >>> 1;
      const moved = Math.min(Math.max(this.capacity - ((pushed - tail) & COUNT_MASK), 0), count);
      if (moved === 0) return 0;
      const next = ((pushed + moved) & COUNT_MASK) << 1;
      // [mpsc:reserve] Pairs with itself in other producers, and with the or in close(): a place has one producer, and none behind the close.
      if (Atomics.compareExchange(words, HEAD, head, next) !== head) continue;
      this.#complete(records, first, pushed, moved);
      this.wakeConsumer();
      return moved;
    }
  }

  /**
   * For the consumer: pops records, as many as there are.
   *
   * @param records where to put the records, one behind the other
   * @param count how many records at most
   * @param first the number of the first record in `records`
   * @returns how many were popped; 0 if there are none
   * @throws {@link SyncError} `EINVAL` if `records` has no place for so many
   */
  pop(records: Int32Array, count = 1, first = 0): number {
    this.checkRecords(records, count, first, 'ring_pop');
    const words = this.words;
    // [mpsc:pop-tail] Its own word, so it needs no partner.
    const popped = Atomics.load(words, TAIL);
    const recordWords = this.recordBytes / 4;
    let target = first * recordWords;
    let moved = 0;
    for (; moved < count; moved++) {
      const position = (popped + moved) & COUNT_MASK;
      const place = position & (this.capacity - 1);
      // [mpsc:pop-mark] Pairs with the store in #complete(): the record below is complete.
      if (Atomics.load(words, RING_BODY + place) !== markOf(position)) break;
      let source = this.#records + place * recordWords;
      for (let word = 0; word < recordWords; word++) records[target++] = words[source++] as number;
    }
    if (moved === 0) return 0;
    // [mpsc:pop] Pairs with the load of the tail in push(): the records are read before.
    Atomics.store(words, TAIL, (popped + moved) & COUNT_MASK);
    this.wakeProducers();
    return moved;
  }

  /** Writes records to places that are reserved, and marks them as complete. */
  #complete(records: Int32Array, first: number, position: number, count: number): void {
    const words = this.words;
    const recordWords = this.recordBytes / 4;
    let source = first * recordWords;
    for (let record = 0; record < count; record++) {
      const mine = (position + record) & COUNT_MASK;
      const place = mine & (this.capacity - 1);
      let target = this.#records + place * recordWords;
      for (let word = 0; word < recordWords; word++) words[target++] = records[source++] as number;
      // [mpsc:complete] Pairs with the load of the mark in pop(): the record is written before.
      Atomics.store(words, RING_BODY + place, markOf(mine));
    }
  }
}

// Outside of the class: a class that mentions itself would lose its name in the bundle.
function viewOf(memory: SharedArrayBuffer, byteOffset: number): MpscRing {
  return new MpscRing(memory, byteOffset);
}

/** Something to pop, as what the consumer waits for. */
class RecordReady implements Acquisition {
  readonly pollMs: number = Number.POSITIVE_INFINITY;
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  attempt(): number {
    const words = this.#words;
    // [mpsc:ready-tail] The consumer's own word, so it needs no partner.
    const tail = Atomics.load(words, TAIL);
    const place = tail & ((words[CAPACITY] as number) - 1);
    // [mpsc:ready-mark] Pairs with the store in #complete(). A place that is reserved but not complete is no record yet.
    if (Atomics.load(words, RING_BODY + place) === markOf(tail)) return TAKEN;
    return isDrained(words) ? TAKEN : BUSY;
  }

  retreat(): void {
    // Nothing was taken.
  }
}

/** What the mark of a place says when the record at this position is complete: never 0, and another number in each lap. */
function markOf(position: number): number {
  return (position + 1) | 0;
}

function bytesOf(options: RingOptions): number {
  checkShape(options, 'ring_init');
  return checkSize(RING_BODY * 4 + alignUp((4 + options.recordBytes) * options.capacity), 'ring_init');
}
