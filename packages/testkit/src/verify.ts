import {
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE_ZEROES,
  BlockDevice,
  type BlockDeviceOptions,
  type BlockIo,
} from '@biodone/blockdev';
import { EINVAL, SystemError } from '@biodone/uring';
import { EILSEQ } from './errno.js';
import { FilterDriver } from './filter-driver.js';
import { bytesOf } from './request-memory.js';

/** What a read has returned that nobody had written there. */
export interface Mismatch {
  /** Of the first wrong byte, on the device. */
  readonly offset: number;
  readonly expected: number;
  readonly found: number;
  /** The read. */
  readonly readOffset: number;
  readonly readLengthBytes: number;
}

/** Options of {@link openVerify}. */
export interface VerifyOptions extends BlockDeviceOptions {
  /** What the device holds at first: zeros, or what the first read of each byte finds. @default 'unknown' */
  readonly contents?: 'zeros' | 'unknown';
  /** Is told of each read that was wrong. */
  readonly onMismatch?: (mismatch: Mismatch) => void;
}

/** A device that checks what it reads: see {@link openVerify}. */
export class VerifyDevice extends BlockDevice {
  readonly #driver: VerifyDriver;

  /** @internal */
  constructor(driver: VerifyDriver, options: BlockDeviceOptions) {
    super(driver, options);
    this.#driver = driver;
  }

  /** What was wrong in the first read that was; null if none was. */
  get firstMismatch(): Mismatch | null {
    return this.#driver.firstMismatch;
  }
}

/**
 * Puts a device over another one that remembers in memory what was written, and compares every read with it. A read that is wrong completes
 * with EILSEQ, and how much of it was right in `transferredBytes`. Bytes of writes that overlapped each other in flight, of writes that
 * failed and of discards can be this or that, and are not compared until they have been written or read again.
 *
 * @throws SystemError EINVAL for a device without a fixed end
 */
export function openVerify(child: BlockDevice, options: VerifyOptions = {}): VerifyDevice {
  return new VerifyDevice(new VerifyDriver(child, options), options);
}

const LEARN = 0;
const KNOWN = 1;
/** What was discarded can change from read to read. */
const UNDEFINED = 2;

interface Range {
  readonly begin: number;
  readonly end: number;
}

/** A request that is under way. */
interface Running extends Range {
  readonly modifies: boolean;
  /** Where writes have touched what it touches. */
  readonly contested: Range[];
}

class VerifyDriver extends FilterDriver {
  firstMismatch: Mismatch | null = null;
  readonly #model: Uint8Array;
  readonly #state: Uint8Array;
  readonly #running = new Map<BlockIo, Running>();
  readonly #onMismatch: ((mismatch: Mismatch) => void) | undefined;

  constructor(child: BlockDevice, { contents = 'unknown', onMismatch }: VerifyOptions) {
    super('verify', child);
    const { sizeBytes } = child.limits;
    if (sizeBytes === null) throw new SystemError(EINVAL, 'open', undefined, 'a verify device needs one with a fixed size');
    this.#model = new Uint8Array(sizeBytes);
    this.#state = new Uint8Array(sizeBytes).fill(contents === 'zeros' ? KNOWN : LEARN);
    this.#onMismatch = onMismatch;
  }

  override start(io: BlockIo): void {
    this.#begin(io);
    super.start(io);
  }

  override startSync(io: BlockIo): void {
    this.#begin(io);
    super.startSync(io);
  }

  protected override passed(io: BlockIo, below: BlockIo): number {
    const running = this.#running.get(io);
    if (running === undefined) return below.error;
    this.#running.delete(io);
    if (io.operation === BLOCK_READ) return below.error === 0 ? this.#compare(io, running) : below.error;
    this.#modified(io, running, below.error);
    return below.error;
  }

  #begin(io: BlockIo): void {
    if (io.operation === BLOCK_FLUSH || io.operation === BLOCK_EXTENTS) return;
    const { offset: begin, lengthBytes } = io;
    const modifies = io.operation !== BLOCK_READ;
    const running: Running = { begin, end: begin + lengthBytes, modifies, contested: [] };
    for (const other of this.#running.values()) {
      if (other.begin >= running.end || running.begin >= other.end || !(other.modifies || modifies)) continue;
      if (modifies) other.contested.push(running);
      if (other.modifies) running.contested.push(other);
    }
    this.#running.set(io, running);
  }

  #modified(io: BlockIo, { begin, end, contested }: Running, error: number): void {
    // One that did not compare has written nothing, but that is what the device says of itself.
    if (error === EILSEQ && io.operation === BLOCK_COMPARE_AND_WRITE) return;
    this.#state.fill(error !== 0 ? LEARN : io.operation === BLOCK_DISCARD ? UNDEFINED : KNOWN, begin, end);
    if (io.operation === BLOCK_WRITE_ZEROES) this.#model.fill(0, begin, end);
    // What lies behind the size that the device had at its opening is not checked.
    else if (io.operation !== BLOCK_DISCARD)
      this.#model.set(bytesOf(io).subarray(0, Math.max(0, this.#model.length - begin)), Math.min(begin, this.#model.length));
    for (const range of contested) this.#state.fill(LEARN, Math.max(begin, range.begin), Math.min(end, range.end));
  }

  #compare(io: BlockIo, { begin, contested }: Running): number {
    const bytes = bytesOf(io);
    for (let index = 0; index < io.transferredBytes; index++) {
      const at = begin + index;
      const found = bytes[index] as number;
      if (at >= this.#model.length || this.#state[at] === UNDEFINED) continue;
      if (contested.some((range) => at >= range.begin && at < range.end)) continue;
      if (this.#state[at] === LEARN) {
        this.#state[at] = KNOWN;
        this.#model[at] = found;
      } else if (this.#model[at] !== found) {
        this.#report({
          offset: at,
          expected: this.#model[at] as number,
          found,
          readOffset: begin,
          readLengthBytes: io.lengthBytes,
        });
        io.transferredBytes = index;
        return EILSEQ;
      }
    }
    return 0;
  }

  #report(mismatch: Mismatch): void {
    this.firstMismatch ??= mismatch;
    this.#onMismatch?.(mismatch);
  }
}
