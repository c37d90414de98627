import { AioServicePool, promises } from '@biodone/aio';
import { BLOCK_READ, openFile } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { biodone } from '../../uring/bench/biodone.mjs';
import { measured } from '../../uring/bench/measured.mjs';
import { fileHandle, fsRead, fsReadSync } from '../../uring/bench/node-fs.mjs';

/** What the pool stands on, alone: a ring and its requests. */
export function uringAlone(load) {
  return rateOf(biodone, load);
}

/** The same on a file that is opened as a device's is: its reads are noted nowhere. */
export function uringWithoutTimes(load) {
  return rateOf(biodone, { ...load, noAccessTime: true });
}

/** Node's own callbacks, with its pool of four threads. */
export function nodeCallbacks(load) {
  return rateOf(fsRead, load);
}

/** Node's promises. */
export function nodePromises(load) {
  return rateOf(fileHandle, load);
}

/** Node's calls that block. */
export function nodeSync(load) {
  return rateOf(fsReadSync, load);
}

/** Operations of a pool on a file with callbacks, in the thread that submits them. */
export function pool(load) {
  return onPool(openRing(load), {}, load);
}

/** The same with promises. */
export async function poolPromises(load) {
  return withPool(openRing(load), { depth: load.depth }, (served) =>
    rateOf((_, recorder) => readByPromises(served, load, recorder), load),
  );
}

/** Measures reads by a pool of a device, which is closed with it. */
export function onPool(device, options, load) {
  return withPool(device, { depth: load.depth, ...options }, (served) =>
    rateOf((_, recorder) => readPool(served, load, recorder), load),
  );
}

export async function withPool(device, options, use) {
  const served = new AioServicePool(device, options);
  const result = await use(served);
  await served.close();
  await device.close();
  return result;
}

/** Reads, or writes, by a pool with callbacks, `depth` at a time, each started from the callback of the one before. */
export async function readPool(served, { depth, blockBytes, priority, operation = BLOCK_READ }, recorder) {
  const memory = IoBuffer.allocate(depth * blockBytes);
  // Memory that was never written is one page of zeros, which the processor has in its cache.
  memory.bytes.fill(1);
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
      served.submit(op);
      return true;
    };
    recorder.begin();
    for (let slot = 0; slot < depth; slot++) {
      const op = served.allocate();
      op.operation = operation;
      op.buffer = memory;
      op.bufferOffset = slot * blockBytes;
      op.lengthBytes = blockBytes;
      op.private = slot;
      op.callback = callback;
      if (priority !== undefined) op.priority = priority;
      next(op);
    }
  });
}

async function readByPromises(served, { depth, blockBytes }, recorder) {
  const slots = Array.from({ length: depth }, () => IoBuffer.allocate(blockBytes));
  recorder.begin();
  await Promise.all(
    slots.map(async (memory, slot) => {
      let more = true;
      while (more) more = recorder.complete(slot, await promises.read(served, memory, recorder.nextOffset()));
    }),
  );
}

function openRing({ path }) {
  return openFile(path, { readOnly: true, engine: 'uring' });
}

async function rateOf(path, load) {
  return (await measured(path, load)).iops;
}
