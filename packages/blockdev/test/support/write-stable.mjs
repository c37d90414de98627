import { BLOCK_FUA, BLOCK_WRITE, BlockIo, openFile } from '@biodone/blockdev';
import { IoBuffer, probe, threadRing } from '@biodone/uring';

// Two writes, or other operations, that are stable when they complete, and how many requests the ring had for them.
const [path, engine, operation = BLOCK_WRITE] = process.argv.slice(2);
const device = openFile(path, { engine, growable: true });
const buffer = IoBuffer.allocate(4096);
let error = 0;
for (const offset of [0, 4096]) {
  await new Promise((resolve) => {
    const io = Object.assign(new BlockIo(), { flags: BLOCK_FUA, offset, lengthBytes: 4096 });
    io.operation = Number(operation);
    if (io.operation === BLOCK_WRITE) io.buffer = buffer;
    io.iodone = () => {
      error ||= io.error;
      resolve();
    };
    device.strategy(io);
  });
}
await device.close();
const started = engine === 'uring' && probe().available ? threadRing().ring.statistics().submitted : 0;
console.log(JSON.stringify({ started, error }));
