import { configure } from '@biodone/posix-aio';
import { describe, vi } from 'vitest';
import { testDescriptorPromises } from './support/descriptor-promises.js';

// Threads start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });
configure({ engine: 'threads' });

describe('aio, on descriptors, by service threads', () => {
  testDescriptorPromises();
});
