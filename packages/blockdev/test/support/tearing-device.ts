import { BLOCK_READ, BLOCK_WRITE, BlockDevice, type BlockIo, biodone } from '@biodone/blockdev';

const SECTOR_BYTES = 512;
const EIO = 5;

/**
 * A device over `content` on which one write, counted from 1, reaches the medium with its first sector alone, and with EIO, or, if nobody is
 * `told`, as if all were well. `writes` are the offsets of all of them.
 */
export function openTearing(content: Buffer, torn = 0, told = true): { device: BlockDevice; writes: number[] } {
  const writes: number[] = [];
  const run = (io: BlockIo): void => {
    if (io.buffer === null) return;
    const bytes = io.buffer.bytes.subarray(io.bufferOffset, io.bufferOffset + io.lengthBytes);
    io.transferredBytes = io.lengthBytes;
    if (io.operation === BLOCK_READ) bytes.set(content.subarray(io.offset, io.offset + io.lengthBytes));
    if (io.operation !== BLOCK_WRITE) return;
    writes.push(io.offset);
    const tears = writes.length === torn;
    content.set(tears ? bytes.subarray(0, SECTOR_BYTES) : bytes, io.offset);
    if (!tears || !told) return;
    io.transferredBytes = SECTOR_BYTES;
    io.error = EIO;
  };
  const device = new BlockDevice({
    name: 'tearing',
    limits: { blockSizeBytes: SECTOR_BYTES, sizeBytes: content.length, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'none' },
    start: (io) => {
      run(io);
      biodone(io, io.error);
    },
    startSync: run,
    poll: () => 0,
    wait: () => 0,
    describe: () => ({}),
    config: () => ({ driver: 'tearing' }),
    handle: () => ({ driver: 'null' }),
    close: () => {},
  });
  return { device, writes };
}
