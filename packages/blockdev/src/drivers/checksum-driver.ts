import { TailQueue } from '@biodone/sync';
import { EBUSY, ECANCELED, ENOTSUP, type IoBuffer, SystemError } from '@biodone/uring';
import { beginSubmit, biodone, endSubmit } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
import { type AbortVerdict, BLOCK_FLUSH, BLOCK_FUA, BLOCK_READ, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import type { DeviceSpec } from '../spec.js';
import type { ChecksumBatch } from './checksum-batch.js';
import { ChecksumCommit } from './checksum-commit.js';
import { BlockDigest } from './checksum-digest.js';
import { type ChecksumHeader, type ChecksumLayout, layoutOf, saltOf } from './checksum-layout.js';
import { ChecksumPages } from './checksum-pages.js';
import { ChecksumReads } from './checksum-reads.js';
import { ChecksumTable, ENTRY_BEFORE } from './checksum-table.js';

/** The longest transfer: one request. */
const TRANSFER_MAX_BYTES = 131072;

/** Frames that others can have while a batch has as many as it has blocks. */
const FRAMES_BESIDE = 64;

/** What makes the driver. */
export interface ChecksumParts {
  readonly device: BlockDevice;
  readonly claim: BlockClaim | null;
  readonly header: ChecksumHeader;
  readonly blockSizeBytes: number;
  readonly readOnly: boolean;
  readonly cacheBytes: number;
  readonly childrenMax: number;
  /** Lets go of the device below: called once, at the end. */
  readonly close: () => Promise<void>;
  /** Says in the header that all up to this batch is in its place. */
  readonly mark: (sequence: number) => Promise<void>;
}

/** What stands between a device whose blocks have checksums and the one below it. */
export class ChecksumDriver implements BlockDriver {
  readonly name = 'checksum';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly layout: ChecksumLayout;
  readonly digest: BlockDigest;
  readonly table: ChecksumTable;
  readonly commit: ChecksumCommit;
  readonly salt: number;
  /** The digest of the block that was found bad last. */
  readonly badDigest = { low: 0, high: 0 };
  /** How many reads have found a block that is not what was written. */
  found = 0;
  readonly #parts: ChecksumParts;
  readonly #reads: ChecksumReads;
  readonly #blockBytes: number;
  /** Writes that wait for room. */
  readonly #waiting = new TailQueue<BlockIo>();
  /**
   * Whether nobody is told that he is done before all is done that he has started: where the event loop alone gets on with that, a thread that then goes on
   * by strategySync would find it under way for ever.
   */
  readonly #holdsOn: boolean;
  #isGone = false;
  #unwatch: () => void = () => {};
  #idle: ((error: number) => void) | null = null;

  constructor(parts: ChecksumParts) {
    const { device, claim, header, readOnly, cacheBytes } = parts;
    const layout = layoutOf(header);
    const { blockBytes, pageBytes } = layout;
    const blocksMax = Math.max(1, Math.min(TRANSFER_MAX_BYTES / blockBytes, layout.journalBlocks));
    this.#parts = parts;
    this.#blockBytes = blockBytes;
    this.layout = layout;
    this.digest = new BlockDigest(Math.max(blockBytes, pageBytes, layout.journalHeaderBytes));
    this.salt = saltOf(header);
    const frames = Math.max(Math.floor(cacheBytes / pageBytes), layout.journalBlocks + FRAMES_BESIDE);
    this.table = new ChecksumTable(layout, this.digest, this.salt, frames);
    const pages = new ChecksumPages(device, claim, this.table, pageBytes);
    const shared = { device, claim, layout, table: this.table, pages, digest: this.digest, salt: this.salt };
    this.#holdsOn = device.capabilities.progress === 'event-loop';
    this.commit = new ChecksumCommit(
      { ...shared, holdsOn: this.#holdsOn, uuid: header.uuid, ended: (error) => this.#batchEnded(error) },
      header.appliedSequence,
    );
    this.#reads = new ChecksumReads({ ...shared, commit: this.commit, blocksMax, bad: () => this.#foundBad() });
    this.limits = {
      blockSizeBytes: parts.blockSizeBytes,
      sizeBytes: layout.blockCount * blockBytes,
      memoryAlignmentBytes: device.limits.memoryAlignmentBytes,
      transferUnitBytes: blockBytes,
      physicalBlockSizeBytes: Math.max(blockBytes, device.limits.physicalBlockSizeBytes),
      maxTransferBytes: blocksMax * blockBytes,
      maxInFlight: parts.childrenMax,
    };
    this.capabilities = {
      readOnly,
      progress: device.capabilities.progress === 'event-loop' ? 'event-loop' : 'any',
      fua: 'native',
      volatileCache: true,
      rotational: device.capabilities.rotational,
    };
  }

  start(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ) this.#reads.start(io);
    else if (operation === BLOCK_WRITE) this.#startWrite(io);
    else if (operation === BLOCK_FLUSH) this.commit.makeStable(io);
    else biodone(io, ENOTSUP);
  }

  startSync(io: BlockIo): void {
    const { operation } = io;
    if (operation === BLOCK_READ) io.error = this.#reads.runSync(io);
    else if (operation === BLOCK_WRITE) io.error = this.#writeSync(io);
    else io.error = operation === BLOCK_FLUSH ? this.#flushSync() : ENOTSUP;
  }

  abort(io: BlockIo): AbortVerdict {
    const isWaiting = io.queue === this.#waiting;
    if (isWaiting) this.#waiting.remove(io);
    // A write that is to be stable is done, but for that; nobody has been told.
    if (isWaiting || this.commit.remove(io)) {
      biodone(io, ECANCELED);
      return 'cancelled';
    }
    beginSubmit();
    try {
      return this.#reads.abort(io);
    } finally {
      endSubmit();
    }
  }

  poll(): number {
    return this.#parts.device.poll();
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.#parts.device.wait(timeoutMs);
  }

  describe(): Record<string, unknown> {
    const { header, blockSizeBytes, readOnly, device } = this.#parts;
    const { blockBytes, blockCount, journalBlocks } = this.layout;
    return {
      uuid: Buffer.from(header.uuid).toString('hex'),
      algorithm: 'fletcher, 64 bits',
      blockBytes,
      blockSizeBytes,
      sizeBytes: blockCount * blockBytes,
      journalBlocks,
      readOnly,
      badReads: this.found,
      device: device.describe(),
    };
  }

  config(): DeviceSpec {
    const { blockSizeBytes, readOnly, cacheBytes, childrenMax, device } = this.#parts;
    return { driver: 'checksum', device: device.config(), blockSizeBytes, readOnly, cacheBytes, childrenMax };
  }

  handle(): DeviceHandle {
    const message = 'what was written lies in the memory of one thread at first: let that thread serve the others';
    throw new SystemError(ENOTSUP, 'handle', undefined, message);
  }

  attached(events: DriverEvents): void {
    const { device } = this.#parts;
    const removed = (): void => {
      this.#isGone = true;
      events.removed();
    };
    const resized = (sizeBytes: number): void => {
      if (sizeBytes < this.layout.usedBytes) removed();
    };
    device.on('remove', removed).on('resize', resized);
    this.#unwatch = () => device.off('remove', removed).off('resize', resized);
  }

  async close(): Promise<void> {
    let failure: unknown = null;
    try {
      // Of a disk that was pulled, what was not flushed is lost.
      if (!this.#parts.readOnly && !this.#isGone) await this.#finish();
    } catch (error) {
      failure = error;
    }
    this.#unwatch();
    await this.#parts.close();
    if (failure !== null) throw failure;
  }

  /** What is wrong with a block that was read last, and was not right: its digest is in {@link digest} still. */
  causeOf(block: number): 'stale' | 'misdirected' | 'damaged' {
    const { low, high } = this.badDigest;
    const word = this.table.entry(block);
    if (word >= 0 && this.table.words[word + ENTRY_BEFORE] === low && low !== 0) return 'stale';
    return this.table.hasElsewhere(block, low, high) ? 'misdirected' : 'damaged';
  }

  /** Puts everything in its place, and says so in the header. @throws SystemError what that ended with */
  async settle(): Promise<void> {
    for (let round = 0; round < 3 && !this.commit.isClean; round++) {
      const error = await new Promise<number>((resolve) => {
        this.#idle = resolve;
        this.commit.start();
        if (this.commit.broken !== 0) resolve(this.commit.broken);
      });
      this.#idle = null;
      if (error !== 0)
        throw new SystemError(
          error,
          'close',
          undefined,
          'what is in the journal will be put in its place when it is opened again',
        );
    }
  }

  /** Puts a batch in its place that a journal held. Promises the errno. */
  recover(batch: ChecksumBatch): Promise<number> {
    return new Promise<number>((resolve) => {
      this.#idle = resolve;
      this.commit.recover(batch);
    }).finally(() => {
      this.#idle = null;
    });
  }

  async #finish(): Promise<void> {
    const before = this.#parts.header.appliedSequence;
    await this.settle();
    if (this.commit.sequence !== before) await this.#parts.mark(this.commit.sequence);
  }

  #startWrite(io: BlockIo): void {
    if (this.commit.broken !== 0) {
      biodone(io, this.commit.broken);
      return;
    }
    if (!this.#waiting.isEmpty || !this.#take(io)) {
      this.#waiting.insertTail(io);
      this.commit.start();
      // The other batch may have room now.
      if (io.queue === this.#waiting && !(this.#holdsOn && this.commit.isBusy)) this.#serve();
      return;
    }
    this.#written(io);
  }

  /** Takes the blocks of a write, if there is room for all of them. */
  #take(io: BlockIo): boolean {
    const { active } = this.commit;
    const first = io.offset / this.#blockBytes;
    const count = io.lengthBytes / this.#blockBytes;
    if (active.room < count && active.room < active.lacks(first, count)) return false;
    for (let index = 0; index < count; index++) {
      active.put(first + index, io.buffer as IoBuffer, io.bufferOffset + index * this.#blockBytes);
    }
    io.transferredBytes = io.lengthBytes;
    return true;
  }

  #written(io: BlockIo): void {
    if ((io.flags & BLOCK_FUA) !== 0) this.commit.makeStable(io);
    else biodone(io, 0);
  }

  #writeSync(io: BlockIo): number {
    if (this.commit.broken !== 0) return this.commit.broken;
    if (!this.#waiting.isEmpty || !this.#take(io)) {
      const error = this.#runCommit();
      if (error !== 0) return error;
      if (!this.#waiting.isEmpty || !this.#take(io)) return EBUSY;
    }
    return (io.flags & BLOCK_FUA) !== 0 ? this.#flushSync() : 0;
  }

  #flushSync(): number {
    return this.commit.isClean && !this.commit.isBusy ? this.commit.broken : this.#runCommit();
  }

  #runCommit(): number {
    const { device } = this.#parts;
    // What is under way is to be waited for, where waiting does it: it may be nobody's request any more.
    while (this.commit.isBusy && device.capabilities.progress !== 'event-loop' && device.inFlight > 0) {
      const ended = device.wait(Number.POSITIVE_INFINITY);
      if (typeof ended !== 'number' || ended === 0) break;
    }
    return this.commit.isBusy ? EBUSY : this.commit.runSync();
  }

  /** Serves who has waited for a batch to be in its place. Returns whether somebody waits still. */
  #batchEnded(error: number): boolean {
    if (error === 0) this.#reads.settled();
    for (let io = this.#waiting.first; io !== null; io = this.#waiting.first) {
      const isTaken = error === 0 && this.#take(io);
      if (error === 0 && !isTaken) break;
      this.#waiting.remove(io);
      if (isTaken) this.#written(io);
      else biodone(io, error);
    }
    const done = this.#idle;
    done?.(error);
    return !this.#waiting.isEmpty;
  }

  #serve(): void {
    this.#batchEnded(this.commit.broken);
  }

  #foundBad(): void {
    this.found += 1;
    this.badDigest.low = this.digest.low;
    this.badDigest.high = this.digest.high;
  }
}
