import { BLOCK_READ, BLOCK_WRITE, BlockIo, openFile } from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';

// Reads 300 bytes in odd parts, or writes as many, and prints how that went and what was read.
const [path, engine, what, mode] = process.argv.slice(2);
const device = openFile(path, { engine });
const memory = IoBuffer.allocate(1000);
if (what === 'write') for (const index of memory.bytes.keys()) memory.bytes[index] = index % 251;
const parts = [70, 1, 0, 100, 129].map((lengthBytes, index) => ({ memory, memoryOffset: index * 150, lengthBytes }));
const vector = new IoVector(parts);
const operation = what === 'write' ? BLOCK_WRITE : BLOCK_READ;
const io = Object.assign(new BlockIo(), { operation, vector, lengthBytes: vector.lengthBytes });
if (mode === 'strategySync') {
  device.strategySync(io);
} else {
  await new Promise((resolve) => {
    io.iodone = resolve;
    device.strategy(io);
  });
}
await device.close();
const bytes = Buffer.concat(parts.map((part) => memory.bytes.subarray(part.memoryOffset, part.memoryOffset + part.lengthBytes)));
console.log(JSON.stringify({ error: io.error, transferredBytes: io.transferredBytes, bytes: bytes.toString('hex') }));
