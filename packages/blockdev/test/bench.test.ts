import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as blockdev from '@biodone/blockdev';
import { expect, it } from 'vitest';
import { engines } from './support/available.js';
import { run } from './support/child.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
const program = join(import.meta.dirname, '../bench/main.mjs');

it.each([
  ['an option that there is not', ['--nonsense'], /--nonsense/],
  ['no time', ['--slice', '0'], /--slice 0 is not a whole number >= 1/],
  ['no repeats', ['--repeats', 'none'], /--repeats none is not a whole number >= 1/],
])('the benchmark refuses %s, before it measures anything', async (_, options, message) => {
  const { status, stdout, stderr } = await run(process.execPath, [program, ...options]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/usage: main\.mjs \[--json FILE\] \[--quick\] \[--repeats N\] \[--slice MS\]\n$/);
});

it('the benchmark reports every figure that can be had', { timeout: 120_000 }, async () => {
  const report = join(folder, 'report.json');
  const options = ['--repeats', '2', '--slice', '20', '--json', report];
  const { status, stdout, stderr } = await run(process.execPath, [program, ...options], 110_000);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { figures, environment } = JSON.parse(readFileSync(report, 'utf8'));
  const onFiles = engines.includes('uring') ? expect.any(Number) : null;
  expect(figures).toEqual({
    null_ops_per_s: expect.any(Number),
    mem_over_memcpy_time: expect.any(Number),
    checksum_read_over_plain: expect.any(Number),
    checksum_copied_read_over_plain: expect.any(Number),
    cache_write_over_device: expect.any(Number),
    cache_device_read_over_device: expect.any(Number),
    file_over_uring: onFiles,
    file_over_uring_noatime: onFiles,
    stripe2_over_file: 'openStripe' in blockdev ? onFiles : null,
    mirror_over_file: 'openMirror' in blockdev ? onFiles : null,
    raid5_seq_write_over_raid0: expect.any(Number),
    raid5_copied_write_over_raid0: expect.any(Number),
    raid5_rand_read_over_raid0: expect.any(Number),
    parity_over_memcpy: expect.any(Number),
  });
  for (const value of Object.values(figures)) if (value !== null) expect(value).toBeGreaterThan(0);
  expect(environment).toMatchObject({ repeats: 2, node: process.version });
  for (const id of Object.keys(figures)) expect(stdout).toContain(id);
});
