import { parentPort, workerData } from 'node:worker_threads';
import { attachDevice, BLOCK_WRITE, BlockIo } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const device = attachDevice(workerData);
const buffer = IoBuffer.allocate(64);

function run(operation, offset, lengthBytes) {
  return new Promise((resolve) => {
    const io = new BlockIo();
    Object.assign(io, { operation, buffer, offset, lengthBytes, iodone: resolve });
    device.strategy(io);
  });
}

await run(0, 10, 9);
const seen = Buffer.from(buffer.bytes.subarray(0, 9)).toString();
buffer.bytes.set(Buffer.from('from worker'));
const { error } = await run(BLOCK_WRITE, 50, 11);
const { limits } = device;
const describe = device.describe();
await device.close();
parentPort.postMessage({ seen, error, limits, describe });
