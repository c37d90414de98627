import { BlockDevice, type BlockIo, biodone } from '@biodone/blockdev';

/** A device whose requests complete when the test says so. */
export function openManual(): { device: BlockDevice; started: BlockIo[]; state: { closed: number } } {
  const started: BlockIo[] = [];
  const state = { closed: 0 };
  const device = new BlockDevice({
    name: 'manual',
    limits: { blockSizeBytes: 1, sizeBytes: 2 ** 20, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'any' },
    start: (io) => started.push(io),
    startSync: () => {},
    poll: () => completeFirst(started),
    wait: () => completeFirst(started),
    describe: () => ({}),
    config: () => ({ driver: 'manual' }),
    handle: () => ({ driver: 'null' }),
    close: () => {
      state.closed += 1;
    },
  });
  return { device, started, state };
}

function completeFirst(started: BlockIo[]): number {
  const io = started.shift();
  if (io === undefined) return 0;
  biodone(io, 0);
  return 1;
}
