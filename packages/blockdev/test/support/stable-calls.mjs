// Makes a file stable in every way, by the engine and the call that are named, for strace to look at.
import { BLOCK_FLUSH, BLOCK_FUA, BLOCK_SYNC, BLOCK_WRITE, BlockIo, openFile } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const [path, engine, mode] = process.argv.slice(2);
const device = openFile(path, { engine });

function ask(fields) {
  const io = Object.assign(new BlockIo(), fields);
  return new Promise((resolve) => {
    io.iodone = resolve;
    device[mode](io);
    if (mode === 'strategySync') resolve(io);
  });
}

const errors = [];
for (const flags of [BLOCK_FUA, BLOCK_SYNC]) {
  errors.push((await ask({ operation: BLOCK_WRITE, flags, buffer: IoBuffer.allocate(512), lengthBytes: 512 })).error);
}
for (const flags of [0, BLOCK_SYNC]) errors.push((await ask({ operation: BLOCK_FLUSH, flags })).error);
await device.close();
console.log(errors.join());
