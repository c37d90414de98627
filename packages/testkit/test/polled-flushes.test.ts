import { type BlockDevice, type BlockIo, openCache, openCow, openMem } from '@biodone/blockdev';
import { flushRequest, openManual, writeRequest } from '@biodone/testkit';
import { describe, expect, it } from 'vitest';

const LINE = 4096;
const SIZE_BYTES = 64 * LINE;
const shape = { cacheBytes: 16 * LINE, dirtyMaxBytes: 8 * LINE, create: true };

/** A device that completes what it has whenever it is asked, and nothing before. */
const slow = () => openManual(2 ** 20);

/** Opens what does its first requests in the event loop. */
async function opened<Device>(media: readonly { completeAll(): number }[], opening: Promise<Device>): Promise<Device> {
  let ended = false;
  void opening.finally(() => {
    ended = true;
  });
  while (!ended) {
    for (const medium of media) medium.completeAll();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return opening;
}

describe.each<[string, () => Promise<BlockDevice>]>([
  [
    'a cache on a device',
    () => {
      const cacheDevice = slow();
      return opened([cacheDevice], openCache(openMem(SIZE_BYTES), { ...shape, cacheDevice }));
    },
  ],
  [
    'a cache with a log',
    () => {
      const log = slow();
      return opened([log], openCache(openMem(SIZE_BYTES), { ...shape, log }));
    },
  ],
  [
    'an overlay that is kept',
    () => {
      const overlay = slow();
      return opened([overlay], openCow(openMem(SIZE_BYTES), { overlay, create: true }));
    },
  ],
])('%s of a thread that never returns to its event loop', (_name, open) => {
  it('does flushes one after the other while that polls', async () => {
    const device = await open();
    const ended: [what: string, error: number][] = [];
    const start = (io: BlockIo, what: string): void => {
      io.iodone = ({ error }) => ended.push([what, error]);
      device.strategy(io);
    };
    const poll = (count: number): void => {
      for (let polls = 0; ended.length < count && polls < 1000; polls++) device.poll();
    };
    start(writeRequest(0, new Uint8Array(LINE).fill(1)), 'write');
    poll(1);
    for (const what of ['first', 'second', 'third']) start(flushRequest(), what);
    poll(4);
    expect(ended).toEqual(['write', 'first', 'second', 'third'].map((what) => [what, 0]));
    const closing = device.close();
    await opened([{ completeAll: () => 0 }, { completeAll: () => device.poll() }], closing);
  });
});
