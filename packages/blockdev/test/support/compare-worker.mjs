import { parentPort, workerData } from 'node:worker_threads';
import { attachDevice, BLOCK_COMPARE_AND_WRITE, BLOCK_READ, BLOCK_WRITE, BlockIo } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

// A thread that changes a number on the device, by a channel of its own, as many times as it is told, while others do the same.
const { handle, mode, times, act } = workerData;
const device = attachDevice(handle);

export function ask(fields) {
  const io = Object.assign(new BlockIo(), { lengthBytes: BYTES, ...fields });
  return new Promise((resolve) => {
    io.iodone = resolve;
    device[mode](io);
    if (mode === 'strategySync') resolve(io);
  });
}

const BYTES = 512;
const numberIn = (buffer) => new DataView(buffer.bytes.buffer, buffer.bytes.byteOffset);
const faults = [];

async function read() {
  const buffer = IoBuffer.allocate(BYTES);
  const { error } = await ask({ operation: BLOCK_READ, buffer });
  if (error !== 0) faults.push(`read ${error}`);
  return buffer;
}

/** Adds one to the number, by comparing and writing until nobody else has been there. */
async function increment() {
  for (;;) {
    const compare = await read();
    const buffer = IoBuffer.allocate(BYTES);
    const next = numberIn(compare).getUint32(0) + 1;
    for (let at = 0; at < BYTES; at += 4) numberIn(buffer).setUint32(at, next);
    const { error } = await ask({ operation: BLOCK_COMPARE_AND_WRITE, compare, buffer });
    if (error === 0) return;
    if (error !== EILSEQ) {
      faults.push(`compare-and-write ${error}`);
      return;
    }
  }
}

/** Writes one byte of the unit, which nobody else writes, and finds it there again. */
async function writePart(count) {
  const at = workerData.at;
  const buffer = IoBuffer.allocate(1);
  buffer.bytes[0] = count & 255;
  const written = await ask({ operation: BLOCK_WRITE, buffer, offset: at, lengthBytes: 1 });
  const seen = IoBuffer.allocate(1);
  const found = await ask({ operation: BLOCK_READ, buffer: seen, offset: at, lengthBytes: 1 });
  if (written.error !== 0 || found.error !== 0) faults.push(`part ${written.error} ${found.error}`);
  else if (seen.bytes[0] !== (count & 255)) faults.push(`part ${count} is lost: ${seen.bytes[0]}`);
}

const EILSEQ = 84;

parentPort.postMessage('ready');
parentPort.once('message', async () => {
  for (let count = 0; count < times; count++) await (act === 'increment' ? increment() : writePart(count));
  await device.close();
  parentPort.postMessage(faults);
});
