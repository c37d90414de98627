// A listener of a channel throws: Node reports that, and the operation goes on.
import { subscribe } from 'node:diagnostics_channel';
import { AioServicePool } from '@biodone/aio';
import { openMem } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const uncaught = [];
process.on('uncaughtException', ({ message }) => uncaught.push(message));
subscribe('biodone:aio:start', () => {
  throw new Error('listener');
});
const pool = new AioServicePool(openMem(4096));
const op = pool.allocate();
op.callback = ({ error, transferredBytes }) => {
  setImmediate(() => {
    for (const message of uncaught) console.log(`uncaught: ${message}`);
    console.log(`done ${error} ${transferredBytes}`);
  });
};
pool.read(op, IoBuffer.allocate(512), 0);
