import { BLOCK_WRITE, BlockDevice, type BlockIo, biodone, openMem } from '@biodone/blockdev';
import { EINVAL, IoBuffer, IoVector } from '@biodone/uring';
import { expect, it } from 'vitest';
import { ask, inParts, modes } from './support/ask.js';

/** A device of whole blocks in aligned memory, which takes vectors, and the requests that it was given. */
function openAligned(): { device: BlockDevice; seen: { lengthBytes: number; parts: number }[] } {
  const seen: { lengthBytes: number; parts: number }[] = [];
  const note = (io: BlockIo): void => {
    seen.push({ lengthBytes: io.lengthBytes, parts: io.vector?.count ?? 1 });
    io.transferredBytes = io.lengthBytes;
  };
  const device = new BlockDevice({
    name: 'aligned',
    limits: { blockSizeBytes: 512, sizeBytes: 2 ** 20, memoryAlignmentBytes: 512, maxSegments: 4 },
    capabilities: { readOnly: false, progress: 'none' },
    start: (io) => {
      note(io);
      biodone(io, 0);
    },
    startSync: note,
    poll: () => 0,
    wait: () => 0,
    describe: () => ({}),
    config: () => ({ driver: 'aligned' }),
    handle: () => ({ driver: 'aligned' }),
    close: () => {},
  });
  return { device, seen };
}

const memory = IoBuffer.allocate(16_384);
const partsOf = (lengths: readonly number[]): IoVector =>
  new IoVector(lengths.map((lengthBytes, index) => ({ memory, memoryOffset: index * 4096, lengthBytes })));

it.each(modes)('a vector of aligned whole units goes to the driver as it is, by %s', async (mode) => {
  const { device, seen } = openAligned();
  await ask(device, mode, { operation: BLOCK_WRITE, ...inParts(partsOf([512, 1024])) });
  expect(seen).toEqual([{ lengthBytes: 1536, parts: 2 }]);
});

it.each(modes)('a vector whose parts end in the middle of a unit does not, although all begin aligned, by %s', async (mode) => {
  const { device, seen } = openAligned();
  const io = await ask(device, mode, { operation: BLOCK_WRITE, ...inParts(partsOf([100, 412, 512])) });
  expect([io.error, io.transferredBytes]).toEqual([0, 1024]);
  expect(seen.every(({ lengthBytes, parts }) => lengthBytes % 512 === 0 && parts === 1)).toBe(true);
});

it.each(modes)('a vector whose memory is gone is refused, by %s', async (mode) => {
  const vector = new IoVector([{ memory: IoBuffer.over(new Uint8Array(64), { trusted: true }) }]);
  // Not every Node can transfer memory that is marked as untransferable: this is what the vector would say then.
  Object.defineProperty(vector, 'check', {
    value: () => {
      throw new RangeError('gone');
    },
  });
  const io = await ask(openMem(64), mode, { operation: BLOCK_WRITE, ...inParts(vector) });
  expect([io.error, io.transferredBytes]).toEqual([EINVAL, 0]);
});
