import { EROFS, IoBuffer, SystemError } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, BlockIo, type BlockOperation } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import { runIo } from './child-device.js';
import { type CowLabel, fingerprint } from './cow-label.js';
import type { CowStore } from './cow-store.js';
import type { CowParts } from './cow-transfers.js';

/** The overlay that is kept, as far as it has a label. */
export interface KeptOverlay {
  readonly store: CowStore;
  label: CowLabel;
}

/**
 * Copies an overlay into its base. The label says so before the first block is copied; the blocks stay in the overlay until all of them are stable in
 * the base. So one that is interrupted reads as it did before, and is done again from the beginning.
 */
export async function commitOverlay(parts: CowParts, kept: KeptOverlay | null): Promise<void> {
  const { base, claims, map } = parts;
  if (base.capabilities.readOnly) throw new SystemError(EROFS, 'commit', undefined, 'the base is open for reading alone');
  claimForWriting(parts);
  try {
    if (kept !== null) await relabel(kept, { ...kept.label, committing: true });
    const memory = IoBuffer.allocate(parts.blockBytes);
    for (const block of map.blocks()) await copyBlock(parts, block, memory);
    await run(base, claims.base, BLOCK_FLUSH, 0, 0, null);
    await clear(parts, kept);
  } finally {
    if (claims.base !== null) claims.base = exchange(base, claims.base, 'read-many-write-none');
  }
}

/** Throws what is in an overlay away. Its label says again what the base is, of which one that was being committed may have changed a part. */
export async function clear(parts: CowParts, kept: KeptOverlay | null): Promise<void> {
  const { base, claims, map, sizeBytes } = parts;
  try {
    await kept?.store.clearMap(kept.label);
  } catch (error) {
    // Nobody knows which blocks the store's map still has: the next flush writes all of it.
    map.doubt?.();
    throw error;
  }
  map.clear();
  if (kept === null) return;
  await relabel(kept, { ...kept.label, committing: false, fingerprint: await fingerprint(base, claims.base, sizeBytes) });
}

async function relabel(kept: KeptOverlay, label: CowLabel): Promise<void> {
  await kept.store.writeLabel(label);
  kept.label = label;
}

async function copyBlock({ base, blockBytes, claims, map, sizeBytes }: CowParts, block: number, memory: IoBuffer): Promise<void> {
  const lengthBytes = Math.min(blockBytes, sizeBytes - block * blockBytes);
  await run(map.store, claims.store, BLOCK_READ, map.offsetOf(block), lengthBytes, memory);
  await run(base, claims.base, BLOCK_WRITE, block * blockBytes, lengthBytes, memory);
}

function run(
  device: BlockDevice,
  claim: BlockClaim | null,
  operation: BlockOperation,
  offset: number,
  lengthBytes: number,
  buffer: IoBuffer | null,
): Promise<void> {
  return runIo(device, Object.assign(new BlockIo(), { operation, offset, lengthBytes, buffer, claim }), 'commit');
}

/** @throws SystemError EBUSY if somebody else counts on the base as it is, and then the right to it is what it was */
function claimForWriting({ base, claims }: CowParts): void {
  if (claims.base === null) return;
  try {
    claims.base = exchange(base, claims.base, 'read-many-write-one');
  } catch (error) {
    claims.base = base.claim('read-many-write-none');
    throw error;
  }
}

/** Another right to the base. Nobody can come in between: both are done in one go. */
function exchange(base: BlockDevice, claim: BlockClaim, kind: 'read-many-write-one' | 'read-many-write-none'): BlockClaim {
  claim.release();
  return base.claim(kind);
}
