// A worker that owns service threads, with a read under way that nobody will ever complete.
import { parentPort, workerData } from 'node:worker_threads';
import { AioOp, ServiceThreads } from '@biodone/aio';
import { wrapDescriptor } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const { fd, ending } = workerData;
const service = new ServiceThreads(wrapDescriptor(fd), 4, 2);
const start = (fields) => {
  const op = new AioOp(null, 0);
  Object.assign(op, { buffer: IoBuffer.allocate(512), lengthBytes: 512, slot: -1 }, fields);
  service.start(op);
};
start({ iodone: () => console.log('completed') });
// One that completes shows that the thread is there.
start({
  operation: 1,
  lengthBytes: 0,
  iodone: () => {
    const look = () => {
      if (service.statistics().threads.every(({ state }) => state !== 'in kernel')) return setImmediate(look);
      if (ending === 'exit') process.exit(5);
      if (ending === 'throw') throw new Error('the owner has failed');
      parentPort.postMessage('ready');
    };
    look();
  },
});
