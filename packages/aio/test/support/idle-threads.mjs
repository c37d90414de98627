// Idle service threads do not keep the process alive, and a completion that is awaited does.
import { AioServicePool, promises } from '@biodone/aio';
import { openMem } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const pool = new AioServicePool(openMem(65536), { service: 'threads', threads: 2 });
console.log(await promises.write(pool, IoBuffer.allocate(512), 0));
