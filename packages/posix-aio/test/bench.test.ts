import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { probe } from '@biodone/uring';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { runScript } from './support/run-child.js';

const program = '../../bench/main.mjs';

let folder: Folder;
beforeAll(() => {
  folder = makeFolder();
});
afterAll(() => folder.remove());

it('the benchmark refuses an option that there is not, before it measures anything', async () => {
  const { status, stdout, stderr } = await runScript(program, '--nonsense');
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(/--nonsense/);
});

it('the benchmark reports every figure that can be had', { timeout: 120_000 }, async () => {
  const report = join(folder.path, 'report.json');
  const { status, stdout, stderr } = await runScript(program, '--repeats', '1', '--slice', '20', '--json', report);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { figures, environment } = JSON.parse(readFileSync(report, 'utf8'));
  const withRings = probe().available ? expect.any(Number) : null;
  // Those beside glibc only where fio is installed, and with O_DIRECT where the disk can be read past the page cache.
  expect(figures).toEqual({
    direct_d32_over_glibc: expect.toSatisfy(isNumberOrNull),
    cached_d32_over_glibc: expect.toSatisfy(isNumberOrNull),
    cached_d32_raw_over_glibc: expect.toSatisfy(isNumberOrNull),
    cached_d32_notified_over_glibc: expect.toSatisfy(isNumberOrNull),
    cached_d1_notified_over_glibc: expect.toSatisfy(isNumberOrNull),
    cached_d1_over_glibc: expect.toSatisfy(isNumberOrNull),
    lio32_system_calls: probe().available ? 1 : null,
    aiofile_d1_over_filehandle: withRings,
    aiofile_iobuffer_d1_over_filehandle: withRings,
    aiofile_fs_d1_over_filehandle: expect.any(Number),
    aiofile_d32_over_filehandle: withRings,
    aiofile_iobuffer_d32_over_filehandle: withRings,
    aiofile_fs_d32_over_filehandle: expect.any(Number),
    ...Object.fromEntries([...wholeFiles, ...openings].map((id) => [`${id}_over_filehandle`, withRings])),
  });
  expect(environment).toMatchObject({ repeats: 1, node: process.version });
  for (const id of Object.keys(figures)) expect(stdout).toContain(id);
});

const wholeFiles = ['open_readfile_close', 'open_writefile_close', 'readfile'].flatMap((kind) =>
  ['4k', '64k', '1m', '16m'].map((size) => `${kind}_${size}`),
);
const openings = [
  ...['open_close_folder', 'open_write_close', 'open_read_close'].flatMap((kind) => [`${kind}_x1`, `${kind}_x16`]),
  'worker_open_readfile_close',
  'worker_open_readfile_signal_close',
];

function isNumberOrNull(value: unknown): boolean {
  return value === null || typeof value === 'number';
}
