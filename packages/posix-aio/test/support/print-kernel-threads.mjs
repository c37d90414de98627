// Reads a cached file, by an AioFile or aio_read, and prints how many threads of the kernel's this process has got by that: none, then for a long read.
import { openSync, readdirSync, readFileSync } from 'node:fs';
import { aio_read, aio_return, aio_suspend, aiocb, open, SIGEV_THREAD } from '@biodone/posix-aio';
import { IoBuffer } from '@biodone/uring';

const threads = () =>
  readdirSync('/proc/self/task').filter((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('iou-wrk')).length;

const [, , how, path] = process.argv;
const read = how === 'raw' ? readRaw(openSync(path)) : readByFile(await open(path));
await read(4096);
const before = threads();
const bytesRead = await read(2 ** 20);
console.log(JSON.stringify({ bytesRead, before, after: threads() > 0 }));

function readByFile(file) {
  return async (lengthBytes) => (await file.read(IoBuffer.allocate(lengthBytes), { position: 0 })).bytesRead;
}

function readRaw(fd) {
  return (lengthBytes) => {
    // One with a notification is the ring's, and never done in the call by itself.
    const aio_sigevent = { sigev_notify: SIGEV_THREAD, sigev_notify_function: () => {} };
    const members = { aio_fildes: fd, aio_buf: IoBuffer.allocate(lengthBytes).bytes, aio_nbytes: lengthBytes, aio_sigevent };
    const cb = Object.assign(new aiocb(), members);
    aio_read(cb);
    aio_suspend([cb]);
    return aio_return(cb);
  };
}
