// Exits with requests in progress: node exit-in-progress.mjs ENGINE HOW FILE
import { openSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { aio_error, aio_read, aio_suspend, aio_write, aiocb, configure } from '@biodone/posix-aio';
import { libc } from '@biodone/uring';

const [engine, how, file] = workerData ?? process.argv.slice(2);
if (how === 'worker' && isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { workerData: [engine, how, file] });
  await new Promise((resolve) => worker.once('message', resolve));
  console.log('terminated', await worker.terminate());
} else {
  configure({ engine });
  const told = () => console.log('a notification');
  const ends = new Int32Array(2);
  libc().pipe2(ends, 0o2000000);
  const make = (members) =>
    Object.assign(new aiocb(), { aio_sigevent: { sigev_notify: 2, sigev_notify_function: told } }, members);
  const read = make({ aio_fildes: ends[0], aio_buf: Buffer.alloc(1), aio_nbytes: 1 });
  aio_read(read);
  const { parentPort } = await import('node:worker_threads');
  const write = make({ aio_fildes: openSync(file, 'r+'), aio_buf: Buffer.from('written'), aio_nbytes: 7 });
  // Called while the thread blocks in aio_suspend.
  write.aio_sigevent.sigev_notify_function = () => parentPort?.postMessage('ready');
  aio_write(write);
  if (how === 'worker') {
    aio_suspend([read]);
  } else {
    while (aio_error(write) === 115) aio_suspend([write]);
    console.log('exiting', aio_error(write), aio_error(read));
    process.exit(7);
  }
}
