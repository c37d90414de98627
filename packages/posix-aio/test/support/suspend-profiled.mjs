// Blocks in aio_suspend while V8's profiler, if there is one, interrupts the thread, and prints how each wait has ended: node --cpu-prof suspend-profiled.mjs ENGINE
import { spawn } from 'node:child_process';
import { aio_cancel, aio_read, aio_suspend, aiocb, configure } from '@biodone/posix-aio';
import { libc } from '@biodone/uring';

const [, , engine] = process.argv;
configure({ engine });
process.on('SIGUSR2', () => {});
const ends = new Int32Array(2);
libc().pipe2(ends, 0o2000000);
const read = Object.assign(new aiocb(), { aio_fildes: ends[0], aio_buf: Buffer.alloc(1), aio_nbytes: 1 });
aio_read(read);
const suspend = (timeoutMs) => {
  try {
    aio_suspend([read], timeoutMs);
    return 'done';
  } catch ({ code }) {
    return code;
  }
};
const idle = Array.from({ length: 5 }, () => suspend(100));
// A signal of the program's own is told of all the same. It is sent until this process is gone: one may come before the wait.
spawn('sh', ['-c', `while sleep 0.1 && kill -USR2 ${process.pid}; do :; done`], { stdio: 'ignore' }).unref();
const signalled = suspend(60_000);
console.log(...idle, signalled, aio_cancel(ends[0]));
