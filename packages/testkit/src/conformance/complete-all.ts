import { strict as assert } from 'node:assert';
import { type BlockIo, IO_DONE } from '@biodone/blockdev';
import { turn } from '../requests.js';
import type { Bench } from './suite.js';

/** Starts requests together, waits until all have completed, and sees to it that each has called back once, and none inside `strategy`. */
export async function completeAll(bench: Bench, what: string, requests: readonly BlockIo[]): Promise<void> {
  const calls = new Map<BlockIo, number>();
  let inside = false;
  const ended = requests.map(
    (io) =>
      new Promise<void>((resolve) => {
        io.iodone = () => {
          assert.equal(inside, false, 'a callback ran inside strategy()');
          assert.equal(io.state, IO_DONE);
          calls.set(io, (calls.get(io) ?? 0) + 1);
          resolve();
        };
        inside = true;
        bench.device.strategy(io);
        inside = false;
      }),
  );
  await bench.settle(what, Promise.all(ended), requests);
  await turn();
  assert.equal(calls.size, requests.length);
  for (const count of calls.values()) assert.equal(count, 1);
  assert.equal(bench.device.inFlight, 0);
}
