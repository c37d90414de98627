import { configure } from '@biodone/posix-aio';
import { probe } from '@biodone/uring';
import { describe, vi } from 'vitest';
import { testDescriptorPromises } from './support/descriptor-promises.js';

const { available, reason } = probe();
if (!available) console.warn(`promises on descriptors by io_uring are not tested: ${reason}`);
// A disk that is busy with others makes them wait.
vi.setConfig({ testTimeout: 120_000 });

describe.skipIf(!available)('aio, on descriptors, by io_uring', () => {
  if (available) configure({ engine: 'uring' });
  testDescriptorPromises();
});
