// Reads a file of somebody else's, who may not ask for O_NOATIME on it, and prints what came of it.
import { BlockIo, openFile } from '@biodone/blockdev';
import { IoBuffer, libc } from '@biodone/uring';

const [, , path, engine] = process.argv;
// Loaded before the rights to read it are gone.
libc();
process.setgroups([]);
process.setgid(65_534);
process.setuid(65_534);
const device = openFile(path, { readOnly: true, engine });
const io = new BlockIo();
io.buffer = IoBuffer.allocate(512);
io.lengthBytes = 512;
device.strategySync(io);
await device.close();
console.log(JSON.stringify({ error: io.error, first: io.buffer.bytes[0], uid: process.getuid() }));
