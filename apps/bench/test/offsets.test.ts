import { expect, it } from 'vitest';
import { Offsets } from '../src/workload/offsets.js';
import { WORKLOADS } from '../src/workload/workload.js';

const SIZE_BYTES = 16 * 2 ** 20 + 100;

it.each(WORKLOADS)('$id stays within the file, on whole blocks, and is repeated by the same seed', (workload) => {
  const offsets = new Offsets(workload, SIZE_BYTES, 7);
  const again = new Offsets(workload, SIZE_BYTES, 7);
  for (let count = 0; count < 10_000; count++) {
    const offset = offsets.next();
    expect(offset % workload.blockBytes).toBe(0);
    expect(offset).toBeGreaterThanOrEqual(0);
    expect(offset + workload.blockBytes).toBeLessThanOrEqual(SIZE_BYTES);
    expect(again.next()).toBe(offset);
  }
});

it.each(WORKLOADS.filter(({ pattern }) => pattern === 'random'))('$id reaches all blocks, about equally often', (workload) => {
  const blocks = Math.floor(SIZE_BYTES / workload.blockBytes);
  const counts = new Uint32Array(blocks);
  const offsets = new Offsets(workload, SIZE_BYTES, 0);
  for (let count = 0; count < blocks * 100; count++) {
    const block = offsets.next() / workload.blockBytes;
    counts[block] = (counts[block] ?? 0) + 1;
  }
  // A hundred on average, so a standard deviation of ten.
  expect(Math.min(...counts)).toBeGreaterThan(40);
  expect(Math.max(...counts)).toBeLessThan(170);
});

it.each(WORKLOADS.filter(({ pattern }) => pattern === 'sequential'))(
  '$id goes through the file in order, and round',
  (workload) => {
    const blocks = Math.floor(SIZE_BYTES / workload.blockBytes);
    const offsets = new Offsets(workload, SIZE_BYTES, 3);
    const first = offsets.next();
    for (let step = 1; step <= 2 * blocks; step++) {
      expect(offsets.next()).toBe((first + step * workload.blockBytes) % (blocks * workload.blockBytes));
    }
  },
);

it('begins elsewhere with another seed', () => {
  for (const workload of WORKLOADS) {
    const starts = new Set(Array.from({ length: 12 }, (_, seed) => new Offsets(workload, SIZE_BYTES, seed).next()));
    expect(starts.size).toBeGreaterThan(5);
  }
});
