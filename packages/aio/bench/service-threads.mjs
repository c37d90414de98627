import { randomBytes } from 'node:crypto';
import { AioServicePool } from '@biodone/aio';
import { openCrypt, openFile, openMem } from '@biodone/blockdev';
import { IoBuffer, probe } from '@biodone/uring';
import { measured } from '../../uring/bench/measured.mjs';
import { fsRead } from '../../uring/bench/node-fs.mjs';

const CRYPT_BYTES = 16 * 2 ** 20;

/** Node's own callbacks, with its pool of four threads. */
export function nodeCallbacks(load) {
  return rateOf(fsRead, load);
}

/** Service threads that block in pread(2), one per CPU: as where there is no io_uring. */
export function blockingThreads(load) {
  return onPool(openFile(load.path, { readOnly: true, engine: 'fs' }), {}, load);
}

/** Service threads with a ring each. */
export function ringThreads(load) {
  return onPool(openFile(load.path, { readOnly: true, engine: 'uring' }), {}, load);
}

/** Decrypts what lies in memory: AES-256-XTS in sectors of 4096 bytes, by one thread or by two, in requests of so many bytes. */
export function crypt(threads, blockBytes) {
  return async (load) => {
    const device = await openCrypt(openMem(CRYPT_BYTES), { key: randomBytes(64), headerless: true, sectorBytes: 4096 });
    return onPool(device, { threads }, { ...load, blockBytes, fileBytes: CRYPT_BYTES });
  };
}

/** Why there is nothing to measure with rings; null if there is. */
export function reasonAgainstRings() {
  return probe().available ? null : probe().reason;
}

async function onPool(device, options, load) {
  const pool = new AioServicePool(device, { service: 'threads', depth: load.depth, ...options });
  const rate = await rateOf((_, recorder) => readPool(pool, load, recorder), load);
  await pool.close();
  await device.close();
  return rate;
}

async function rateOf(path, load) {
  return (await measured(path, load)).iops;
}

/** Reads by a pool with callbacks, `depth` at a time, each started from the callback of the one before. */
async function readPool(pool, { depth, blockBytes }, recorder) {
  const memory = IoBuffer.allocate(depth * blockBytes);
  await new Promise((resolve, reject) => {
    let left = depth;
    const callback = (op) => {
      if (op.error !== 0) reject(new Error(`a read failed with errno ${op.error}`));
      else if (recorder.complete(op.private, op.transferredBytes)) return next(op);
      else if (--left === 0) resolve();
      return false;
    };
    const next = (op) => {
      op.offset = recorder.nextOffset();
      pool.submit(op);
      return true;
    };
    recorder.begin();
    for (let slot = 0; slot < depth; slot++) {
      const op = pool.allocate();
      op.buffer = memory;
      op.bufferOffset = slot * blockBytes;
      op.lengthBytes = blockBytes;
      op.private = slot;
      op.callback = callback;
      next(op);
    }
  });
}
