import { workerData } from 'node:worker_threads';
import { attachDevice, BLOCK_COMPARE_AND_WRITE, BlockIo } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

// A thread that ends while its channel keeps the others out of a range.
const device = attachDevice(workerData);
const [compare, buffer] = [IoBuffer.allocate(512), IoBuffer.allocate(512)];
const iodone = () => {};
device.strategy(Object.assign(new BlockIo(), { operation: BLOCK_COMPARE_AND_WRITE, lengthBytes: 512, compare, buffer, iodone }));
process.exit(0);
