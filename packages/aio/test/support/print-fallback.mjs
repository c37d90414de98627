// Reads a file through pools as they are by default, on a thread that does not return to its event loop, and prints what has served it and what was said.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { AioServicePool, queueCompletion } from '@biodone/aio';
import { BLOCK_READ, openFile } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const service = process.argv[2] ?? 'auto';
const warnings = [];
process.on('warning', ({ code }) => warnings.push(code));

const folder = mkdtempSync(join(tmpdir(), 'aio-fallback-'));
const path = join(folder, 'data');
writeFileSync(path, 'biodone');
const device = openFile(path);
const pools = [new AioServicePool(device, { service }), new AioServicePool(device, { service })];

function read(pool) {
  const op = Object.assign(pool.allocate(), { operation: BLOCK_READ, buffer: IoBuffer.allocate(7), lengthBytes: 7, offset: 0 });
  op.callback = queueCompletion;
  pool.submit(op);
  const done = pool.waitComplete();
  return `${done.error} ${Buffer.from(done.buffer.bytes).toString()}`;
}

function cancel(pool) {
  const op = Object.assign(pool.allocate(), { operation: BLOCK_READ, buffer: IoBuffer.allocate(7), lengthBytes: 7, offset: 0 });
  op.callback = () => {};
  pool.submit(op);
  return pool.cancelSync(op);
}

function attempt(call) {
  try {
    return call();
  } catch ({ code }) {
    return code;
  }
}

// A thread that is started later has been told.
const source = `
  const { parentPort, workerData } = require('node:worker_threads');
  process.on('warning', ({ code }) => parentPort.postMessage(code));
  Promise.all([import('@biodone/aio'), import('@biodone/blockdev')]).then(async ([{ AioServicePool }, { openFile }]) => {
    const device = openFile(workerData, { readOnly: true });
    const pool = new AioServicePool(device);
    await pool.close();
    await device.close();
  });`;

const answer = {
  engine: device.describe().engine,
  threads: pools.map((pool) => pool.stats().threads !== null),
  reads: pools.map((pool) => attempt(() => read(pool))),
  cancelled: pools.map((pool) => attempt(() => cancel(pool))),
};
// What waits for the event loop alone is let go.
while (pools.some((pool) => pool.inFlight > 0)) await setTimeout(1);
const heard = [];
const worker = new Worker(source, { eval: true, workerData: path });
worker.on('message', (code) => heard.push(code));
await new Promise((resolve) => worker.once('exit', resolve));
for (const pool of pools) await pool.close();
await device.close();
rmSync(folder, { recursive: true });
process.once('exit', () => console.log(JSON.stringify({ ...answer, warnings, heard })));
