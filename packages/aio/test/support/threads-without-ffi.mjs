// Service threads where there is no foreign function interface: woken and waking without eventfds, bound to no CPU.
import { writeFileSync } from 'node:fs';
import { AioOp, ServiceThreads } from '@biodone/aio';
import { openFile } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const [, , path] = process.argv;
writeFileSync(path, Buffer.alloc(4096, 7));
const device = openFile(path, { engine: 'fs' });
const service = new ServiceThreads(device, 8, 2);
const start = (iodone) => {
  const op = Object.assign(new AioOp(null, 0), { buffer: IoBuffer.allocate(512), lengthBytes: 512, offset: 1024, iodone });
  service.start(op);
};
// By the event loop, which nothing else keeps turning.
for (let round = 0; round < 3; round++) await new Promise((resolve) => start(resolve));
// Without it.
let answer = null;
start((op) => {
  answer = [op.error, op.transferredBytes, op.buffer.bytes[511]];
});
while (answer === null) service.wait(1000);
console.log(JSON.stringify(answer), service.wait(10), service.statistics().threads[0].cpu);
await service.close();
await device.close();
