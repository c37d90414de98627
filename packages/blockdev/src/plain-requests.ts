import type { BatchClock } from './batch-clock.js';
import {
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockIo,
  type BlockIoOwner,
  type BlockOperation,
  IO_DONE,
  IO_STARTED,
} from './block-io.js';
import { isAllowed } from './claims.js';
import type { DriverPort } from './driver-port.js';
import type { BlockLimits } from './limits.js';
import type { SharedState } from './shared-state.js';
import type { Counters } from './statistics.js';

/** What {@link PlainRequests} are held against. */
export interface PlainBounds {
  readonly limits: Required<BlockLimits>;
  /** Where reads and writes end; -1 where none is plain. */
  readonly readEnd: number;
  readonly writeEnd: number;
}

/** What {@link PlainRequests} need of the device that they are made to. */
export interface PlainParts {
  readonly state: SharedState;
  readonly ownClaimId: number;
  /** What a request's `device` is while it is in flight. */
  readonly owner: BlockIoOwner;
  readonly port: DriverPort;
  readonly counters: Counters;
  readonly clock: BatchClock;
}

/**
 * Which requests are what most are: a read, or a write that need not be stable, of one part of memory, which the driver can have as it is,
 * of a device in no special state. All that is looked at here is looked at by `checkRequest` and the layer too, which tell what is wrong;
 * here it is put so that it takes little time.
 *
 * The synchronous ones run from here too, with what they need side by side in this object: a read of cached data takes a microsecond, and the
 * kernel's copying leaves little in the processor's caches, so each line of memory that is looked at beside it counts.
 */
export class PlainRequests {
  // What is looked at for every request comes first, then what synchronous ones need besides.
  readonly #state: SharedState;
  #readEnd = -1;
  #writeEnd = -1;
  #maxBytes = 0;
  /** Whether a claim is held, so that each request is asked by what right it comes. */
  #claimed = false;
  /** Whether the driver takes any byte as the first and the last. */
  #anyhow = false;
  readonly #clock: BatchClock;
  readonly #owner: BlockIoOwner;
  readonly #port: DriverPort;
  /** How many synchronous requests have moved as many bytes as the last one, which are not in the counters yet. */
  #repeats = 0;
  #operation: BlockOperation = BLOCK_READ;
  #bytes = 0;
  readonly #counters: Counters;
  readonly #ownClaimId: number;
  #unit = 1;
  /** One less than a unit that is a power of two, as most are; -1 for another. */
  #unitMask = 0;
  #memoryAlignment = 1;
  #boundary = 0;

  constructor({ state, ownClaimId, owner, port, counters, clock }: PlainParts) {
    this.#state = state;
    this.#ownClaimId = ownClaimId;
    this.#owner = owner;
    this.#port = port;
    this.#counters = counters;
    this.#clock = clock;
  }

  /** Takes new bounds, and looks whether the device is claimed. */
  set({ limits, readEnd, writeEnd }: PlainBounds): void {
    this.#readEnd = readEnd;
    this.#writeEnd = writeEnd;
    this.#claimed = this.#state.claimId !== 0;
    this.#maxBytes = limits.maxTransferBytes;
    this.#unit = limits.transferUnitBytes;
    const isPowerOfTwo = this.#unit <= 2 ** 30 && (this.#unit & (this.#unit - 1)) === 0;
    this.#unitMask = isPowerOfTwo ? this.#unit - 1 : -1;
    this.#memoryAlignment = limits.memoryAlignmentBytes;
    this.#boundary = limits.boundaryBytes;
    this.#anyhow = this.#unit === 1 && this.#memoryAlignment === 1 && this.#boundary === 0;
  }

  /** Runs a request in the calling thread, and returns with it done; or, if it is none of these, false with nothing changed. */
  run(io: BlockIo): boolean {
    if (io.state === IO_STARTED || io.queue !== null || !this.has(io)) return false;
    const clock = this.#clock;
    const startedAtUs = clock.current();
    io.state = IO_STARTED;
    io.error = 0;
    io.transferredBytes = 0;
    if (io.device !== this.#owner) io.device = this.#owner;
    this.#port.startSync(io);
    io.state = IO_DONE;
    // One that ends on the reading of the clock on which it began has taken no time, and mostly is as the one before.
    const isSame = io.transferredBytes === this.#bytes && io.operation === this.#operation && io.error === 0;
    if (--clock.left >= 0 && clock.us === startedAtUs && isSame) this.#repeats += 1;
    else this.#count(io, startedAtUs);
    return true;
  }

  /** Adds what is only counted here to the device's counters. */
  settle(): void {
    this.#counters.add(this.#operation, this.#bytes, this.#repeats);
    this.#repeats = 0;
  }

  has(io: BlockIo): boolean {
    const { operation, buffer, bufferOffset, offset, lengthBytes } = io;
    if (io.flags !== 0 || io.vector !== null || !buffer || this.#state.stale) return false;
    // Operators throw at what cannot be made a number, as a BigInt, and nothing may throw here.
    if (typeof lengthBytes !== 'number' || typeof bufferOffset !== 'number') return false;
    // What is no integer of 32 bits is not the same as one that is made of it. Larger ones go the other way.
    if (lengthBytes >>> 0 !== lengthBytes || bufferOffset >>> 0 !== bufferOffset || lengthBytes > this.#maxBytes) return false;
    const end = operation === BLOCK_READ ? this.#readEnd : operation === BLOCK_WRITE ? this.#writeEnd : -1;
    if (!(Number.isSafeInteger(offset) && offset >= 0 && offset <= end - lengthBytes)) return false;
    // What is no IoBuffer has no such members, and no number is less than undefined.
    const bufferBytes = buffer.isShared ? buffer.lengthBytes : (buffer.bytes?.length as number);
    if (!(bufferOffset <= bufferBytes - lengthBytes)) return false;
    if (this.#claimed && !isAllowed(io, this.#state, this.#ownClaimId)) return false;
    return this.#anyhow || this.#fits(offset, lengthBytes, buffer.address, bufferOffset);
  }

  #count(io: BlockIo, startedAtUs: number): void {
    const { operation, error, transferredBytes } = io;
    const clock = this.#clock;
    if (clock.left < 0) clock.read();
    this.settle();
    this.#counters.done(operation, error, transferredBytes, (clock.us - startedAtUs) | 0);
    this.#operation = operation;
    this.#bytes = transferredBytes;
  }

  #isInUnits(offset: number, lengthBytes: number): boolean {
    return isMultiple(offset, this.#unit) && isMultiple(lengthBytes, this.#unit);
  }

  #fits(offset: number, lengthBytes: number, address: number, bufferOffset: number): boolean {
    const alignment = this.#memoryAlignment;
    const mask = this.#unitMask;
    // The operator takes the lower 32 bits of a number, whatever its size.
    if (mask >= 0 ? ((offset | lengthBytes) & mask) !== 0 : !this.#isInUnits(offset, lengthBytes)) return false;
    if (alignment !== 1 && !isMultiple(address + bufferOffset, alignment)) return false;
    return this.#boundary === 0 || (offset % this.#boundary) + lengthBytes <= this.#boundary;
  }
}

/** As `value % unit === 0`, for numbers below 2^53: the remainder of what is no 32-bit integer is a call of a C function. */
export function isMultiple(value: number, unit: number): boolean {
  return Math.floor(value / unit) * unit === value;
}
