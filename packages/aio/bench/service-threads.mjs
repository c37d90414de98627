import { randomBytes } from 'node:crypto';
import { BLOCK_WRITE, openCrypt, openFile, openMem, openRaid } from '@biodone/blockdev';
import { onPool } from './pool-reads.mjs';

const CRYPT_BYTES = 16 * 2 ** 20;
/** Together more than the processor's caches hold. */
const COMPONENT_BYTES = 64 * 2 ** 20;
const STRIPE_BYTES = 65536;

/** Service threads that block in pread(2), one per CPU: as where there is no io_uring. */
export function blockingThreads(load) {
  return onPool(openFile(load.path, { readOnly: true, engine: 'fs' }), { service: 'threads' }, load);
}

/** Service threads with a ring each. */
export function ringThreads(load) {
  return onPool(openFile(load.path, { readOnly: true, engine: 'uring' }), { service: 'threads' }, load);
}

/** Decrypts what lies in memory: AES-256-XTS in sectors of 4096 bytes, by one thread or by two, in requests of so many bytes. */
export function crypt(threads, blockBytes) {
  return async (load) => {
    const device = await openCrypt(openMem(CRYPT_BYTES), { key: randomBytes(64), headerless: true, sectorBytes: 4096 });
    return onPool(device, { service: 'threads', threads }, { ...load, blockBytes, fileBytes: CRYPT_BYTES });
  };
}

/** Writes to a raid of level 5 on four memory disks: as long as they are, they make its parity where the pool is served. */
export function raidWrites(options, blockBytes) {
  return async (load) => {
    const disks = Array.from({ length: 4 }, () => openMem(COMPONENT_BYTES));
    const device = await openRaid(disks, { level: 5, stripeBytes: STRIPE_BYTES, create: true, assumeClean: true });
    const fileBytes = Math.floor(device.limits.sizeBytes / blockBytes) * blockBytes;
    return onPool(device, options, { ...load, blockBytes, fileBytes, operation: BLOCK_WRITE });
  };
}

/** Three stripes: a whole row, of which nothing has to be read. */
export const RAID_ROW_BYTES = 3 * STRIPE_BYTES;
