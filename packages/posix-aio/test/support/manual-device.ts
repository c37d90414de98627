import { BlockDevice, type BlockIo, biodone } from '@biodone/blockdev';
import { ECANCELED } from '@biodone/uring';

/** A device whose requests complete when the test says so. */
export interface ManualDevice {
  readonly device: BlockDevice;
  /** What the driver has, in the order in which it came. */
  readonly started: BlockIo[];
  /** Completes the oldest, or this one. */
  complete(io?: BlockIo, error?: number): void;
}

/** @param abortable whether the driver can end what it has */
export function openManual(abortable = false): ManualDevice {
  const started: BlockIo[] = [];
  const complete = (io: BlockIo = started[0] as BlockIo, error = 0): void => {
    started.splice(started.indexOf(io), 1);
    io.transferredBytes = error === 0 ? io.lengthBytes : 0;
    biodone(io, error);
  };
  const device = new BlockDevice({
    name: 'manual',
    limits: { blockSizeBytes: 1, sizeBytes: 2 ** 40, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'any' },
    start: (io) => void started.push(io),
    startSync: () => {},
    abort: (io) => {
      if (!abortable) return 'in-progress';
      complete(io, ECANCELED);
      return 'cancelled';
    },
    poll: () => 0,
    wait: () => 'ETIME',
    describe: () => ({}),
    config: () => ({ driver: 'manual' }),
    handle: () => ({ driver: 'null' }),
    close: () => {},
  });
  return { device, started, complete };
}
