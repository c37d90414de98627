// What waits must hold its file by a descriptor of its own. There is none left: node out-of-descriptors.mjs, after ulimit -n
import { closeSync, openSync } from 'node:fs';
import { aio_cancel, aio_error, aio_fsync, aio_read, aio_suspend, aiocb, O_SYNC } from '@biodone/posix-aio';
import { libc } from '@biodone/uring';

const ends = new Int32Array(2);
libc().pipe2(ends, 0o2000000);
const blocks = Array.from({ length: 2 }, () =>
  Object.assign(new aiocb(), { aio_fildes: ends[0], aio_buf: Buffer.alloc(1), aio_nbytes: 1 }),
);
aio_read(blocks[0]);
const others = [];
try {
  for (;;) others.push(openSync('/dev/null', 'r'));
} catch ({ code }) {
  console.log(code);
}
try {
  aio_read(blocks[1]);
} catch ({ code, syscall }) {
  console.log(code, syscall);
}
const sync = Object.assign(new aiocb(), { aio_fildes: others.at(-1) });
closeSync(sync.aio_fildes);
others.pop();
others.push(openSync(process.execPath, 'r'));
try {
  aio_fsync(O_SYNC, sync);
} catch ({ code, syscall }) {
  console.log(code, syscall);
}
for (const fd of others) closeSync(fd);
// Nothing was queued, and the block can be used.
aio_read(blocks[1]);
console.log(aio_cancel(ends[0]));
aio_suspend([blocks[1]]);
console.log(aio_error(blocks[0]), aio_error(blocks[1]));
