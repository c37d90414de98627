// A service thread blocks in the kernel on a FIFO that nobody writes to; the process must be able to exit all the same.
import { openSync } from 'node:fs';
import { AioServicePool } from '@biodone/aio';
import { wrapDescriptor } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const device = wrapDescriptor(openSync(process.argv[2], 'r+'));
const pool = new AioServicePool(device, { service: 'threads', threads: 2 });
const blocked = pool.allocate();
blocked.buffer = IoBuffer.allocate(512);
blocked.lengthBytes = 512;
blocked.callback = () => console.log('the read of an empty FIFO completed');
pool.submit(blocked);
// A second operation that completes shows that the threads have started and serve more than one at a time.
const write = pool.allocate();
write.operation = 1;
write.buffer = IoBuffer.allocate(512);
write.lengthBytes = 0;
write.callback = () => {
  console.log('exiting with', pool.inFlight, 'in flight');
  process.exit(7);
};
pool.submit(write);
