import { AioServicePool } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE } from '@biodone/blockdev';
import { aioSchedule, describeAioFailure, exploreAio, openManual, runAioSchedule, SeededRandom } from '@biodone/testkit';
import { IoBuffer } from '@biodone/uring';
import { expect, it } from 'vitest';

const SCHEDULES = 10_000;
const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
console.log(`aio simulation: BIODONE_SEED=${seed}`);

it(`${SCHEDULES} random schedules of pools: each operation completes once, in order, as was said, and nothing waits for nothing`, {
  timeout: 300_000,
}, async () => {
  let operations = 0;
  const onSchedule = (_index: number, result: { readonly operations: number }): void => {
    operations += result.operations;
  };
  const failure = await exploreAio({ from: seed, count: SCHEDULES, onSchedule });
  if (failure !== null) throw new Error(describeAioFailure(failure));
  expect(operations).toBeGreaterThan(SCHEDULES * 10);
});

it('the same schedule goes the same way again', { timeout: 60_000 }, async () => {
  for (let index = 0; index < 300; index++) {
    const schedule = aioSchedule(seed + index);
    const [once, again] = [await runAioSchedule(schedule), await runAioSchedule(schedule)];
    expect([again.hash, again.operations]).toEqual([once.hash, once.operations]);
  }
});

it('the synchronous mode gives the results of the asynchronous one, and leaves the same on the device', async () => {
  for (let round = 0; round < 300; round++) {
    const [synchronous, asynchronous] = [await runSequence(seed + round, true), await runSequence(seed + round, false)];
    expect(synchronous, `BIODONE_SEED=${seed + round}`).toEqual(asynchronous);
  }
});

/** Runs operations one after the other, some of them out of range. */
async function runSequence(from: number, synchronous: boolean): Promise<unknown[]> {
  const random = new SeededRandom(from);
  const device = openManual(256);
  const pool = new AioServicePool(device);
  const buffer = IoBuffer.allocate(64);
  const outcomes: unknown[] = [];
  for (let count = 0; count < 30; count++) {
    const op = pool.allocate();
    const operation = random.pick([BLOCK_READ, BLOCK_WRITE, BLOCK_WRITE, BLOCK_FLUSH] as const);
    const lengthBytes = operation === BLOCK_FLUSH ? 0 : random.below(64);
    const offset = operation === BLOCK_FLUSH ? 0 : random.below(260);
    if (operation === BLOCK_WRITE) random.fill(buffer.bytes);
    Object.assign(op, { operation, lengthBytes, offset, buffer: operation === BLOCK_FLUSH ? null : buffer });
    const note = (): void => {
      outcomes.push([
        op.error,
        op.transferredBytes,
        operation === BLOCK_READ ? [...buffer.bytes.subarray(0, lengthBytes)] : null,
      ]);
    };
    op.callback = synchronous ? null : note;
    pool.submit(op);
    if (synchronous) {
      note();
      pool.release(op);
    } else {
      while (pool.inFlight > 0) pool.wait(Number.POSITIVE_INFINITY);
    }
  }
  outcomes.push([...device.contents]);
  await pool.close();
  await device.close();
  return outcomes;
}
