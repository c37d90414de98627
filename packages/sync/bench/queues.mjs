import { MessageChannel } from 'node:worker_threads';
import { MpscRing, SpscRing } from '@biodone/sync';
import { runWorkers } from './run-workers.mjs';

const RECORDS = 4_000_000;
const MESSAGES = 150_000;
const SHAPE = { recordBytes: 16, capacity: 4096 };

/**
 * Records of 16 bytes from one thread to another, as fast as they go: through the rings, in batches and one by one, and as messages of one number each,
 * the cheapest that there are. The first ratio is what a user gains who changes from a message per record to the ring as it is meant to be used, in batches;
 * the second, one by one on both sides, is what of that the ring itself gains.
 */
export async function queues() {
  const spsc = await ringRate(SpscRing, 64);
  const mpsc = await ringRate(MpscRing, 64);
  const single = await ringRate(SpscRing, 1);
  const messages = await messageRate();
  return {
    ring_records_per_s: spsc,
    ring_single_records_per_s: single,
    mpsc_ring_records_per_s: mpsc,
    postmessage_per_s: messages,
    ring_over_postmessage: spsc / messages,
    ring_single_over_postmessage: single / messages,
  };
}

async function ringRate(Ring, batch) {
  const ring = Ring.initialize(new SharedArrayBuffer(Ring.bytes(SHAPE)), 0, SHAPE).serialize();
  const [, seconds] = await runWorkers('ring-end', [
    { side: 'producer', ring, batch, records: RECORDS },
    { side: 'consumer', ring, batch, records: RECORDS },
  ]);
  return RECORDS / seconds;
}

async function messageRate() {
  const { port1, port2 } = new MessageChannel();
  const [, seconds] = await runWorkers('message-end', [
    { side: 'producer', port: port1, messages: MESSAGES },
    { side: 'consumer', port: port2, messages: MESSAGES },
  ]);
  return MESSAGES / seconds;
}
