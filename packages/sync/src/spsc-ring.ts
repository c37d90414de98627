import { type Acquisition, BUSY, TAKEN } from './callback-waiter.js';
import { SyncError } from './errors.js';
import { checkSerialized, type SerializedPrimitive } from './handover.js';
import { alignUp, attachWords, type Kind } from './layout.js';
import { checkShape, checkSize, initializeRing, type RingOptions, SharedRing } from './ring.js';
import { CLOSED, COUNT_MASK, HEAD, RING_BODY, TAIL } from './ring-words.js';

const KIND: Kind = { name: 'SpscRing', number: 5, syscall: 'ring_init' };

/**
 * A bounded queue of fixed-size records in shared memory, for one producing and one consuming thread.
 *
 * `push()` and `pop()` move as many records as they can at once, never block and allocate nothing; to wait, see {@link SharedRing}. They make a
 * system call only if the other side sleeps.
 *
 * **Ordering**: first in, first out. Whatever the producer did before `push()` is visible to the consumer after the `pop()` that gave it those
 * records, and the other way round for the space.
 *
 * **Who may call**: one thread at a time produces, one consumes; any thread may close. A second producer is told so (`EBUSY`) when the two collide,
 * which is not always. By then the one that was told has written its records over those of the other, whose push has succeeded and may carry
 * damaged ones; two consumers may get the same records, or skip some, and are not told. So after an `EBUSY` the ring is not to be trusted any more:
 * close it, and mend the program, which is what is wrong.
 *
 * **A thread that dies** in `push()` has pushed all of its batch or nothing; in `pop()`, taken all of it or nothing. The other side waits for ever for one
 * that is gone: whoever learns of its end calls `close()`.
 *
 * @example
 * ```js
 * import { SpscRing } from '@biodone/sync';
 *
 * const shape = { recordBytes: 8, capacity: 1024 };
 * const ring = SpscRing.initialize(new SharedArrayBuffer(SpscRing.bytes(shape)), 0, shape);
 *
 * const records = Int32Array.of(1, 100, 2, 200); // two records of two words
 * console.log(ring.push(records, 2)); // 2
 * const popped = new Int32Array(2 * 16);
 * console.log(ring.pop(popped, 16), popped[3]); // 2 200
 * ring.close();
 * ```
 */
export class SpscRing extends SharedRing {
  /**
   * Attaches to a ring that some thread has initialized.
   *
   * @throws {@link SyncError} `EINVAL` if there is none at that place, `EPROTONOSUPPORT` if another version of this package made it
   */
  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    const words = attachWords(KIND, memory, byteOffset, RING_BODY * 4);
    super(KIND, words, new RecordReady(words));
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
  static initialize(memory: SharedArrayBuffer, byteOffset: number, options: RingOptions): SpscRing {
    initializeRing(KIND, memory, byteOffset, options, bytesOf(options));
    return viewOf(memory, byteOffset);
  }

  /**
   * Attaches to what {@link SharedRing.serialize} of another thread returned.
   *
   * @throws {@link SyncError} `EINVAL` if that is no such ring, `EPROTONOSUPPORT` if it is one of another version of this package
   */
  static attach(serialized: SerializedPrimitive): SpscRing {
    checkSerialized(KIND, serialized);
    return viewOf(serialized.memory, serialized.byteOffset);
  }

  /**
   * For the producer: pushes records, as many as fit.
   *
   * @param records where the records are, one behind the other
   * @param count how many records
   * @param first the number of the first record in `records`
   * @returns how many were pushed: less than `count` if the ring is full
   * @throws {@link SyncError} `EPIPE` if the ring is closed, `EBUSY` if another thread pushed at the same time, `EINVAL` if `records` has not so many; nothing
   * is pushed then
   */
  push(records: Int32Array, count = 1, first = 0): number {
    this.checkRecords(records, count, first, 'ring_push');
    const words = this.words;
    // [spsc:push-head] Its own word but for the closed bit: pairs with the or in close().
    const head = Atomics.load(words, HEAD);
    if ((head & CLOSED) !== 0) throw new SyncError('EPIPE', 'ring_push');
    const pushed = head >>> 1;
    // [spsc:push-tail] Pairs with the store in pop(): the consumer has read what is overwritten below.
    const tail = Atomics.load(words, TAIL);
    const moved = Math.min(this.capacity - ((pushed - tail) & COUNT_MASK), count);
    if (moved === 0) return 0;
    this.#copyIn(records, first, pushed, moved);
    const next = ((pushed + moved) & COUNT_MASK) << 1;
    // [spsc:push] Pairs with the load of the head in pop(): the records are written before. It fails if the ring was closed meanwhile.
    const before = Atomics.compareExchange(words, HEAD, head, next);
    if (before !== head) throw new SyncError((before & CLOSED) === 0 ? 'EBUSY' : 'EPIPE', 'ring_push');
    this.wakeConsumer();
    return moved;
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
    // [spsc:pop-tail] Its own word, so it needs no partner.
    const popped = Atomics.load(words, TAIL);
    // [spsc:pop-head] Pairs with the compareExchange in push(): the records below are complete.
    const pushed = Atomics.load(words, HEAD) >>> 1;
    const moved = Math.min((pushed - popped) & COUNT_MASK, count);
    if (moved === 0) return 0;
    this.#copyOut(records, first, popped, moved);
    // [spsc:pop] Pairs with the load of the tail in push(): the records are read before.
    Atomics.store(words, TAIL, (popped + moved) & COUNT_MASK);
    this.wakeProducers();
    return moved;
  }

  #copyIn(records: Int32Array, first: number, position: number, count: number): void {
    const words = this.words;
    const recordWords = this.recordBytes / 4;
    let source = first * recordWords;
    for (let record = 0; record < count; record++) {
      let target = RING_BODY + ((position + record) & (this.capacity - 1)) * recordWords;
      for (let word = 0; word < recordWords; word++) words[target++] = records[source++] as number;
    }
  }

  #copyOut(records: Int32Array, first: number, position: number, count: number): void {
    const words = this.words;
    const recordWords = this.recordBytes / 4;
    let target = first * recordWords;
    for (let record = 0; record < count; record++) {
      let source = RING_BODY + ((position + record) & (this.capacity - 1)) * recordWords;
      for (let word = 0; word < recordWords; word++) records[target++] = words[source++] as number;
    }
  }
}

// Outside of the class: a class that mentions itself would lose its name in the bundle.
function viewOf(memory: SharedArrayBuffer, byteOffset: number): SpscRing {
  return new SpscRing(memory, byteOffset);
}

/** Something to pop, as what the consumer waits for. */
class RecordReady implements Acquisition {
  readonly pollMs: number = Number.POSITIVE_INFINITY;
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  attempt(): number {
    // [spsc:ready-tail] The consumer's own word, so it needs no partner.
    const tail = Atomics.load(this.#words, TAIL);
    // [spsc:ready-head] Pairs with the compareExchange in push() and the or in close().
    const head = Atomics.load(this.#words, HEAD);
    return head >>> 1 !== tail || (head & CLOSED) !== 0 ? TAKEN : BUSY;
  }

  retreat(): void {
    // Nothing was taken.
  }
}

function bytesOf(options: RingOptions): number {
  checkShape(options, 'ring_init');
  return checkSize(RING_BODY * 4 + alignUp(options.recordBytes * options.capacity), 'ring_init');
}
