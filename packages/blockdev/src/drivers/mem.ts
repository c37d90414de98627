import { IoBuffer } from '@biodone/uring';
import { biodone } from '../biodone.js';
import { BlockDevice } from '../block-device.js';
import { BLOCK_FLUSH, BLOCK_READ, type BlockIo } from '../block-io.js';
import type { BlockDriver } from '../driver.js';

/**
 * A memory disk, BSD's md(4): zeroed at first, gone with the process. Threads that attach to it share its contents; requests of
 * several threads to the same bytes are not ordered among each other.
 *
 * @throws RangeError ERR_OUT_OF_RANGE
 */
export function openMem(sizeBytes: number): BlockDevice {
  return new BlockDevice(createMemDriver(IoBuffer.allocate(sizeBytes)));
}

export function createMemDriver(memory: IoBuffer): BlockDriver {
  const transfer = (io: BlockIo): void => {
    // A flush has nothing to do: this memory is as stable as it will ever be.
    if (io.operation === BLOCK_FLUSH || io.buffer === null) return;
    if (io.operation === BLOCK_READ) IoBuffer.copy(io.buffer, io.bufferOffset, memory, io.offset, io.lengthBytes);
    else IoBuffer.copy(memory, io.offset, io.buffer, io.bufferOffset, io.lengthBytes);
    io.transferredBytes = io.lengthBytes;
  };
  return {
    name: 'mem',
    limits: { blockSizeBytes: 1, sizeBytes: memory.lengthBytes, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'none' },
    start: (io) => {
      transfer(io);
      biodone(io, 0);
    },
    startSync: transfer,
    poll: () => 0,
    wait: () => 0,
    describe: () => ({ sizeBytes: memory.lengthBytes }),
    config: () => ({ driver: 'mem', sizeBytes: memory.lengthBytes }),
    handle: () => ({ driver: 'mem', memory: memory.handle() }),
    close: () => {},
  };
}
