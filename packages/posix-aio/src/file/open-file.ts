import type { FileHandle } from 'node:fs/promises';
import { OrderingKey } from '@biodone/aio';
import { AbortError } from '@biodone/sync';
import { ENOSYS, probe, SystemError, TRANSFER_MAX_BYTES } from '@biodone/uring';
import { S_IFBLK, S_IFREG } from '../descriptor/file-status.js';
import { BOUNCE_MAX_BYTES, LONG_BOUNCE_MAX_BYTES } from './bounce.js';
import { CallWork } from './call-work.js';
import type { FileWork } from './file-work.js';
import { FsEngine } from './fs-engine.js';
import { memoryOf, unseenMemoryOf } from './memory-of.js';
import type { MemoryParts } from './memory-parts.js';
import type { Descriptor } from './open-descriptor.js';
import { StreamEngine } from './stream-engine.js';
import { SyncWork } from './sync-work.js';
import { OWN_POSITION, type TransferArguments } from './transfer-arguments.js';
import { type TransferResult, TransferWork } from './transfer-work.js';
import { UringEngine } from './uring-engine.js';
import { WorkPool } from './work-pool.js';

/** How an open file is used. */
export interface OpenFileOptions {
  readonly path: string;
  /** Whether it was opened with O_APPEND. */
  readonly appends: boolean;
  /** Whether it was opened with O_DIRECT. */
  readonly direct: boolean;
  /** Whether it is read and written through io_uring: see {@link usesRing}. */
  readonly usesRing: boolean;
  /** How many operations may be with the kernel. */
  readonly depth: number;
  /** Whether memory is used as it is: see `TransferOptions`. */
  readonly trusted: boolean;
}

/** A call of FileHandle's that is under way by itself. */
interface AloneCall {
  readonly isRead: boolean;
  readonly position: number;
  readonly ended: Promise<unknown>;
}

/** What a call of FileHandle's has of a transfer. */
type CallPlace = Pick<TransferArguments, 'position' | 'signal' | 'priority'>;

/** That of a call that goes by the file's own position. */
export const IN_TURN: CallPlace = { position: OWN_POSITION, signal: null, priority: 1 };

/**
 * An open file, and what serves it: what an AioFile is the face of, and what is left to be closed when an AioFile has been collected.
 *
 * A FileHandle of Node's does all but reads, writes and syncs. Those go through a pool of aio to io_uring, and the descriptor is held for them: it is closed when the last of them is over, and so is everything else (rule 13).
 *
 * Whatever goes by the file's own position, and each append, has its turn in the order of the calls (rule 7). Where there is no position, as with
 * a pipe, reads and writes do not wait for each other.
 */
export class OpenFile {
  readonly #descriptor: Descriptor;
  readonly path: string;
  readonly trusted: boolean;
  readonly #appends: boolean;
  /** The longest transfer whose memory is copied. */
  readonly #copiedMaxBytes: number;
  /** Whether it was opened with O_DIRECT. */
  readonly direct: boolean;
  readonly #usesRing: boolean;
  readonly #depth: number;
  /** Made for the first that is to be done: many a file is opened for its status alone. */
  #work: WorkPool | null = null;
  /** Whether it is a regular file or a block device, which has positions. */
  readonly #hasPositions: boolean;
  /** Whether it is a regular file that is read and written by the page cache. */
  readonly isPlain: boolean;
  /** What is under way without a pool. */
  #alone: AloneCall | null = null;
  readonly #readTurns = new OrderingKey();
  readonly #writeTurns: OrderingKey;
  /** Calls that are not over, and streams. */
  #references = 0;
  #closed: Promise<void> | null = null;
  #drained: (() => void) | null = null;

  constructor(descriptor: Descriptor, { path, appends, direct, usesRing, depth, trusted }: OpenFileOptions) {
    this.#descriptor = descriptor;
    this.path = path;
    this.trusted = trusted;
    this.#appends = appends;
    const { kind } = descriptor;
    this.#hasPositions = kind === S_IFREG || kind === S_IFBLK;
    this.isPlain = kind === S_IFREG && !direct;
    // FileHandle refuses unaligned memory, and a read of a pipe would keep one of Node's threads waiting.
    this.#copiedMaxBytes = direct || !this.#hasPositions ? LONG_BOUNCE_MAX_BYTES : BOUNCE_MAX_BYTES;
    this.#writeTurns = this.#hasPositions ? this.#readTurns : new OrderingKey();
    this.direct = direct;
    this.#usesRing = usesRing;
    this.#depth = depth;
  }

  /** Whether nothing that is ordered has been asked of it, or one call has that is over. */
  get isUnused(): boolean {
    return this.#work === null && this.#alone === null;
  }

  /** Whether {@link close} has been called. */
  get closing(): boolean {
    return this.#closed !== null;
  }

  /** The descriptor; -1 once it is being closed. */
  get fd(): number {
    return this.#descriptor.fd;
  }

  /** What does all but reads, writes and syncs. */
  get handle(): FileHandle {
    return this.#descriptor.handle;
  }

  /** Keeps the file open until {@link release}. */
  hold(): void {
    this.#references += 1;
  }

  release(): void {
    this.#references -= 1;
    if (this.#references === 0) this.#drained?.();
  }

  /**
   * Reads or writes. Null where FileHandle is to do it: see {@link takes}.
   */
  transfer(isRead: boolean, asked: TransferArguments): Promise<TransferResult> | null {
    const { view, lengthBytes } = asked;
    const memory = asked.unseen ? unseenMemoryOf(view) : memoryOf(view, asked.trusted);
    if (!this.takes(asked.position, lengthBytes, memory === null)) return null;
    return new Promise((resolve, reject) => {
      const work = new TransferWork(isRead, asked.given, resolve, reject);
      if (memory === null) {
        work.view = view;
        work.viewOffset = asked.offset;
      } else {
        work.buffer = memory;
        work.bufferOffset = view.byteOffset + asked.offset;
      }
      this.#aim(work, isRead, asked.position, lengthBytes);
      work.signal = asked.signal;
      work.priority = asked.priority;
      asked.forget();
      this.#start(work);
    });
  }

  /**
   * Whether a transfer is one for the engine. It is not if it is so long that copying it would take longer than it takes the threads that copy straight
   * into the caller's memory; not at a position in what has none, which io_uring overlooks where pread(2) refuses it; and not where it would end beyond
   * what numbers are exact for, which the block layer refuses, and the kernel need not.
   */
  takes(position: number, lengthBytes: number, isCopied: boolean): boolean {
    if (position !== OWN_POSITION && !this.#hasPositions) return false;
    if (position + lengthBytes > Number.MAX_SAFE_INTEGER) return false;
    return lengthBytes <= (isCopied ? this.#copiedMaxBytes : TRANSFER_MAX_BYTES);
  }

  /** Reads or writes memory in several parts, as much as {@link takes} says. */
  transferParts(isRead: boolean, given: unknown, parts: MemoryParts, position: number): Promise<TransferResult> {
    return new Promise((resolve, reject) => {
      const work = new TransferWork(isRead, given, resolve, reject);
      work.parts = parts;
      this.#aim(work, isRead, position, parts.lengthBytes);
      this.#start(work);
    });
  }

  /** Reads or writes a whole file, at the file's own position. */
  whole(isRead: boolean, work: FileWork, signal: AbortSignal | null): void {
    work.turns = this.#turnsFor(isRead, OWN_POSITION);
    work.signal = signal;
    this.#start(work);
  }

  /** Has FileHandle do something, at its place among the reads and writes. */
  call<T>(isRead: boolean, { position, signal, priority }: CallPlace, call: () => Promise<T>): Promise<T> {
    if (this.isUnused && signal === null) return this.#callAlone(isRead, position, call);
    return new Promise((resolve, reject) => {
      const work = new CallWork(isRead, call, resolve, reject);
      work.turns = this.#turnsFor(isRead, position);
      work.signal = signal;
      work.priority = priority;
      this.#start(work);
    });
  }

  /** Makes stable what was written before, and waits for what is queued. */
  sync(dataOnly: boolean): Promise<void> {
    return new Promise((resolve, reject) => this.#start(new SyncWork(dataOnly, resolve, reject)));
  }

  /** Has FileHandle do something that needs no order. */
  async manage<T>(call: () => Promise<T>): Promise<T> {
    this.hold();
    try {
      return await call();
    } finally {
      this.release();
    }
  }

  /** Waits until nothing holds the file any more, and closes it. */
  close(): Promise<void> {
    if (this.#closed !== null) return this.#closed;
    const drained = this.#references === 0 ? null : new Promise<void>((resolve) => (this.#drained = resolve));
    this.#closed = drained === null ? this.#end() : drained.then(() => this.#end());
    return this.#closed;
  }

  #makeWork(): WorkPool {
    const { fd } = this;
    const isCached = this.#hasPositions && !this.direct;
    const withoutRing = this.#hasPositions ? FsEngine : StreamEngine;
    const engine = this.#usesRing ? new UringEngine(fd, this.path, this.#hasPositions, isCached) : new withoutRing(fd);
    return WorkPool.take(engine, this.path, this.#depth, () => this.release());
  }

  async #end(): Promise<void> {
    // It lets go of the descriptor at once.
    const left = this.#work?.close();
    await this.#descriptor.close();
    await left;
  }

  /**
   * Does a call of FileHandle's without a pool, while nothing else is asked of the file: to make one takes longer than many a call, and many a file is opened
   * for one alone.
   */
  #callAlone<T>(isRead: boolean, position: number, call: () => Promise<T>): Promise<T> {
    const ended = this.manage(call);
    const alone = { isRead, position, ended };
    this.#alone = alone;
    const forget = (): void => {
      if (this.#alone === alone) this.#alone = null;
    };
    // A promise of the caller's own: of one that has been listened to here Node would not report that it was rejected and nobody cared.
    return ended.finally(forget);
  }

  /** Something else is asked of the file meanwhile: from now on the call has its place in the pool, as if it had begun there. */
  #join({ isRead, position, ended }: AloneCall): void {
    this.#alone = null;
    const work = new CallWork<unknown>(isRead, () => ended, nothing, nothing);
    work.turns = this.#turnsFor(isRead, position);
    this.#start(work);
  }

  #aim(work: TransferWork, isRead: boolean, position: number, lengthBytes: number): void {
    work.lengthBytes = lengthBytes;
    if (position === OWN_POSITION) work.atOwnPosition = true;
    else work.offset = position;
    work.turns = this.#turnsFor(isRead, position);
  }

  #turnsFor(isRead: boolean, position: number): OrderingKey | null {
    if (position !== OWN_POSITION && (isRead || !this.#appends)) return null;
    return isRead ? this.#readTurns : this.#writeTurns;
  }

  #start(work: FileWork): void {
    const { signal } = work;
    if (signal?.aborted === true) {
      work.refused(new AbortError(signal.reason));
      return;
    }
    if (this.#alone !== null) this.#join(this.#alone);
    this.#work ??= this.#makeWork();
    this.hold();
    this.#work.start(work);
  }
}

/** Whether a file is to go through io_uring. @throws SystemError ENOSYS for io_uring where there is none */
export function usesRing(engine: 'auto' | 'uring' | 'fs'): boolean {
  if (engine === 'fs') return false;
  const { available, reason } = probe();
  if (available) return true;
  if (engine === 'uring') throw new SystemError(ENOSYS, 'io_uring_setup', undefined, reason ?? undefined);
  warnOnce(`io_uring is not available, AioFile uses Node's own thread pool: ${reason}`);
  return false;
}

function nothing(): void {
  // Who has called has a promise of the same end.
}

let warned = false;

function warnOnce(message: string): void {
  if (warned) return;
  warned = true;
  process.emitWarning(message, { code: 'BIODONE_NO_IO_URING' });
}
