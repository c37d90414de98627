import { BLOCK_READ, BLOCK_WRITE, BlockIo, openCache, openMem, openThrottle } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { makeRequests } from './reads.mjs';

/** A volume in the network, such as clouds have by default: 3000 requests and 125 MB a second. */
const LIMITS = { iops: 3000, bytesPerSecond: 125e6 };
/** All that is read or written fits into the cache. */
const DEVICE_BYTES = 16 * 2 ** 20;

/** Random writes to the device that is slow. */
export function slowWrites(load) {
  return random(BLOCK_WRITE, slowDevice(), load);
}

/** The same to a write-back cache in memory over it, which brings them there meanwhile. */
export async function cachedWrites(load) {
  const sizes = { cacheBytes: 2 * DEVICE_BYTES, dirtyMaxBytes: 2 * DEVICE_BYTES };
  return random(BLOCK_WRITE, await openCache(slowDevice(), sizes), load);
}

/** Random reads of the device that is slow. */
export function slowReads(load) {
  return random(BLOCK_READ, slowDevice(), load);
}

/** The same of a cache over it whose lines lie on another device, which has all of them. */
export async function cachedReads(load) {
  const device = await openCache(slowDevice(), { cacheDevice: openMem(2 * DEVICE_BYTES), create: true });
  const io = new BlockIo();
  io.lengthBytes = 131_072;
  io.buffer = IoBuffer.allocate(io.lengthBytes);
  for (; io.offset < DEVICE_BYTES; io.offset += io.lengthBytes) device.strategySync(io);
  return random(BLOCK_READ, device, load);
}

function slowDevice() {
  return openThrottle(openMem(DEVICE_BYTES), LIMITS, { burstMs: 10 });
}

/** Requests a second, by the time that passes: a slow device waits most of it. Looked at once a request, on both sides. */
async function random(operation, device, { depth, blockBytes, warmUpMs, lengthMs, seed }) {
  const blocks = DEVICE_BYTES / blockBytes;
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  const nextOffset = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) % blocks) * blockBytes;
  };
  const beginsAt = performance.now() + warmUpMs;
  const endsAt = beginsAt + lengthMs;
  let count = 0;
  await new Promise((resolve, reject) => {
    let left = depth;
    const iodone = (io) => {
      if (io.error !== 0) return reject(new Error(`a request failed with errno ${io.error}`));
      const now = performance.now();
      if (now >= beginsAt && now < endsAt) count += 1;
      if (now < endsAt) {
        io.offset = nextOffset();
        device.strategy(io);
      } else if (--left === 0) resolve();
    };
    for (const io of makeRequests(IoBuffer.allocate(depth * blockBytes), depth, blockBytes, iodone)) {
      io.operation = operation;
      io.offset = nextOffset();
      device.strategy(io);
    }
  });
  await device.close();
  return count / (lengthMs / 1000);
}
