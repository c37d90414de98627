// What POSIX AIO does where there is no io_uring, on a thread that never returns to its event loop. Prints what came of it.
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aio_error, aio_fsync, aio_read, aio_return, aio_suspend, aio_write, aiocb, configure, O_SYNC } from '@biodone/posix-aio';
import { libc } from '@biodone/uring';

const make = (members) => Object.assign(new aiocb(), members);
const folder = mkdtempSync(join(tmpdir(), 'biodone-fallback-'));
writeFileSync(join(folder, 'file'), 'content');
const fd = openSync(join(folder, 'file'), 'r+');
const ends = new Int32Array(2);
libc().pipe2(ends, 0o2000000);

try {
  configure({ engine: 'uring' });
} catch ({ code }) {
  console.log('uring', code);
}
const write = make({ aio_fildes: fd, aio_buf: Buffer.from('C'), aio_nbytes: 1 });
const sync = make({ aio_fildes: fd });
const read = make({ aio_fildes: ends[0], aio_buf: Buffer.alloc(8), aio_nbytes: 8 });
aio_write(write);
aio_fsync(O_SYNC, sync);
aio_read(read);
closeSync(fd);
const answer = make({ aio_fildes: ends[1], aio_buf: Buffer.from('by pipe'), aio_nbytes: 7 });
aio_write(answer);
for (const cb of [write, sync, answer, read]) {
  while (aio_error(cb) === 115) aio_suspend([cb]);
  console.log(aio_error(cb), aio_return(cb));
}
console.log(read.aio_buf.toString('utf8', 0, 7));
process.on('warning', ({ code }) => {
  console.log('warning', code);
  rmSync(folder, { recursive: true });
});
