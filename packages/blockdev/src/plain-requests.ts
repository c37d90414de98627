import { BLOCK_READ, BLOCK_WRITE, type BlockIo } from './block-io.js';
import { isAllowed } from './claims.js';
import type { BlockLimits } from './limits.js';
import type { SharedState } from './shared-state.js';

/** What {@link PlainRequests} are held against. */
export interface PlainBounds {
  readonly limits: Required<BlockLimits>;
  /** Where reads and writes end; -1 where none is plain. */
  readonly readEnd: number;
  readonly writeEnd: number;
}

/**
 * Which requests are what most are: a read, or a write that need not be stable, of one part of memory, which the driver can have as it is,
 * of a device in no special state. All that is looked at here is looked at by `checkRequest` and the layer too, which tell what is wrong;
 * here it is put so that it takes little time.
 */
export class PlainRequests {
  readonly #state: SharedState;
  readonly #ownClaimId: number;
  #readEnd = -1;
  #writeEnd = -1;
  #maxBytes = 0;
  /** Whether a claim is held, so that each request is asked by what right it comes. */
  #claimed = false;
  /** Whether the driver takes any byte as the first and the last. */
  #anyhow = false;
  #unit = 1;
  #memoryAlignment = 1;
  #boundary = 0;

  constructor(state: SharedState, ownClaimId: number) {
    this.#state = state;
    this.#ownClaimId = ownClaimId;
  }

  /** Takes new bounds, and looks whether the device is claimed. */
  set({ limits, readEnd, writeEnd }: PlainBounds): void {
    this.#readEnd = readEnd;
    this.#writeEnd = writeEnd;
    this.#claimed = this.#state.claimId !== 0;
    this.#maxBytes = limits.maxTransferBytes;
    this.#unit = limits.transferUnitBytes;
    this.#memoryAlignment = limits.memoryAlignmentBytes;
    this.#boundary = limits.boundaryBytes;
    this.#anyhow = this.#unit === 1 && this.#memoryAlignment === 1 && this.#boundary === 0;
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

  #fits(offset: number, lengthBytes: number, address: number, bufferOffset: number): boolean {
    const alignment = this.#memoryAlignment;
    if (!isMultiple(offset, this.#unit) || !isMultiple(lengthBytes, this.#unit)) return false;
    if (alignment !== 1 && !isMultiple(address + bufferOffset, alignment)) return false;
    return this.#boundary === 0 || (offset % this.#boundary) + lengthBytes <= this.#boundary;
  }
}

/** As `value % unit === 0`, for numbers below 2^53: the remainder of what is no 32-bit integer is a call of a C function. */
export function isMultiple(value: number, unit: number): boolean {
  return Math.floor(value / unit) * unit === value;
}
