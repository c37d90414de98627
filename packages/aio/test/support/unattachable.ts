import { type BlockCapabilities, BlockDevice, biodone } from '@biodone/blockdev';

/** A device with a handle that no thread can attach to, so every service thread of it ends with an exception. */
export function openUnattachable(progress: BlockCapabilities['progress'] = 'none'): BlockDevice {
  return new BlockDevice({
    name: 'unattachable',
    limits: { blockSizeBytes: 1, sizeBytes: 4096, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress },
    start: (io) => biodone(io, 0),
    startSync: () => {},
    poll: () => 0,
    wait: () => 0,
    describe: () => ({}),
    config: () => ({ driver: 'unattachable' }),
    handle: () => ({ driver: 'unattachable' }),
    close: () => {},
  });
}
