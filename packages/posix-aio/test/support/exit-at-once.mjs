// Exits in the turn of its calls: node exit-at-once.mjs ENGINE FILE COUNT write|append
import { openSync } from 'node:fs';
import { aio_write, aiocb, configure } from '@biodone/posix-aio';

const [engine, file, count, how] = process.argv.slice(2);
configure({ engine });
const fd = openSync(file, how === 'append' ? 'a' : 'r+');
const told = { sigev_notify: 2, sigev_notify_function: () => console.log('a notification') };
for (let block = 0; block < Number(count); block++) {
  const members = { aio_fildes: fd, aio_buf: Buffer.alloc(4096, 97 + block), aio_nbytes: 4096, aio_offset: block * 4096 };
  aio_write(Object.assign(new aiocb(), members, { aio_sigevent: told }));
}
process.exit(7);
