import { configure } from '@biodone/posix-aio';
import { describe, vi } from 'vitest';
import { testAll } from './conformance/all.js';

// Threads start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });
configure({ engine: 'threads' });

describe('by service threads', () => {
  testAll(false);
});
