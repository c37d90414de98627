import { EBUSY, SystemError } from '@biodone/uring';
import { BLOCK_EXTENTS, BLOCK_FLUSH, BLOCK_READ, type BlockIo, type ClaimToken } from './block-io.js';
import type { SharedState } from './shared-state.js';

/**
 * What a claim lets others do:
 * - `'read-many-write-none'`: everybody reads, nobody writes, not even who has claimed. Several may hold it.
 * - `'read-many-write-one'`: everybody reads, its holder writes.
 * - `'read-many-write-shared'`: everybody reads, all who have claimed with the same key write.
 * - `'exclusive'`: its holder alone reads and writes.
 */
export type ClaimKind = 'read-many-write-none' | 'read-many-write-one' | 'read-many-write-shared' | 'exclusive';

const KINDS: readonly ClaimKind[] = ['read-many-write-none', 'read-many-write-one', 'read-many-write-shared', 'exclusive'];
const WRITE_NONE = 0;
const SHARED = 2;
const EXCLUSIVE = 3;

/** A right to a device, given by {@link BlockDevice.claim}: requests that carry it in `claim` may do what it reserves. */
export class BlockClaim implements ClaimToken {
  /** 0 once it has been released: then it gives no right, also if others hold the claim on. */
  readonly id: number;
  readonly kind: ClaimKind;
  readonly #release: () => void;
  #held = true;

  /** @internal */
  constructor(id: number, kind: ClaimKind, release: () => void) {
    this.id = id;
    this.kind = kind;
    this.#release = release;
  }

  /** Gives the right back. Requests that are under way go on. Idempotent. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    (this as { id: number }).id = 0;
    this.#release();
  }
}

/** The claims on one open device, by the channel through which they are made. */
export class Claims {
  readonly #state: SharedState;
  #holders = 0;
  #key: string | undefined;

  constructor(state: SharedState) {
    this.#state = state;
  }

  /** @throws SystemError EBUSY if somebody holds a claim that does not go with it; TypeError ERR_INVALID_ARG_VALUE */
  claim(kind: ClaimKind, device: string, key?: string): BlockClaim {
    const number = KINDS.indexOf(kind);
    if (number < 0) throw invalid(`a claim's kind is one of ${KINDS.join(', ')}. Received '${kind}'`);
    if (kind === 'read-many-write-shared' && typeof key !== 'string') {
      throw invalid(`a claim 'read-many-write-shared' needs a key, a string that all who share it have: claim(kind, key)`);
    }
    if (kind !== 'read-many-write-shared' && key !== undefined) {
      throw invalid(`a claim '${kind}' has no key: a key belongs to 'read-many-write-shared'`);
    }
    const state = this.#state;
    if (state.claimId !== 0) {
      const joins = number === state.claimKind && (number === WRITE_NONE || number === SHARED) && key === this.#key;
      if (!joins || this.#holders === 0) {
        const held = KINDS[state.claimKind] as ClaimKind;
        throw new SystemError(
          EBUSY,
          'claim',
          device,
          `somebody has claimed it as '${held}': release() that claim, or close the device that holds it, first`,
        );
      }
    } else {
      state.claim(number);
      this.#key = key;
    }
    this.#holders += 1;
    return new BlockClaim(state.claimId, kind, () => this.#release());
  }

  #release(): void {
    this.#holders -= 1;
    if (this.#holders === 0) this.#state.unclaim();
  }
}

/** Whether a request that does not hold the claim on its device may be started. */
export function isAllowed(io: BlockIo, state: SharedState, own: number): boolean {
  // Whoever writes JavaScript may leave it undefined.
  const id = io.claim ? io.claim.id : own;
  const kind = state.claimKind;
  const reads = io.operation === BLOCK_READ || io.operation === BLOCK_EXTENTS;
  // A flush changes nothing, and a stack on a read-only device passes flushes down.
  if (kind === WRITE_NONE) return reads || io.operation === BLOCK_FLUSH;
  return id === state.claimId || (reads && kind !== EXCLUSIVE);
}

function invalid(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
}
