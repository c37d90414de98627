import { parentPort, workerData } from 'node:worker_threads';
import { attachDevice, BLOCK_WRITE, BlockIo } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

// What it reads of two sectors of 512 bytes from 512 on; then it writes one of sixes at 4096.
const device = attachDevice(workerData);
const buffer = IoBuffer.allocate(1024);

function run(operation, offset, lengthBytes) {
  return new Promise((resolve) => {
    const io = new BlockIo();
    Object.assign(io, { operation, buffer, offset, lengthBytes, iodone: resolve });
    device.strategy(io);
  });
}

await run(0, 512, 1024);
const seen = [buffer.bytes[0], buffer.bytes[1023]];
buffer.bytes.fill(6);
const { error } = await run(BLOCK_WRITE, 4096, 512);
await device.close();
parentPort.postMessage({ seen, error });
