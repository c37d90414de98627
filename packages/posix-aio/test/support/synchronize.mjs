// An fsync of each kind by service threads, for strace to see: node synchronize.mjs FILE
import { openSync } from 'node:fs';
import { aio_error, aio_fsync, aio_suspend, aiocb, configure, O_DSYNC, O_SYNC } from '@biodone/posix-aio';

configure({ engine: 'threads' });
for (const op of [O_SYNC, O_DSYNC]) {
  const cb = Object.assign(new aiocb(), { aio_fildes: openSync(process.argv[2], 'r') });
  aio_fsync(op, cb);
  while (aio_error(cb) === 115) aio_suspend([cb]);
  console.log(aio_error(cb));
}
