import { type BlockDevice, openFile, openMem } from '@biodone/blockdev';
import { failEveryNth } from '@biodone/testkit';
import { describe, expect, it } from 'vitest';
import { filters, newFile, SIZE_BYTES } from './support/devices.js';

const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const bottoms: [string, () => BlockDevice][] = [
  ['mem', () => openMem(SIZE_BYTES)],
  ['a file', () => openFile(newFile())],
];

describe.each(bottoms)('each n-th I/O that fails, on %s', (_bottom, open) => {
  it.each(filters.map(({ name, ...filter }) => [name, filter] as const))(
    'is survived by %s without a wrong answer',
    async (_name, filter) => {
      console.log(`failure sweep: BIODONE_SEED=${seed}`);
      const build = (fault: (child: BlockDevice) => BlockDevice) => filter.open(() => fault(open()));
      const { childRequests, runs, errors } = await failEveryNth({ build, seed, requests: 30 });
      expect(childRequests).toBeGreaterThan(5);
      expect(runs).toBe(2 * childRequests + 1);
      if (filter.redundant !== true) expect(errors).toBeGreaterThanOrEqual(childRequests);
    },
    120_000,
  );
});
