import { biodone } from '../biodone.js';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import { BLOCK_FLUSH, type BlockIo } from '../block-io.js';
import { checkOptions, DEVICE_OPTIONS } from '../check-options.js';
import type { BlockDriver } from '../driver.js';
import { checkInteger } from '../errors.js';

/**
 * A device that does nothing, at once: writes vanish, reads leave the buffer as it is. It measures what the stack itself costs, and is
 * the template for a driver.
 *
 * @param sizeBytes how large it claims to be
 */
export function openNull(sizeBytes: number = 2 ** 40, options: BlockDeviceOptions = {}): BlockDevice {
  checkInteger('sizeBytes', sizeBytes, 0);
  checkOptions('openNull', options, DEVICE_OPTIONS);
  return new BlockDevice(createNullDriver(sizeBytes), options);
}

export function createNullDriver(sizeBytes: number): BlockDriver {
  return {
    name: 'null',
    limits: { blockSizeBytes: 1, sizeBytes, memoryAlignmentBytes: 1, maxTransferBytes: 2 ** 40, maxSegments: 1024, ...ATOMIC },
    capabilities: {
      readOnly: false,
      progress: 'none',
      fua: 'native',
      zeroes: 'fast',
      discard: true,
      volatileCache: false,
      nowait: true,
    },
    start: (io) => {
      transfer(io);
      biodone(io, 0);
    },
    startSync: transfer,
    poll: () => 0,
    wait: () => 0,
    describe: () => ({ sizeBytes }),
    config: () => ({ driver: 'null', sizeBytes }),
    handle: () => ({ driver: 'null', sizeBytes }),
    close: () => {},
  };
}

/** Nothing is ever half of nothing. */
const ATOMIC = { atomicWriteMinBytes: 1, atomicWriteMaxBytes: 2 ** 30 };

function transfer(io: BlockIo): void {
  if (io.operation !== BLOCK_FLUSH) io.transferredBytes = io.lengthBytes;
}
