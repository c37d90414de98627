import { BLOCK_WRITE, BlockIo, openFile } from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';

// Writes more than the limit on the size of files lets it, in both modes.
const [path, engine, kind] = process.argv.slice(2);
const device = openFile(path, { engine, growable: true });
const buffer = IoBuffer.allocate(65_536);

function makeIo() {
  const parts = Array.from({ length: 16 }, (_, index) => ({ memory: buffer, memoryOffset: index * 4096 + 1, lengthBytes: 4095 }));
  const memory = kind === 'vector' ? { vector: new IoVector(parts), lengthBytes: 16 * 4095 } : { buffer, lengthBytes: 65_536 };
  return Object.assign(new BlockIo(), { operation: BLOCK_WRITE, ...memory });
}

const io = makeIo();
await new Promise((resolve) => {
  io.iodone = resolve;
  device.strategy(io);
});
const sync = makeIo();
device.strategySync(sync);
await device.close();
console.log(JSON.stringify([io, sync].map(({ error, transferredBytes }) => ({ error, transferredBytes }))));
