// A new buffer with each operation, through two service threads of which one sleeps. Prints how many MiB the process has more after
// 256 MiB of such buffers than after the first 32. With 'blocking' the owner never returns to its event loop.
import { AioServicePool, promises, queueCompletion } from '@biodone/aio';
import { openMem } from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';

const BYTES = 2 ** 18;
const [, , way] = process.argv;
const device = openMem(2 ** 20);
const pool = new AioServicePool(device, { service: 'threads', threads: 2, threadsMin: 2, idleMs: Number.POSITIVE_INFINITY });
const first = IoBuffer.allocate(2 ** 20);
while (pool.stats().threads.threads.length < 2) {
  await Promise.all(Array.from({ length: 64 }, () => promises.read(pool, first, 0)));
}
const op = pool.allocate();
op.callback = queueCompletion;

async function once() {
  const memory = IoBuffer.allocate(BYTES);
  memory.bytes.fill(1);
  if (way === 'vectors') {
    Object.assign(op, {
      operation: 1,
      buffer: null,
      vector: new IoVector([{ memory, lengthBytes: 512 }]),
      offset: 0,
      lengthBytes: 512,
    });
    pool.submit(op);
    pool.waitComplete();
  } else if (way === 'blocking') {
    pool.write(op, memory, 0, 512);
    pool.waitComplete();
  } else {
    await promises.write(pool, memory, 0, { lengthBytes: 512 });
  }
}

async function use(mebibytes) {
  for (let count = 0; count < (mebibytes * 2 ** 20) / BYTES; count++) {
    const done = once();
    if (way !== 'blocking') await done;
    if (count % 16 === 0) gc();
  }
  gc();
  return process.memoryUsage().rss / 2 ** 20;
}
const before = await use(32);
console.log(Math.round((await use(256)) - before));
process.exit();
