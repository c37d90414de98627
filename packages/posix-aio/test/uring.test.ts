import { configure } from '@biodone/posix-aio';
import { probe } from '@biodone/uring';
import { describe, vi } from 'vitest';
import { testAll } from './conformance/all.js';

const { available, reason } = probe();
if (!available) console.warn(`POSIX AIO by io_uring is not tested: ${reason}`);
vi.setConfig({ testTimeout: 60_000 });

describe.skipIf(!available)('by io_uring', () => {
  if (available) configure({ engine: 'uring' });
  testAll(true);
});
