import { parentPort, workerData } from 'node:worker_threads';
import { attachDevice, BLOCK_WRITE, BlockIo } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

// Writes ones all over a memory disk for as long as the first word is odd, and stands still while it is even, which it says by giving the number
// back in the second word; it ends at -1. Each store and load here pairs with one of the thread that started this one.
const { handle, word } = workerData;
const words = new Int32Array(word);
const device = attachDevice(handle);
const io = new BlockIo();
io.operation = BLOCK_WRITE;
io.buffer = IoBuffer.allocate(16384);
io.buffer.bytes.fill(1);
let count = 0;
let failed = 0;
for (let order = Atomics.load(words, 0); order !== -1; order = Atomics.load(words, 0)) {
  if (order % 2 === 0) {
    Atomics.store(words, 1, order);
    continue;
  }
  count += 1;
  io.lengthBytes = 1 + ((count * 7919) % 16384);
  io.offset = (count * 104_729) % (device.limits.sizeBytes - io.lengthBytes);
  device.strategySync(io);
  if (io.error !== 0) failed += 1;
}
await device.close();
parentPort.postMessage({ count, failed });
