import { openSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { BLOCK_COMPARE_AND_WRITE, BlockIo, IO_STARTED, openMem } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

// Says what becomes of a request that needs the device alone, while another thread has something under way, and the process no descriptor left.
const device = openMem(4096, { blockSizeBytes: 512 });
const buffer = IoBuffer.allocate(512);
const io = new BlockIo();
Object.assign(io, { operation: BLOCK_COMPARE_AND_WRITE, buffer, compare: buffer, lengthBytes: 512 });
const workerData = { handle: device.handle(), starts: true };
const worker = new Worker(new URL('./left-channel.mjs', import.meta.url), { workerData });
await new Promise((resolve) => worker.once('message', resolve));
let code = '';
while (code === '') {
  try {
    openSync('/dev/null');
  } catch (error) {
    code = error.code;
  }
}
io.iodone = () => {};
device.strategy(io);
for (let look = 0; look < 3; look++) device.wait(1);
console.log(JSON.stringify({ code, waits: io.state === IO_STARTED }));
process.exit();
