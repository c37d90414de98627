import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { attachDevice, BLOCK_WRITE, BlockIo } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

/** Writes by a channel, in both ways. */
async function write(device) {
  const buffer = IoBuffer.allocate(16);
  const [io, syncIo] = [new BlockIo(), new BlockIo()];
  for (const each of [io, syncIo]) Object.assign(each, { operation: BLOCK_WRITE, buffer, lengthBytes: 16 });
  buffer.bytes.fill(7);
  await new Promise((resolve) => {
    io.iodone = resolve;
    device.strategy(io);
  });
  device.strategySync(syncIo);
  return { error: io.error, syncError: syncIo.error };
}

function attach() {
  try {
    attachDevice(workerData).close();
    return 'attached';
  } catch (error) {
    return error.code;
  }
}

const device = attachDevice(workerData);
const again = once(parentPort, 'message');
parentPort.postMessage({ ...(await write(device)), state: attach() });
await again;
parentPort.postMessage({ ...(await write(device)), state: attach() });
await device.close();
