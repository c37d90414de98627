import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { EMFILE, SystemError } from '@biodone/uring';

/** How many channels a device has at most, besides the one that opened it. */
const CHANNELS_MAX = 256;

/** In place of an owner: a row that nobody has, and a thread whose number this system does not tell. */
const NOBODY = 0n;
const UNKNOWN = 2n ** 64n - 1n;

/**
 * The channels of an open device, in memory that they share: whose they are, and which are busy. A thread that ends without closing its
 * channel, as a terminated worker does, is found out by its number: its row counts no more.
 */
export class ChannelTable {
  /** How many 32-bit words a table takes. */
  static readonly WORDS: number = CHANNELS_MAX * 3;
  /** By row: a thread's number, and above it the time of its start. One word, so that it changes hands in one step. */
  readonly #owners: BigUint64Array;
  readonly #busy: Int32Array;

  /** @param offsetBytes a multiple of 8 */
  constructor(memory: SharedArrayBuffer, offsetBytes: number) {
    this.#owners = new BigUint64Array(memory, offsetBytes, CHANNELS_MAX);
    this.#busy = new Int32Array(memory, offsetBytes + this.#owners.byteLength, CHANNELS_MAX);
  }

  /** Takes a row for a channel of the calling thread. @throws SystemError EMFILE; what reading of /proc gives for want of descriptors */
  take(): number {
    const owner = thisThread();
    for (const attempt of [this.#takeFree, this.#takeLeft]) {
      for (let row = 0; row < CHANNELS_MAX; row++) {
        if (!attempt.call(this, row, owner)) continue;
        Atomics.store(this.#busy, row, 0);
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
    Atomics.store(this.#busy, row, 0);
    Atomics.store(this.#owners, row, NOBODY);
  }

  /** Says whether a channel has something under way. Before it looks whether the device is closed: see {@link isBusy}. */
  setBusy(row: number, busy: boolean): void {
    // Pairs with the load in isBusy(): who closes first says so and then looks here, who starts first says so here and then looks there.
    Atomics.store(this.#busy, row, busy ? 1 : 0);
  }

  /** Whether a channel of a thread that still is has something under way. */
  isBusy(): boolean {
    // What a thread had under way whose number is not known is not waited for: it may have ended.
    return this.#some((row, owner) => Atomics.load(this.#busy, row) !== 0 && owner !== UNKNOWN);
  }

  /** Whether there are channels of threads that still are. */
  isUsed(): boolean {
    return this.#some(() => true);
  }

  /** Whether the thread that has a row is no more. Nobody's row is gone too. */
  isGone(row: number): boolean {
    const owner = Atomics.load(this.#owners, row);
    return owner === NOBODY || !isAlive(owner);
  }

  #some(isSo: (row: number, owner: bigint) => boolean): boolean {
    for (let row = 0; row < CHANNELS_MAX; row++) {
      const owner = Atomics.load(this.#owners, row);
      if (owner !== NOBODY && isSo(row, owner) && isAlive(owner)) return true;
    }
    return false;
  }

  #takeFree(row: number, owner: bigint): boolean {
    return Atomics.compareExchange(this.#owners, row, NOBODY, owner) === NOBODY;
  }

  #takeLeft(row: number, owner: bigint): boolean {
    const before = Atomics.load(this.#owners, row);
    if (before === NOBODY || isAlive(before)) return false;
    return Atomics.compareExchange(this.#owners, row, before, owner) === before;
  }
}

function isAlive(owner: bigint): boolean {
  if (owner === UNKNOWN) return true;
  const thread = Number(BigInt.asUintN(32, owner));
  try {
    // The kernel uses numbers again, so the time of the start belongs to a name.
    return ownerOf(thread) === owner;
  } catch {
    // There is none, or nothing can be read for want of descriptors: this needs none, and a thread that may be alive is waited for.
    return existsSync(taskOf(thread));
  }
}

let own: bigint | null = null;

/** The calling thread. */
function thisThread(): bigint {
  own ??= findThread();
  return own;
}

function findThread(): bigint {
  try {
    return ownerOf(Number(basename(readlinkSync('/proc/thread-self'))));
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    // A thread that was not known would not be waited for.
    if (code === 'EMFILE' || code === 'ENFILE') throw error;
    // No Linux.
    return UNKNOWN;
  }
}

/**
 * What names a thread of this process: its number (gettid(2)) and when it began, in ticks of the kernel (proc_pid_stat(5), field 22), as 32
 * bits. @throws what reading of /proc gives
 */
function ownerOf(thread: number): bigint {
  const line = readFileSync(`${taskOf(thread)}/stat`, 'latin1');
  // The second field is a name in parentheses, which can hold anything.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return (BigInt.asUintN(32, BigInt(fields[19] as string)) << 32n) | BigInt(thread);
}

function taskOf(thread: number): string {
  return `/proc/self/task/${thread}`;
}
