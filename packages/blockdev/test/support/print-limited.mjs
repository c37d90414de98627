import { BLOCK_WRITE, BlockIo, openFile } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

// Writes more than the limit on the size of files lets it, in both modes.
const [path, engine] = process.argv.slice(2);
const device = openFile(path, { engine, growable: true });
const buffer = IoBuffer.allocate(65_536);

function makeIo() {
  return Object.assign(new BlockIo(), { operation: BLOCK_WRITE, buffer, lengthBytes: 65_536 });
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
