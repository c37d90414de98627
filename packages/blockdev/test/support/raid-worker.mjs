// Writes to a raid through a channel of its own: every second block, from `first` on, with a byte that counts up; and says what became of it.
import { parentPort, workerData } from 'node:worker_threads';
import { attachDevice, BLOCK_FLUSH, BLOCK_WRITE, BlockIo } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const { handle, first, step, rounds, blockBytes, endless } = workerData;
const device = attachDevice(handle);
const DEPTH = 8;
const blocks = Math.floor(device.limits.sizeBytes / blockBytes);
const mine = Array.from({ length: Math.ceil((blocks - first) / step) }, (_, index) => first + index * step);
const buffer = IoBuffer.allocate(DEPTH * blockBytes);
const errors = [];
let round = 0;
let next = 0;
let told = false;

function start(io) {
  if (next === mine.length) {
    next = 0;
    round += 1;
  }
  if (round >= rounds && !endless) return false;
  io.offset = mine[next] * blockBytes;
  next += 1;
  io.buffer.bytes.fill(((round + first) % 255) + 1, io.bufferOffset, io.bufferOffset + blockBytes);
  device.strategy(io);
  if (!told) parentPort.postMessage('started');
  told = true;
  return true;
}

await Promise.all(
  Array.from({ length: DEPTH }, (_, slot) => {
    return new Promise((resolve) => {
      const io = new BlockIo();
      Object.assign(io, { operation: BLOCK_WRITE, buffer, bufferOffset: slot * blockBytes, lengthBytes: blockBytes });
      io.iodone = () => {
        if (io.error !== 0) errors.push(io.error);
        if (!start(io)) resolve();
      };
      if (!start(io)) resolve();
    });
  }),
);
const flush = new BlockIo();
flush.operation = BLOCK_FLUSH;
await new Promise((resolve) => {
  flush.iodone = resolve;
  device.strategy(flush);
});
if (flush.error !== 0) errors.push(flush.error);
await device.close();
parentPort.postMessage({ errors, last: ((rounds - 1 + first) % 255) + 1 });
