import { availableParallelism } from 'node:os';
import type { ViteUserConfig } from 'vitest/config';

/** How every package of the workspace is tested. */
export const testOptions: ViteUserConfig = {
  test: {
    include: ['test/**/*.test.ts'],
    globals: false,
    // On a busy machine everything takes several times as long, and that is no failure.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // Two files at a time also where there are two processors: most wait for the kernel or for a thread half of the time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Tests of memory behaviour ask for a collection themselves.
    execArgv: ['--expose-gc'],
    // The built packages are loaded by Node itself, not transformed: a worker that imports one must find the
    // same files as the test that started it, as in a user's program.
    server: { deps: { external: [/\/dist\//] } },
    reporters: ['default', ['json', { outputFile: 'test-results/vitest.json' }]],
  },
};
