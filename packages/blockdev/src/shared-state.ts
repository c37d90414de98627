import type { BlockIo } from './block-io.js';
import { ChannelLock } from './channel-lock.js';
import { ChannelTable } from './channel-table.js';

/** After how long somebody looks again who waits for what other threads have under way or have locked: none of them tells when that is over. */
export const LOOK_AT_OTHERS_MS = 1;

/** Words of {@link SharedState}. */
const CHANGES = 0;
const POISON = 1;
const REMOVED = 2;
const CLAIM_ID = 3;
const CLAIM_KIND = 4;
const LAST_CLAIM_ID = 5;
const RESIZED = 6;
const CLOSED = 7;
/** An even number, so that the size after them is aligned. */
const WORDS = 8;
/** After the words: the size, as a number of 64 bits; and the table of channels. */
const SIZE_BYTES = WORDS * 4;
const TABLE_BYTES = SIZE_BYTES + 8;
const LOCK_BYTES = TABLE_BYTES + Math.ceil((ChannelTable.WORDS * 4) / 8) * 8;
const BYTES = LOCK_BYTES + ChannelLock.bytes(ChannelTable.ROWS);

/**
 * What all channels of an open device have in common, whatever thread they are in (one opening, several channels): whether a flush has
 * failed, whether the device is gone or closed, who has claimed it, and how large it is.
 *
 * Every change counts one word up. A channel looks at that word with each request, and reads the others when it has changed.
 */
export class SharedState {
  readonly memory: SharedArrayBuffer;
  /** The errno of the first flush that failed, or 0 (rule 8). */
  poison = 0;
  /** Whether nothing can be started any more: the device is gone, or {@link closed}. */
  removed = false;
  /** Whether the channel that opened the device has closed it. Its descriptor may be another file's by now. */
  closed = false;
  /** Of the claim that is held; 0 if none is. */
  claimId = 0;
  claimKind = 0;
  /** The size after the last change; undefined if there was none. */
  sizeBytes: number | undefined = undefined;
  /** The channels besides the one that opened the device. */
  readonly channels: ChannelTable;
  readonly #lock: ChannelLock;
  readonly #words: Int32Array;
  readonly #size: Float64Array;
  #seen = 0;
  /** Whether this object has changed something since the last {@link refresh}. */
  #changedHere = false;
  #isShared: boolean;
  /** The owner's row in the table of channels; -1 if it opened the device and has not shared it. */
  #row = -1;
  /** Whether {@link stale} has to look. */
  #doubtful: boolean;

  constructor(memory?: SharedArrayBuffer) {
    this.#isShared = memory !== undefined;
    this.#doubtful = this.#isShared;
    this.memory = memory ?? new SharedArrayBuffer(BYTES);
    this.#words = new Int32Array(this.memory, 0, WORDS);
    this.#size = new Float64Array(this.memory, SIZE_BYTES, 1);
    this.channels = new ChannelTable(this.memory, TABLE_BYTES);
    this.#lock = new ChannelLock(this.memory, LOCK_BYTES, this.channels);
  }

  /**
   * Whether something has changed since the last {@link refresh}. This is a plain load, which costs a tenth of an atomic one: a change is
   * seen by whatever is started after its maker has told this thread of it in any way, and soon by the rest.
   */
  get stale(): boolean {
    return this.#doubtful && (this.#changedHere || this.#words[CHANGES] !== this.#seen);
  }

  /** Whether there may be other channels. */
  get isShared(): boolean {
    return this.#isShared;
  }

  /** Another channel may change something from now on. @param busy whether something is under way through this one */
  share(busy = false): SharedArrayBuffer {
    if (!this.#isShared) {
      this.#row = this.channels.takeOpener();
      this.channels.setBusy(this.#row, busy);
    }
    this.#isShared = true;
    this.#doubtful = true;
    return this.memory;
  }

  /** Whether no channel can be kept out of a range, because of some nobody could tell that their threads have ended. */
  get isUnlockable(): boolean {
    return this.channels.hasUnknown(this.#row);
  }

  /** As {@link ChannelLock.take}. */
  takeRange(io: BlockIo, begin: number, end: number): boolean {
    if (!this.#lock.take(io, begin, end, this.#row)) return false;
    this.#changed();
    return true;
  }

  /** As {@link ChannelLock.firstBusy}, of the use that this channel has taken. */
  get firstBusyInRange(): number {
    return this.#lock.firstBusy(this.#row);
  }

  releaseRange(): void {
    this.#lock.release();
    this.#changed();
  }

  /** As {@link ChannelLock.dropDead}. */
  dropDeadRange(): void {
    if (this.#lock.dropDead()) this.#changed();
  }

  /** As {@link ChannelLock.read}. */
  readRange(io: BlockIo): number {
    return this.#lock.read(io, this.#row);
  }

  /** As {@link ChannelLock.acknowledge}. */
  acknowledgeRange(uses: number): void {
    if (this.#row >= 0) this.#lock.acknowledge(uses, this.#row);
  }

  /** As {@link ChannelLock.isOfThisThread}. */
  get isRangeOfThisThread(): boolean {
    return this.#lock.isOfThisThread();
  }

  refresh(): void {
    const words = this.#words;
    this.#changedHere = false;
    this.#doubtful = this.#isShared;
    // Pairs with the add in #changed(), before which the other words were written.
    this.#seen = Atomics.load(words, CHANGES);
    this.poison = Atomics.load(words, POISON);
    this.closed = Atomics.load(words, CLOSED) !== 0;
    this.removed = this.closed || Atomics.load(words, REMOVED) !== 0;
    this.claimId = Atomics.load(words, CLAIM_ID);
    this.claimKind = Atomics.load(words, CLAIM_KIND);
    this.sizeBytes = Atomics.load(words, RESIZED) === 0 ? undefined : this.#size[0];
  }

  /** {@link poison}, as it is at this moment. */
  get poisonNow(): number {
    // Pairs with the exchange in setPoison().
    return Atomics.load(this.#words, POISON);
  }

  /** A flush has failed. The first failure is the one that is remembered. */
  setPoison(errno: number): void {
    Atomics.compareExchange(this.#words, POISON, 0, errno);
    this.#changed();
  }

  /** {@link closed}, as another thread may have made it a moment ago. As plain a load as that of {@link stale}. */
  get closedNow(): boolean {
    return this.#isShared && this.#words[CLOSED] !== 0;
  }

  /** The device is closed, for all channels. */
  setClosed(): void {
    Atomics.store(this.#words, CLOSED, 1);
    this.#changed();
  }

  setRemoved(): void {
    Atomics.store(this.#words, REMOVED, 1);
    this.#changed();
  }

  /** Takes the claim, under a new id. */
  claim(kind: number): void {
    const id = Atomics.add(this.#words, LAST_CLAIM_ID, 1) + 1;
    Atomics.store(this.#words, CLAIM_KIND, kind);
    Atomics.store(this.#words, CLAIM_ID, id);
    this.#changed();
  }

  unclaim(): void {
    Atomics.store(this.#words, CLAIM_ID, 0);
    this.#changed();
  }

  resize(sizeBytes: number): void {
    this.#size[0] = sizeBytes;
    Atomics.store(this.#words, RESIZED, 1);
    this.#changed();
  }

  /** Takes a row in the table of channels for the object's owner, which is one of them. */
  attach(): void {
    this.#row = this.channels.take();
    this.#lock.inherit(this.#row);
  }

  detach(): void {
    this.channels.leave(this.#row);
    // The next channel to come has the row: what is still started here, and refused, is not to say that it is idle.
    this.#row = -1;
  }

  /** The channel's first request has come, or its last has gone: who closes the device waits for those in between. */
  setBusy(busy: boolean): void {
    if (this.#row < 0) return;
    this.channels.setBusy(this.#row, busy);
    // Pairs with the store in setClosed(): whoever closes after this finds the channel busy.
    if (busy && (Atomics.load(this.#words, CLOSED) !== 0 || this.#lock.isHeldByOther(this.#row))) {
      this.#changedHere = true;
      this.#doubtful = true;
    }
  }

  #changed(): void {
    // Pairs with the loads in `stale` and refresh().
    Atomics.add(this.#words, CHANGES, 1);
    this.refresh();
    // The owner of this object may have more to do than this object: it is told by `stale`.
    this.#changedHere = true;
    this.#doubtful = true;
  }
}
