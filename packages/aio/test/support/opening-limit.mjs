// A service that finds no descriptor left is not made, and holds nothing.
import { closeSync, openSync, readdirSync } from 'node:fs';
import { ServiceThreads } from '@biodone/aio';
import { openMem } from '@biodone/blockdev';

const device = openMem(65536);
// What is opened once and stays open, such as the ends of what tells Node of signals.
await new ServiceThreads(device, 4, 1).close();
const open = () => readdirSync('/proc/self/fd').length;
const before = open();
const taken = [];
try {
  for (;;) taken.push(openSync('/dev/null'));
} catch {}
for (let left = 0; left < 4; left++) {
  if (left > 0) closeSync(taken.pop());
  try {
    const service = new ServiceThreads(device, 4, 1);
    console.log('made with', left);
    await service.close();
  } catch (error) {
    console.log(error.code, error.syscall);
  }
}
for (const fd of taken) closeSync(fd);
console.log('descriptors', open() - before);
await device.close();
console.log('closed');
