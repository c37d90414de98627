import { BLOCK_WRITE, openCache, openMem, openThrottle } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { makeRequests } from './reads.mjs';

/** A volume in the network, such as clouds have by default: 3000 requests and 125 MB a second. */
const LIMITS = { iops: 3000, bytesPerSecond: 125e6 };
/** All that is written fits into the cache. */
const WRITTEN_BYTES = 16 * 2 ** 20;

/** Random writes to the device that is slow. */
export function slowWrites(load) {
  return writes(slowDevice(), load);
}

/** The same to a write-back cache in memory over it, which brings them there meanwhile. */
export async function cachedWrites(load) {
  return writes(await openCache(slowDevice(), { cacheBytes: 2 * WRITTEN_BYTES, dirtyMaxBytes: 2 * WRITTEN_BYTES }), load);
}

function slowDevice() {
  return openThrottle(openMem(WRITTEN_BYTES), LIMITS, { burstMs: 10 });
}

/** Writes a second, by the time that passes: a slow device waits most of it. Looked at once a write, on both sides. */
async function writes(device, { depth, blockBytes, warmUpMs, lengthMs, seed }) {
  const blocks = WRITTEN_BYTES / blockBytes;
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
      if (io.error !== 0) return reject(new Error(`a write failed with errno ${io.error}`));
      const now = performance.now();
      if (now >= beginsAt && now < endsAt) count += 1;
      if (now < endsAt) {
        io.offset = nextOffset();
        device.strategy(io);
      } else if (--left === 0) resolve();
    };
    for (const io of makeRequests(IoBuffer.allocate(depth * blockBytes), depth, blockBytes, iodone)) {
      io.operation = BLOCK_WRITE;
      io.offset = nextOffset();
      device.strategy(io);
    }
  });
  await device.close();
  return count / (lengthMs / 1000);
}
