// A callback that throws: the exception surfaces, and the operations behind it complete all the same.
import { AioServicePool } from '@biodone/aio';
import { openMem } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const pool = new AioServicePool(openMem(65536));
let completed = 0;
process.on('uncaughtException', (error) => console.log('uncaught', error.message));
process.on('exit', () => console.log('completed', completed, 'in flight', pool.inFlight));
for (let index = 0; index < 4; index++) {
  const op = pool.allocate();
  op.buffer = IoBuffer.allocate(512);
  op.lengthBytes = 512;
  op.offset = index * 512;
  op.callback = () => {
    completed += 1;
    if (index === 1) throw new Error('from callback 1');
  };
  pool.submit(op);
}
