/** Words of {@link SharedState}. */
const POISON = 0;
const REMOVED = 1;
const CLAIM_ID = 2;
const CLAIM_KIND = 3;
const RESIZES = 4;
const LAST_CLAIM_ID = 5;
const CHANNELS = 6;
const WORDS = 8;
/** After the words: the size, as a number of 64 bits. */
const BYTES = WORDS * 4 + 8;

/**
 * What all channels of an open device have in common, whatever thread they are in (design: one opening, several channels): whether a flush has
 * failed, whether the device is gone, who has claimed it, and how large it is.
 */
export class SharedState {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #size: Float64Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(BYTES)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, WORDS);
    this.#size = new Float64Array(memory, WORDS * 4, 1);
  }

  /** The errno of the first flush that failed, or 0 (rule 8). */
  get poison(): number {
    // Pairs with the exchange in the setter.
    return Atomics.load(this.#words, POISON);
  }

  set poison(errno: number) {
    // The first failure is the one that is remembered. Pairs with the load in the getter, before a flush is started.
    Atomics.compareExchange(this.#words, POISON, 0, errno);
  }

  /**
   * Read without Atomics, which is a call of a function in V8, as the others that every request reads: what another thread has changed before it
   * told this one is seen, and what it changes at the same time may be seen by the next request.
   */
  get removed(): boolean {
    return this.#words[REMOVED] !== 0;
  }

  remove(): void {
    // Pairs with the read above, which every request makes before it is started.
    Atomics.store(this.#words, REMOVED, 1);
  }

  /** Of the claim that is held; 0 if none is. */
  get claimId(): number {
    // Pairs with the stores in claim() and unclaim().
    return this.#words[CLAIM_ID] as number;
  }

  get claimKind(): number {
    return Atomics.load(this.#words, CLAIM_KIND);
  }

  /** Takes the claim, under a new id. */
  claim(kind: number): number {
    const id = Atomics.add(this.#words, LAST_CLAIM_ID, 1) + 1;
    Atomics.store(this.#words, CLAIM_KIND, kind);
    // After the kind, which is read after the id is seen.
    Atomics.store(this.#words, CLAIM_ID, id);
    return id;
  }

  unclaim(): void {
    Atomics.store(this.#words, CLAIM_ID, 0);
  }

  /** How often the size has changed: a channel that has seen fewer looks again. */
  get resizes(): number {
    // Pairs with the add in resize(). Who sees a change loads it once more, with what was written before: see sizeBytes.
    return this.#words[RESIZES] as number;
  }

  /** The size after the last change; null if the device has no fixed end. */
  get sizeBytes(): number | null {
    // Pairs with the add in resize(): the size is written before it.
    Atomics.load(this.#words, RESIZES);
    const size = this.#size[0] as number;
    return size < 0 ? null : size;
  }

  resize(sizeBytes: number | null): void {
    this.#size[0] = sizeBytes ?? -1;
    Atomics.add(this.#words, RESIZES, 1);
  }

  /** Counts a channel that comes or goes. Returns how many there are now. */
  countChannel(change: 1 | -1): number {
    return Atomics.add(this.#words, CHANNELS, change) + change;
  }

  get channels(): number {
    return Atomics.load(this.#words, CHANNELS);
  }
}
