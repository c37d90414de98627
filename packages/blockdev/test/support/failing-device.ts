import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, BlockDevice, type BlockIo, biodone } from '@biodone/blockdev';

/** Which requests to a failing device fail, counted from 1, and with what. */
export interface Failure {
  from: number;
  forEver: boolean;
  errno: number;
}

/** A device in memory that fails when it is told to, and completes its requests one or several turns later, not in their order. */
export function openFailing(
  content: Buffer,
  blockSizeBytes = 512,
): { device: BlockDevice; failure: Failure; count: () => number; inFlight: () => number } {
  const failure: Failure = { from: Number.POSITIVE_INFINITY, forEver: false, errno: 5 };
  let count = 0;
  let inFlight = 0;
  const run = (io: BlockIo): void => {
    count += 1;
    if (failure.forEver ? count >= failure.from : count === failure.from) {
      io.error = failure.errno;
      return;
    }
    if (io.operation === BLOCK_FLUSH || io.buffer === null) return;
    const bytes = io.buffer.bytes.subarray(io.bufferOffset, io.bufferOffset + io.lengthBytes);
    if (io.operation === BLOCK_READ) bytes.set(content.subarray(io.offset, io.offset + io.lengthBytes));
    else if (io.operation === BLOCK_WRITE) content.set(bytes, io.offset);
    io.transferredBytes = io.lengthBytes;
  };
  let started = 0;
  const device = new BlockDevice({
    name: 'failing',
    limits: { blockSizeBytes, sizeBytes: content.length, memoryAlignmentBytes: blockSizeBytes },
    capabilities: { readOnly: false, progress: 'event-loop' },
    start: (io) => {
      run(io);
      inFlight += 1;
      started += 1;
      const complete = (): void => {
        inFlight -= 1;
        biodone(io, io.error);
      };
      if (started % 3 === 0) setImmediate(complete);
      else queueMicrotask(complete);
    },
    startSync: run,
    poll: () => 0,
    wait: () => 0,
    describe: () => ({}),
    config: () => ({ driver: 'failing' }),
    handle: () => ({ driver: 'null' }),
    close: () => {},
  });
  return { device, failure, count: () => count, inFlight: () => inFlight };
}
