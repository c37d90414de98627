import {
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  BlockIo,
  ExtentList,
  openFile,
} from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';

// Does one of everything with a file, in both modes, and prints what came of it.
const [path, engine] = process.argv.slice(2);
const device = openFile(path, { engine, growable: true });
const memory = IoBuffer.allocate(100);
memory.bytes.set(Buffer.from('hello world'));
const vector = new IoVector([
  { memory, lengthBytes: 5 },
  { memory, memoryOffset: 5, lengthBytes: 6 },
]);
const requests = {
  write: { operation: BLOCK_WRITE, buffer: memory, lengthBytes: 11 },
  parts: { operation: BLOCK_WRITE, vector, lengthBytes: 11, offset: 11 },
  stable: { operation: BLOCK_WRITE, flags: BLOCK_FUA, vector, lengthBytes: 11, offset: 22 },
  flush: { operation: BLOCK_FLUSH },
  zeros: { operation: BLOCK_WRITE_ZEROES, offset: 1, lengthBytes: 3 },
  discard: { operation: BLOCK_DISCARD, lengthBytes: 1 },
  extents: { operation: BLOCK_EXTENTS, lengthBytes: 33, extents: new ExtentList() },
  read: { operation: BLOCK_READ, vector: new IoVector([{ memory, memoryOffset: 50, lengthBytes: 33 }]), lengthBytes: 33 },
};
const outcomes = {};
for (const mode of ['strategy', 'strategySync']) {
  outcomes[mode] = {};
  for (const [name, fields] of Object.entries(requests)) {
    const io = Object.assign(new BlockIo(), fields);
    if (mode === 'strategySync') device.strategySync(io);
    else await new Promise((resolve) => device.strategy(Object.assign(io, { iodone: resolve })));
    outcomes[mode][name] = [io.error, io.transferredBytes];
  }
  outcomes[mode].text = Buffer.from(memory.bytes.subarray(50, 83)).toString();
}
const { locked, zeroes, fua } = device.describe();
await device.close();
console.log(JSON.stringify({ ...outcomes, locked, zeroes, fua }));
