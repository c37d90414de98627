import { BlockIo } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

/** Reads of a device with callbacks, `depth` at a time, each started from the callback of the one before: asked for and told by a recorder. */
export async function readDevice(device, { depth, blockBytes }, recorder) {
  const memory = IoBuffer.allocate(depth * blockBytes);
  await new Promise((resolve, reject) => {
    let left = depth;
    const iodone = (io) => {
      if (io.error !== 0) return reject(new Error(`a read failed with errno ${io.error}`));
      if (recorder.complete(io.private, io.transferredBytes)) {
        io.offset = recorder.nextOffset();
        device.strategy(io);
      } else if (--left === 0) resolve();
    };
    const requests = makeRequests(memory, depth, blockBytes, iodone);
    recorder.begin();
    for (const io of requests) {
      io.offset = recorder.nextOffset();
      device.strategy(io);
    }
  });
}

/** The requests of a load: a slot each, and a part of the memory. */
export function makeRequests(memory, depth, blockBytes, iodone) {
  return Array.from({ length: depth }, (_, slot) => {
    const io = new BlockIo();
    io.buffer = memory;
    io.bufferOffset = slot * blockBytes;
    io.lengthBytes = blockBytes;
    io.private = slot;
    io.iodone = iodone;
    return io;
  });
}
