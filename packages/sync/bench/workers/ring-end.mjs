// One end of a ring. The consumer checks what comes and says how many seconds it took.
import { parentPort, workerData } from 'node:worker_threads';
import { MpscRing, SpscRing } from '@biodone/sync';

const { side, ring: serialized, batch, records, gate } = workerData;
const ring = (serialized.kind === 'SpscRing' ? SpscRing : MpscRing).attach(serialized);
const words = new Int32Array(gate);
const buffer = new Int32Array(4 * batch);

Atomics.add(words, 1, 1);
while (Atomics.load(words, 0) === 0);
const start = process.hrtime.bigint();
if (side === 'producer') produce();
else consume();
parentPort.postMessage(Number(process.hrtime.bigint() - start) / 1e9);

function produce() {
  for (let pushed = 0; pushed < records; ) {
    const count = Math.min(batch, records - pushed);
    for (let index = 0; index < count; index++) buffer[4 * index] = pushed + index;
    const moved = ring.push(buffer, count);
    pushed += moved;
    if (moved < count) ring.waitForSpace(batch);
  }
  ring.close();
}

function consume() {
  let expected = 0;
  while (!ring.isDrained()) {
    const moved = ring.pop(buffer, batch);
    for (let index = 0; index < moved; index++) {
      if (buffer[4 * index] !== expected++) throw new Error(`record ${buffer[4 * index]}, not ${expected - 1}`);
    }
    if (moved === 0) ring.waitForRecords();
  }
  if (expected !== records) throw new Error(`${expected} of ${records} records`);
}
