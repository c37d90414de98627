import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { probe } from '@biodone/uring';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { runChild } from './support/run-child.js';

const program = '../../bench/main.mjs';

let folder: Folder;
beforeAll(() => {
  folder = makeFolder();
});
afterAll(() => folder.remove());

it.each([
  ['an option that there is not', ['--nonsense'], /--nonsense/],
  ['no idle time', ['--idle', '0'], /--idle 0 is not a whole number >= 1/],
])('the benchmark refuses %s, before it measures anything', async (_, options, message) => {
  const { status, stdout, stderr } = await runChild(program, options);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(message);
});

it('the benchmark reports every figure that can be had', { timeout: 120_000 }, async () => {
  const report = join(folder.path, 'report.json');
  // Once, as each path warms up anew: what comes of several repeats @biodone/blockdev's benchmark shows, which takes turns in the same way.
  const options = ['--repeats', '1', '--slice', '25', '--idle', '1', '--json', report];
  const { status, stdout, stderr } = await runChild(program, options);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { figures, environment } = JSON.parse(readFileSync(report, 'utf8'));
  const withRings = probe().available ? expect.any(Number) : null;
  expect(figures).toEqual({
    null_ops_per_s: expect.any(Number),
    null_sync_extra_ns: expect.any(Number),
    d32_over_uring: withRings,
    d32_over_uring_noatime: withRings,
    d32_over_fs_read: withRings,
    d32_over_filehandle: withRings,
    d32_promise_over_filehandle: withRings,
    d1_over_filehandle: withRings,
    sync_over_pread_time: expect.any(Number),
    sync_over_pread_noatime_time: expect.any(Number),
    sync_over_readsync_time: expect.any(Number),
    threads_over_fs_read: expect.any(Number),
    threads_uring_over_fs_read: withRings,
    crypt_2threads_over_1: expect.any(Number),
    crypt_4k_2threads_over_1: expect.any(Number),
    raid_rows_2threads_over_inline: expect.any(Number),
    raid_4k_2threads_over_inline: expect.any(Number),
    class_two_choices_over_round_robin: expect.any(Number),
    class_two_choices_p99_over_round_robin: expect.any(Number),
    class_least_loaded_steal_over_round_robin: expect.any(Number),
    class_least_loaded_steal_p99_over_round_robin: expect.any(Number),
    // Only where the disk can be read past the page cache.
    prio_p99_over_fcfs: expect.toSatisfy(isNumberOrNull),
    prio_throughput_over_fcfs: expect.toSatisfy(isNumberOrNull),
    idle_threads_cpu_ms: process.platform === 'linux' ? expect.any(Number) : null,
  });
  expect(environment).toMatchObject({ repeats: 1, node: process.version });
  for (const id of Object.keys(figures)) expect(stdout).toContain(id);
});

function isNumberOrNull(value: unknown): boolean {
  return value === null || typeof value === 'number';
}
