import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { BLOCK_FLUSH, BlockIo, openFile } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const engine = process.argv[2] ?? 'auto';
const warnings = [];
process.on('warning', (warning) => warnings.push(warning));
const folder = mkdtempSync(join(tmpdir(), 'biodone-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'file');
writeFileSync(path, 'abcdef');

const devices = [1, 2, 3].map(() => openFile(path, { engine, lock: false }));
const [device] = devices;
const run = (fields) =>
  new Promise((resolve) => {
    device.strategy(Object.assign(new BlockIo(), fields, { iodone: resolve }));
  });
const read = await run({ buffer: IoBuffer.allocate(6), lengthBytes: 6 });
const flush = await run({ operation: BLOCK_FLUSH });
let refused;
try {
  openFile(path, { engine: 'uring' });
} catch (error) {
  refused = error;
}
await Promise.all(devices.map((each) => each.close()));
await turn();
console.log(
  JSON.stringify({
    engine: device.describe().engine,
    warnings: warnings.map(({ code }) => code),
    messages: warnings.map(({ message }) => message),
    read: `read ${read.transferredBytes}, flush ${flush.error}`,
    refused: `${refused?.code} ${refused?.syscall}`,
    reason: refused?.message,
  }),
);
