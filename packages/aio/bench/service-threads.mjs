import { randomBytes } from 'node:crypto';
import { openCrypt, openFile, openMem } from '@biodone/blockdev';
import { onPool } from './pool-reads.mjs';

const CRYPT_BYTES = 16 * 2 ** 20;

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
