import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { EMFILE, SystemError } from '@biodone/uring';

/** How many channels a device has at most, besides the one that opened it. */
const CHANNELS_MAX = 256;

/** Words of a channel's row. */
const THREAD = 0;
const STARTED_AT = 1;
const BUSY = 2;
const ROW = 3;

/** In place of a thread's number: a row that nobody has, and a thread whose number this system does not tell. */
const NOBODY = 0;
const UNKNOWN = -1;

/**
 * The channels of an open device, in memory that they share: whose they are, and which are busy. A thread that ends without closing its
 * channel, as a terminated worker does, is found out by its number: its row counts no more.
 */
export class ChannelTable {
  /** How many 32-bit words a table takes. */
  static readonly WORDS: number = CHANNELS_MAX * ROW;
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** Takes a row for a channel of the calling thread. @throws SystemError EMFILE */
  take(): number {
    const { thread, startedAt } = thisThread();
    for (const attempt of [this.#takeFree, this.#takeLeft]) {
      for (let row = 0; row < this.#words.length; row += ROW) {
        if (!attempt.call(this, row, thread)) continue;
        Atomics.store(this.#words, row + BUSY, 0);
        Atomics.store(this.#words, row + STARTED_AT, startedAt);
        return row;
      }
    }
    throw new SystemError(
      EMFILE,
      'attach',
      undefined,
      `a device has at most ${CHANNELS_MAX} channels: close those that are not used`,
    );
  }

  /** Gives a row back. */
  leave(row: number): void {
    Atomics.store(this.#words, row + BUSY, 0);
    Atomics.store(this.#words, row + THREAD, NOBODY);
  }

  /** Says whether a channel has something under way. Before it looks whether the device is closed: see {@link isBusy}. */
  setBusy(row: number, busy: boolean): void {
    // Pairs with the load in isBusy(): who closes first says so and then looks here, who starts first says so here and then looks there.
    Atomics.store(this.#words, row + BUSY, busy ? 1 : 0);
  }

  /** Whether a channel of a thread that still is has something under way. */
  isBusy(): boolean {
    // What a thread had under way whose number is not known is not waited for: it may have ended.
    return this.#some((row, thread) => Atomics.load(this.#words, row + BUSY) !== 0 && thread !== UNKNOWN);
  }

  /** Whether there are channels of threads that still are. */
  isUsed(): boolean {
    return this.#some(() => true);
  }

  #some(isSo: (row: number, thread: number) => boolean): boolean {
    for (let row = 0; row < this.#words.length; row += ROW) {
      const thread = Atomics.load(this.#words, row + THREAD);
      if (thread !== NOBODY && isSo(row, thread) && this.#isAlive(row, thread)) return true;
    }
    return false;
  }

  #takeFree(row: number, thread: number): boolean {
    return Atomics.compareExchange(this.#words, row + THREAD, NOBODY, thread) === NOBODY;
  }

  #takeLeft(row: number, thread: number): boolean {
    const owner = Atomics.load(this.#words, row + THREAD);
    if (owner === NOBODY || this.#isAlive(row, owner)) return false;
    return Atomics.compareExchange(this.#words, row + THREAD, owner, thread) === owner;
  }

  #isAlive(row: number, thread: number): boolean {
    // The kernel uses numbers again, so the time of the start belongs to a name. 0: the row has just been taken.
    const startedAt = Atomics.load(this.#words, row + STARTED_AT);
    return thread === UNKNOWN || startedAt === 0 || startOf(thread) === startedAt;
  }
}

interface Thread {
  readonly thread: number;
  readonly startedAt: number;
}

let own: Thread | null = null;

/** The calling thread's number (gettid(2)), and when it began. */
function thisThread(): Thread {
  own ??= findThread();
  return own;
}

function findThread(): Thread {
  try {
    const thread = Number(basename(readlinkSync('/proc/thread-self')));
    return { thread, startedAt: startOf(thread) };
  } catch {
    // No Linux.
    return { thread: UNKNOWN, startedAt: 0 };
  }
}

/** When a thread of this process began, in ticks of the kernel (proc_pid_stat(5), field 22), as 32 bits and not 0; 0 if there is none. */
function startOf(thread: number): number {
  try {
    const line = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
    // The second field is a name in parentheses, which can hold anything.
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return Number(fields[19]) | 0 || 1;
  } catch {
    return 0;
  }
}
