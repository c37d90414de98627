import {
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_WRITE_ZEROES,
  BlockDevice,
  type BlockDeviceOptions,
  type BlockIo,
} from '@biodone/blockdev';
import { SystemError } from '@biodone/uring';
import { FilterDriver } from './filter-driver.js';
import type { SeededRandom } from './random.js';
import { bytesOf } from './request-memory.js';
import { runSync, writeRequest } from './requests.js';

/** Something that has changed a device, or made a change stable, in the order of completion. */
export interface LogEntry {
  readonly kind: 'write' | 'zeroes' | 'discard' | 'flush';
  readonly offset: number;
  readonly lengthBytes: number;
  /** What was written. */
  readonly bytes: Uint8Array | null;
  /** Whether it was stable by itself. */
  readonly fua: boolean;
  /** For a flush: how many entries there were when it was started. Those it has made stable. */
  readonly covers: number;
}

/** A device that writes down what is written: see {@link openLogWrites}. */
export class LogWritesDevice extends BlockDevice {
  readonly #driver: LogWritesDriver;

  /** @internal */
  constructor(driver: LogWritesDriver, options: BlockDeviceOptions) {
    super(driver, options);
    this.#driver = driver;
  }

  /** What has happened, in the order of completion. What failed is not in it. */
  get log(): readonly LogEntry[] {
    return this.#driver.log;
  }

  /** How many entries there are up to each flush, that one included: where to replay to. */
  get flushPoints(): readonly number[] {
    return this.log.flatMap(({ kind }, index) => (kind === 'flush' ? [index + 1] : []));
  }

  /**
   * Makes another device hold what this one held after so many entries. Discards write zeros there.
   *
   * @throws SystemError with the errno of a write that failed
   */
  replay(target: BlockDevice, upTo: number = this.log.length): void {
    for (const entry of this.log.slice(0, upTo)) apply(target, entry);
  }

  /**
   * Makes another device hold what a power failure after so many entries could have left: all that a flush or BLOCK_FUA has made stable, in
   * order, and of the rest what `random` chooses. Returns which entries are in it.
   *
   * @throws SystemError with the errno of a write that failed
   */
  replayCrash(target: BlockDevice, upTo: number, random: SeededRandom): readonly number[] {
    const entries = this.log.slice(0, upTo);
    const stableCount = entries.reduce((most, { kind, covers }) => (kind === 'flush' ? Math.max(most, covers) : most), 0);
    const kept: number[] = [];
    for (const [index, entry] of entries.entries()) {
      if (index >= stableCount && !entry.fua && !random.chance(0.5)) continue;
      apply(target, entry);
      kept.push(index);
    }
    return kept;
  }

  /** Forgets the log. */
  clearLog(): void {
    this.#driver.log.length = 0;
  }
}

/** Puts a device over another one that keeps in memory what is written, as dm-log-writes does, for tests of what a crash leaves. */
export function openLogWrites(child: BlockDevice, options: BlockDeviceOptions = {}): LogWritesDevice {
  return new LogWritesDevice(new LogWritesDriver(child), options);
}

class LogWritesDriver extends FilterDriver {
  readonly log: LogEntry[] = [];
  readonly #covers = new Map<BlockIo, number>();

  constructor(child: BlockDevice) {
    super('log-writes', child);
  }

  override start(io: BlockIo): void {
    if (io.operation === BLOCK_FLUSH) this.#covers.set(io, this.log.length);
    super.start(io);
  }

  override startSync(io: BlockIo): void {
    if (io.operation === BLOCK_FLUSH) this.#covers.set(io, this.log.length);
    super.startSync(io);
  }

  protected override passed(io: BlockIo, below: BlockIo): number {
    const covers = this.#covers.get(io) ?? 0;
    this.#covers.delete(io);
    const { operation, offset, lengthBytes, flags } = io;
    if (below.error !== 0 || operation === BLOCK_READ || operation === BLOCK_EXTENTS) return below.error;
    const kind = KINDS.get(operation) ?? 'write';
    const isFlush = kind === 'flush';
    this.log.push({
      kind,
      offset: isFlush ? 0 : offset,
      lengthBytes: isFlush ? 0 : lengthBytes,
      bytes: kind === 'write' ? bytesOf(io) : null,
      fua: (flags & BLOCK_FUA) !== 0,
      covers,
    });
    return 0;
  }
}

const KINDS: ReadonlyMap<number, LogEntry['kind']> = new Map([
  [BLOCK_FLUSH, 'flush'],
  [BLOCK_DISCARD, 'discard'],
  [BLOCK_WRITE_ZEROES, 'zeroes'],
]);

function apply(target: BlockDevice, { kind, offset, lengthBytes, bytes }: LogEntry): void {
  if (kind === 'flush') return;
  const { error } = runSync(target, writeRequest(offset, bytes ?? new Uint8Array(lengthBytes)));
  if (error !== 0) throw new SystemError(error, 'replay');
}
