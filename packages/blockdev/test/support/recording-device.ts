import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, BlockDevice, type BlockIo, biodone, type DriverEvents } from '@biodone/blockdev';

/** A device of any size that keeps what was written last, and tells where. */
export function openRecording(
  started: (io: BlockIo) => void = () => {},
  attached: (events: DriverEvents) => void = () => {},
): { device: BlockDevice; offset: () => number; bytes: () => Buffer } {
  let last = { offset: -1, bytes: Buffer.alloc(0) };
  const run = (io: BlockIo): void => {
    started(io);
    if (io.operation === BLOCK_FLUSH || io.buffer === null) return;
    const bytes = io.buffer.bytes.subarray(io.bufferOffset, io.bufferOffset + io.lengthBytes);
    if (io.operation === BLOCK_WRITE) last = { offset: io.offset, bytes: Buffer.from(bytes) };
    else if (io.operation === BLOCK_READ) bytes.set(last.bytes);
    io.transferredBytes = io.lengthBytes;
  };
  const device = new BlockDevice({
    name: 'recording',
    limits: { blockSizeBytes: 1, sizeBytes: 2 ** 52, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'none', fua: 'native' },
    start: (io) => {
      run(io);
      biodone(io, 0);
    },
    startSync: run,
    poll: () => 0,
    wait: () => 0,
    describe: () => ({}),
    config: () => ({ driver: 'recording' }),
    handle: () => ({ driver: 'null' }),
    attached,
    close: () => {},
  });
  return { device, offset: () => last.offset, bytes: () => last.bytes };
}
