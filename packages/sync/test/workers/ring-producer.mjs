// Pushes records of three words (its number, a sequence number, a checksum) in batches of varying size, until it has pushed all or the ring is
// closed; then says how many it has pushed.
import { parentPort, workerData } from 'node:worker_threads';
import { MpscRing, SpscRing } from '@biodone/sync';

const { ring: serialized, number, records, way } = workerData;
const ring = (serialized.kind === 'SpscRing' ? SpscRing : MpscRing).attach(serialized);
const batch = new Int32Array(3 * 8);
let pushed = 0;
try {
  while (pushed < records) {
    const count = Math.min((pushed % 8) + 1, records - pushed);
    for (let index = 0; index < count; index++) {
      batch.set([number, pushed + index, number * 1_000_000 + pushed + index], 3 * index);
    }
    const moved = ring.push(batch, count);
    pushed += moved;
    if (moved < count) await ring[way](1);
  }
} catch (error) {
  if (error.code !== 'EPIPE') throw error;
}
parentPort.postMessage(pushed);
