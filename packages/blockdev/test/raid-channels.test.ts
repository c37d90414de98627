import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { attachDevice, type BlockDevice, openMem, openRaid, type RaidDevice, type RaidLevel, raidOf } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { answerOf } from './support/answer.js';
import { programPath } from './support/child.js';
import { makeIo, read, runSync, write } from './support/requests.js';

const BLOCK_BYTES = 512;
/** An odd number of blocks: so every second block of one component and the others of the next have the same parity. */
const STRIPE_BYTES = 3 * BLOCK_BYTES;
const levels: readonly (readonly [RaidLevel, number])[] = [
  [5, 3],
  [1, 2],
];

async function openOne(level: RaidLevel, count: number, spares = 0, sizeBytes = 2 ** 18): Promise<BlockDevice> {
  const disks = Array.from({ length: count + spares }, () => openMem(sizeBytes, { blockSizeBytes: BLOCK_BYTES }));
  const options = { create: true, level, stripeBytes: STRIPE_BYTES, regionBytes: 4 * STRIPE_BYTES, spares: disks.slice(count) };
  return openRaid(disks.slice(0, count), options);
}

const raid = (device: BlockDevice): RaidDevice => raidOf(device) as RaidDevice;

function startWorker(device: BlockDevice, work: object): Worker {
  return new Worker(programPath('raid-worker.mjs'), {
    workerData: { handle: device.handle(), blockBytes: BLOCK_BYTES, ...work },
  });
}

async function blocksOf(device: BlockDevice): Promise<number[]> {
  const size = device.limits.sizeBytes ?? 0;
  const buffer = IoBuffer.allocate(size);
  expect((await read(device, buffer, 0)).error).toBe(0);
  return Array.from({ length: size / BLOCK_BYTES }, (_, block) => {
    const bytes = new Set(buffer.bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES));
    return bytes.size === 1 ? ([...bytes][0] as number) : -1;
  });
}

describe.each(levels)('channels of a raid of level %i', (level, count) => {
  it('of several threads write to the same rows, and the parity goes with all of it', { timeout: 60_000 }, async () => {
    // So few rows that they are always at the same, and so many components that parity is changed and not made anew: what goes wrong stays wrong.
    const device = await openOne(level, level === 5 ? 5 : count, 0, 4096 + 8192);
    const workers = [0, 1].map((first) => startWorker(device, { first, step: 2, rounds: 4000 }));
    const ends = await Promise.all(workers.map(lastAnswer));
    expect(ends.map(({ errors }) => errors)).toEqual([[], []]);
    const blocks = await blocksOf(device);
    expect(blocks).toEqual(blocks.map((_, block) => ends[block % 2]?.last));
    expect(await raid(device).scrub()).toMatchObject({ mismatches: 0, unreadable: 0, repaired: 0 });
    await device.close();
  });

  it('go on without a component that another thread takes out, and with the spare in its place', {
    timeout: 60_000,
  }, async () => {
    const device = await openOne(level, count, 1);
    const workers = [0, 1].map((first) => startWorker(device, { first, step: 2, rounds: 40 }));
    const ended = Promise.all(workers.map(lastAnswer));
    await Promise.all(workers.map(answerOf));
    raid(device).fail(1);
    const ends = await ended;
    expect(ends.map(({ errors }) => errors)).toEqual([[], []]);
    await raid(device).settled();
    expect(raid(device).state).toBe('optimal');
    expect(await raid(device).scrub()).toMatchObject({ mismatches: 0, unreadable: 0 });
    raid(device).fail(0);
    const blocks = await blocksOf(device);
    expect(blocks).toEqual(blocks.map((_, block) => ends[block % 2]?.last));
    await device.close();
  });

  it('that a thread leaves in the middle of a write hold nobody up, and the parity is made right', {
    timeout: 60_000,
  }, async () => {
    const device = await openOne(level, count);
    const worker = startWorker(device, { first: 0, step: 1, rounds: 1, endless: true });
    expect(await answerOf(worker)).toBe('started');
    await worker.terminate();
    const size = device.limits.sizeBytes ?? 0;
    const bytes = Buffer.alloc(size, 9);
    expect(await write(device, bytes, 0)).toEqual({ error: 0, transferredBytes: size });
    await turn();
    await raid(device).settled();
    expect(await raid(device).scrub()).toMatchObject({ unreadable: 0 });
    expect(await raid(device).scrub()).toMatchObject({ mismatches: 0 });
    expect(new Set(await blocksOf(device))).toEqual(new Set([9]));
    await device.close();
  });

  it('take a component out for all', async () => {
    const device = await openOne(level, count);
    const channel = attachDevice(structuredClone(device.handle()));
    expect((await write(channel, Buffer.alloc(4096, 1), 0)).error).toBe(0);
    raid(device).fail(0);
    expect((await write(device, Buffer.alloc(4096, 2), 0)).error).toBe(0);
    const buffer = IoBuffer.allocate(4096);
    expect((await read(channel, buffer, 0)).error).toBe(0);
    expect(new Set(buffer.bytes)).toEqual(new Set([2]));
    expect(runSync(channel, makeIo({ operation: 1, offset: 512, buffer: IoBuffer.allocate(512), lengthBytes: 512 })).error).toBe(
      0,
    );
    await expect(raid(device).replace(0, openMem(2 ** 18))).rejects.toMatchObject({ code: 'EBUSY' });
    await channel.close();
    await device.close();
  });
});

/** What a worker says last. */
async function lastAnswer(worker: Worker): Promise<{ errors: number[]; last: number }> {
  while (true) {
    const answer = await answerOf(worker);
    if (typeof answer === 'object') return answer as { errors: number[]; last: number };
  }
}
