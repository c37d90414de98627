import { EIO, IoBuffer } from '@biodone/uring';
import { BLOCK_READ, BLOCK_WRITE, BlockIo } from '../block-io.js';
import type { CacheDeviceCore } from './cache-device-core.js';
import { isFree, type WriteRun } from './cache-write-run.js';

/** Neighbouring dirty lines on their way from the cache device, through memory, to the device below, where they are one write. */
export class CacheDeviceRun implements WriteRun {
  line = 0;
  count = 0;
  dirtiedAt = 0;
  readonly #io: BlockIo = new BlockIo();
  readonly #core: CacheDeviceCore;
  readonly #linesMax: number;
  readonly #done: (run: WriteRun) => void;
  readonly #settled: (isSync: boolean) => void;
  #staging: IoBuffer | null = null;
  /** How many of its lines are in memory. */
  #read = 0;
  #error = 0;
  #isSync = false;

  /** @param settled told of each run that has ended */
  constructor(core: CacheDeviceCore, linesMax: number, done: (run: WriteRun) => void, settled: (isSync: boolean) => void) {
    this.#core = core;
    this.#linesMax = linesMax;
    this.#done = done;
    this.#settled = settled;
    this.#io.private = this;
  }

  load(slot: number): void {
    const { failure, store } = this.#core;
    const { index } = store;
    // After a failure each line goes by itself: what cannot be read of one is not to keep its neighbours here.
    const most = failure === 0 ? this.#linesMax : 1;
    let first = index.lineOf(slot);
    while (index.lineOf(slot) - first + 1 < most && isFree(this.#core, first - 1)) first -= 1;
    this.line = first;
    this.count = 0;
    this.dirtiedAt = Number.POSITIVE_INFINITY;
    this.#read = 0;
    this.#error = 0;
    for (let line = first; this.count < most && isFree(this.#core, line); line++) {
      const each = index.find(line);
      this.dirtiedAt = Math.min(this.dirtiedAt, index.dirtiedAt(each));
      index.beginWriting(each);
      this.count += 1;
    }
  }

  start(): boolean {
    this.#isSync = false;
    while (this.#isUnderWay()) {
      const device = this.#aim();
      if (!device.startNested(this.#io, childDone)) return false;
      this.#absorb();
    }
    return true;
  }

  startSync(): void {
    this.#isSync = true;
    while (this.#isUnderWay()) {
      this.#aim().strategySync(this.#io);
      this.#absorb();
    }
  }

  settle(): number {
    const { counters, map, store } = this.#core;
    for (let line = this.line; line < this.line + this.count; line++) {
      const slot = store.index.find(line);
      // Nothing but the device below has it now, where it is not stable yet.
      if (!map.stays(slot)) this.#core.unstableBelow = true;
      else if (this.#error === 0) map.settled += 1;
      store.index.endWriting(slot, this.#error !== 0);
    }
    counters.writeBacks += 1;
    if (this.#error === 0) counters.writtenBackBytes += store.lengthOfLines(this.line, this.count);
    this.#settled(this.#isSync);
    return this.#error;
  }

  /** For the iodone alone. */
  advance(): void {
    this.#absorb();
    if (this.start()) this.#done(this);
  }

  #isUnderWay(): boolean {
    return this.#error === 0 && this.#read <= this.count;
  }

  /** Makes the request the next one: lines that lie together on the cache device, or all of them to the device below. */
  #aim(): CacheDeviceCore['device'] {
    const { claim, device, fast, fastClaim, store } = this.#core;
    const io = this.#io;
    const { lineBytes } = store;
    this.#staging ??= IoBuffer.allocate(this.#linesMax * lineBytes);
    io.buffer = this.#staging;
    if (this.#read === this.count) {
      io.operation = BLOCK_WRITE;
      io.claim = claim;
      io.bufferOffset = 0;
      io.offset = this.line * lineBytes;
      io.lengthBytes = store.lengthOfLines(this.line, this.count);
      return device;
    }
    const first = this.line + this.#read;
    const slot = store.index.find(first);
    const run = store.runOf(slot, first, this.line + this.count);
    io.operation = BLOCK_READ;
    io.claim = fastClaim;
    io.bufferOffset = this.#read * lineBytes;
    io.offset = store.dataOffset + slot * lineBytes;
    io.lengthBytes = store.lengthOfLines(first, run);
    return fast;
  }

  #absorb(): void {
    const { error, lengthBytes, operation, transferredBytes } = this.#io;
    this.#error = error !== 0 ? error : transferredBytes < lengthBytes ? EIO : 0;
    if (operation === BLOCK_WRITE) this.#read += 1;
    else this.#read += Math.ceil(lengthBytes / this.#core.store.lineBytes);
  }
}

function childDone(io: BlockIo): void {
  const run = io.private as CacheDeviceRun;
  run.advance();
}
