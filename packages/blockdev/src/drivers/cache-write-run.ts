import { EIO, IoBuffer } from '@biodone/uring';
import { BLOCK_WRITE, BlockIo } from '../block-io.js';
import type { CacheCore } from './cache-core.js';
import { NO_SLOT } from './cache-index.js';
import type { CacheLines } from './cache-lines.js';
import type { CacheState } from './cache-state.js';

/** Dirty lines side by side, on their way to the device below. */
export interface WriteRun {
  readonly line: number;
  readonly count: number;
  /** When the first of its lines became dirty. */
  readonly dirtiedAt: number;
  /** Takes a dirty line and its dirty neighbours. */
  load(slot: number): void;
  /** Writes them. Returns whether that is done already; otherwise it is told later. */
  start(): boolean;
  /** Writes them in the calling thread. */
  startSync(): void;
  /** Marks the lines as what they are now, and returns the errno. */
  settle(): number;
}

/** Makes a run of so many lines at most, and whom it tells of its end. */
export type MakeRun = (linesMax: number, done: (run: WriteRun) => void) => WriteRun;

/**
 * Neighbouring dirty lines on their way to the device below, as one write. It takes a copy of them: who writes to a line meanwhile need not wait,
 * and what the device below sees does not change under its hands, which a mirror or a checksum there could not bear.
 */
export class CacheWriteRun implements WriteRun {
  readonly io: BlockIo = new BlockIo();
  line = 0;
  count = 0;
  dirtiedAt = 0;
  /** The log's moment at which its lines were copied. */
  #moment = 0;
  readonly #core: CacheCore;
  readonly #linesMax: number;
  readonly #done: (run: WriteRun) => void;
  #staging: IoBuffer | null = null;

  constructor(core: CacheCore, linesMax: number, done: (run: WriteRun) => void) {
    this.#core = core;
    this.#linesMax = linesMax;
    this.#done = done;
    this.io.claim = core.claim;
    this.io.private = this;
  }

  load(slot: number): void {
    const { store } = this.#core;
    const { index } = store;
    const wanted = index.lineOf(slot);
    let first = wanted;
    while (wanted - first + 1 < this.#linesMax && isFree(this.#core, first - 1)) first -= 1;
    this.line = first;
    this.count = 0;
    this.#moment = this.#core.logMap?.moment ?? 0;
    this.dirtiedAt = Number.POSITIVE_INFINITY;
    this.#staging ??= IoBuffer.allocate(this.#linesMax * store.lineBytes);
    let lengthBytes = 0;
    for (let line = first; this.count < this.#linesMax && isFree(this.#core, line); line++) {
      const each = index.find(line);
      store.copyOut(each, 0, this.#staging, lengthBytes, store.lengthOf(line));
      this.dirtiedAt = Math.min(this.dirtiedAt, index.dirtiedAt(each));
      index.beginWriting(each);
      lengthBytes += store.lengthOf(line);
      this.count += 1;
    }
    const { io } = this;
    io.operation = BLOCK_WRITE;
    io.offset = first * store.lineBytes;
    io.lengthBytes = lengthBytes;
    io.buffer = this.#staging;
  }

  start(): boolean {
    return this.#core.device.startNested(this.io, runDone);
  }

  startSync(): void {
    this.#core.device.strategySync(this.io);
  }

  settle(): number {
    const { store, counters } = this.#core;
    const { error, transferredBytes, lengthBytes } = this.io;
    const failure = error !== 0 ? error : transferredBytes < lengthBytes ? EIO : 0;
    for (let line = this.line; line < this.line + this.count; line++) {
      const slot = store.index.find(line);
      // Nothing but the device below has it now, where it is not stable yet.
      if (!store.index.isLogged(slot)) this.#core.unstableBelow = true;
      if (failure === 0) this.#core.logMap?.writtenBack(line, this.#moment);
      store.index.endWriting(slot, failure !== 0);
    }
    counters.writeBacks += 1;
    if (failure === 0) counters.writtenBackBytes += lengthBytes;
    return failure;
  }

  /** For the iodone alone. */
  finish(): void {
    this.#done(this);
  }
}

/** Whether a line is dirty, and can be written back now. */
export function isFree(core: CacheState<CacheLines>, line: number): boolean {
  const { index } = core.store;
  const slot = line < 0 ? NO_SLOT : index.find(line);
  return slot !== NO_SLOT && index.isDirty(slot) && !index.isWriting(slot) && !core.isThrough(line);
}

function runDone(io: BlockIo): void {
  const run = io.private as CacheWriteRun;
  run.finish();
}
