import { parentPort, workerData } from 'node:worker_threads';
import { attachDevice, BlockIo } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

// A channel that is never closed. The request is done at once, but not told, so it is under way when the thread stands still.
const { handle, starts } = workerData;
const device = attachDevice(handle);
const io = new BlockIo();
Object.assign(io, { buffer: IoBuffer.allocate(16), lengthBytes: 16, iodone: () => {} });
if (starts) device.strategy(io);
parentPort.postMessage(device.inFlight);
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
