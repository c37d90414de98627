import { AioServiceClass } from '@biodone/aio';
import { BLOCK_READ } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { SlowPaths } from './paths.mjs';

const PATHS = 4;
/** How many times slower the first path is than the others. */
const SLOWNESS = 10;
/** How many operations a path works on at a time, and how many are under way in all. */
const IN_FLIGHT_MAX = 4;
const DEPTH = 64;
/** One in so many operations is long. */
const LONG_EVERY = 10;
const SHORT_BYTES = 4096;
const LONG_BYTES = 65536;
const buffer = IoBuffer.allocate(LONG_BYTES);

/**
 * Keeps a class of four pools busy, of which one has a slow path, with operations of which few are much longer than the others.
 *
 * @returns {Promise<{perSecond: number, p99Us: number}>} operations in a second, and how long 99 % of them took at most from their submission
 */
export async function balanced(options, { seed, warmUpMs, lengthMs }) {
  const paths = new SlowPaths(PATHS, SLOWNESS);
  const pools = paths.devices.map((device) => ({ device, depth: DEPTH, inFlightMax: IN_FLIGHT_MAX }));
  const random = randomFrom(seed);
  const target = new AioServiceClass(pools, { ...options, sameData: true, random });
  const latencies = [];
  const countsFromMs = performance.now() + warmUpMs;
  const endsAtMs = countsFromMs + lengthMs;
  let lastAtMs = countsFromMs;
  await new Promise((resolve, reject) => {
    let left = DEPTH;
    const start = (op, nowMs) => {
      op.operation = BLOCK_READ;
      op.buffer = buffer;
      op.lengthBytes = random(LONG_EVERY) === 0 ? LONG_BYTES : SHORT_BYTES;
      op.offset = random(2 ** 20) * SHORT_BYTES;
      op.private = nowMs;
      if (target.submit(op) !== 0) reject(new Error('an operation was refused'));
    };
    const callback = (op) => {
      const nowMs = performance.now();
      // However busy the machine is, there is something to tell in the end.
      const goesOn = nowMs < endsAtMs || latencies.length < DEPTH;
      if (nowMs >= countsFromMs && goesOn) {
        latencies.push(nowMs - op.private);
        lastAtMs = nowMs;
      }
      if (goesOn) start(op, nowMs);
      else if (--left === 0) resolve();
      return true;
    };
    for (let count = 0; count < DEPTH; count++) {
      const op = target.allocate();
      op.callback = callback;
      start(op, performance.now());
    }
  });
  await target.close();
  await paths.close();
  latencies.sort((left, right) => left - right);
  return {
    perSecond: latencies.length / ((lastAtMs - countsFromMs) / 1000),
    p99Us: latencies[Math.ceil(latencies.length * 0.99) - 1] * 1000,
  };
}

/** Integers from 0 to below their argument, from a seed: the generator mulberry32. */
function randomFrom(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) % below;
  };
}
