import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlockIo, openFile, openMem, openMirror, openNull, openStripe, wrapDescriptor } from '@biodone/blockdev';
import { IoBuffer, probe } from '@biodone/uring';

// On every device 10 requests, of which every other's callback throws, valid and invalid ones mixed.
const folder = mkdtempSync(join(tmpdir(), 'biodone-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'file');
writeFileSync(path, Buffer.alloc(4096));
const fd = openSync(path);
const fs = () => openFile(path, { engine: 'fs', lock: false });
const devices = { null: openNull(4096), mem: openMem(4096), fs: fs() };
// Those that wait in line for a child request are served before the callback of the one that gave it back.
devices.stripe = openStripe([fs(), openMem(4096)], { stripeBytes: 16, childrenMax: 1 });
devices.mirror = (await openMirror([fs(), fs()], { labels: false })).device;
if (probe().available)
  Object.assign(devices, { uring: openFile(path, { engine: 'uring', lock: false }), wrapped: wrapDescriptor(fd) });

let uncaught = 0;
process.on('uncaughtException', (error) => {
  if (error.message !== 'of a callback') throw error;
  uncaught += 1;
});
const answers = {};
for (const [name, device] of Object.entries(devices)) {
  uncaught = 0;
  let calls = 0;
  for (let index = 0; index < 10; index++) {
    const io = new BlockIo();
    io.buffer = IoBuffer.allocate(16);
    io.lengthBytes = 16;
    io.offset = index % 3 === 0 ? -1 : index === 2 ? 0 : 16;
    io.iodone = () => {
      calls += 1;
      if (index % 2 === 1) throw new Error('of a callback');
    };
    device.strategy(io);
  }
  await device.close();
  // An exception that is thrown again in a microtask may come after the promise of close().
  await new Promise(setImmediate);
  answers[name] = [calls, uncaught, device.inFlight];
}
closeSync(fd);
console.log(JSON.stringify(answers));
