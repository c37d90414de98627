import type { BlockIo, BlockOperation } from './block-io.js';
import { ChannelTable } from './channel-table.js';

/** Words, before one of each channel: up to which use of the lock it has nothing under way in the range. */
const HOLDER = 0;
const USES = 1;
const OPERATION = 2;
const WANTED = 3;
const LAST_HOLDER = 4;
const WORDS = 6;

/**
 * Keeps all channels of a device but one out of a range, for what is read there first and written then. It lies in the memory that the channels share.
 *
 * Who takes it does not have it before {@link isAlone}: each of the others has nothing under way at all, or has seen the lock and said, by
 * {@link acknowledge}, that it has nothing under way in the range; from then on it starts nothing there. A channel looks when it starts something after it was
 * idle, and when something has changed in the shared state, which taking and releasing count as. So plain requests cost nothing more.
 */
export class ChannelLock {
  /** How many bytes it takes, for a table of so many rows. */
  static bytes(rows: number): number {
    return 16 + 4 * (WORDS + rows + (rows & 1));
  }

  /** Where the range begins and ends. */
  readonly #range: Float64Array;
  readonly #words: Int32Array;
  readonly #channels: ChannelTable;

  /** @param offsetBytes a multiple of 8 */
  constructor(memory: SharedArrayBuffer, offsetBytes: number, channels: ChannelTable) {
    this.#range = new Float64Array(memory, offsetBytes, 2);
    this.#words = new Int32Array(memory, offsetBytes + 16, WORDS + ChannelTable.ROWS);
    this.#channels = channels;
  }

  /** Whether another channel has it. */
  isHeldByOther(row: number): boolean {
    // Pairs with the exchange in take(): that looks who is busy then, and who becomes busy looks here then.
    const holder = Atomics.load(this.#words, HOLDER);
    return holder !== 0 && holder !== row + 1;
  }

  /** Takes it for the range of a request. False if another channel has it, or has waited for it since the last time here. */
  take({ operation }: BlockIo, begin: number, end: number, row: number): boolean {
    const words = this.#words;
    if (words[LAST_HOLDER] === row + 1 && Atomics.exchange(words, WANTED, 0) !== 0) return false;
    const holder = Atomics.compareExchange(words, HOLDER, 0, row + 1);
    if (holder !== 0) {
      Atomics.store(words, WANTED, 1);
      // Whoever looks next can have it.
      this.dropDead();
      return false;
    }
    words[LAST_HOLDER] = row + 1;
    words[OPERATION] = operation;
    this.#range[0] = begin;
    this.#range[1] = end;
    // Pairs with the load in read(): who sees this use sees its range.
    Atomics.add(words, USES, 1);
    return true;
  }

  /** The row of a channel that may have something under way in the range of the one that has taken it; -1 if there is none. */
  firstBusy(row: number): number {
    const uses = this.#words[USES];
    return this.#channels.firstOther(row, (other) => {
      // Pairs with the stores in acknowledge() and ChannelTable.setBusy().
      return this.#channels.isBusyRow(other) && Atomics.load(this.#words, WORDS + other) !== uses;
    });
  }

  isAlone(row: number): boolean {
    return this.firstBusy(row) < 0;
  }

  release(): void {
    Atomics.store(this.#words, HOLDER, 0);
  }

  /** Releases it in place of a thread that has ended, which does not do that itself. Whether it has been so. It reads a file: for who is kept out alone. */
  dropDead(): boolean {
    const holder = Atomics.load(this.#words, HOLDER);
    if (holder === 0 || this.#channels.isAlive(holder - 1)) return false;
    return Atomics.compareExchange(this.#words, HOLDER, holder, 0) === holder;
  }

  /** A channel has got a row whose owner before has ended, maybe with the lock. It would look like a lock of this channel. */
  inherit(row: number): void {
    Atomics.compareExchange(this.#words, HOLDER, row + 1, 0);
  }

  /** Whether the channel that has it belongs to the calling thread, which cannot wait for itself. */
  isOfThisThread(): boolean {
    return this.#channels.isOfThisThread(Atomics.load(this.#words, HOLDER) - 1);
  }

  /** Makes a request one like that for which another channel has it. Returns which use that is; -1 if no other has it. */
  read(io: BlockIo, row: number): number {
    // Before the range. If that is of the next use already, this one is acknowledged, and whoever has taken it waits on.
    const uses = Atomics.load(this.#words, USES);
    if (!this.isHeldByOther(row)) return -1;
    io.operation = this.#words[OPERATION] as BlockOperation;
    io.offset = this.#range[0] as number;
    io.lengthBytes = (this.#range[1] as number) - io.offset;
    return uses;
  }

  /** A channel has nothing under way in the range of this use, and starts nothing there before it is over. */
  acknowledge(uses: number, row: number): void {
    Atomics.store(this.#words, WORDS + row, uses);
  }
}
