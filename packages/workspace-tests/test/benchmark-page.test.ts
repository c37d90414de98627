import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { runNode } from './support/run.js';
import { root } from './support/workspace.js';

const folder = mkdtempSync(join(tmpdir(), 'biodone-page-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = {
  parts: [
    { name: 'sync', command: 'npm run bench -w @biodone/sync', output: 'figure  median\nlock      1.25   \n\n\n' },
    { name: 'bench', command: 'npm run bench -w @biodone/bench', output: 'Test file: /home/me/x (1 GiB)\n\nrows\n' },
  ],
  figures: { 'sync.lock': 1.23456, 'bench.null_ios_per_s': 3_000_000, 'bench.agree_direct_d1': null },
  environment: {
    cpu: 'Some CPU',
    cpus: 2,
    memoryBytes: 2 ** 34,
    loadBefore: 0.1,
    otherCpuShare: 0.123,
    testFile: '/home/me/x',
    program: '@biodone/bench',
  },
};

describe('docs/benchmarks.md', () => {
  it('is written from a run, with machine, date, commands and tables, and no path of the machine', async () => {
    const page = join(folder, 'benchmarks.md');
    const script = `
      import { benchmarkPage, writePage } from ${JSON.stringify(pathToFileURL(join(root, 'scripts/benchmark-page.mjs')).href)};
      const run = ${JSON.stringify(run)};
      const times = { startedAt: new Date('2026-01-02T03:04:05Z'), endedAt: new Date('2026-01-02T03:14:00Z') };
      writePage(${JSON.stringify(page)}, benchmarkPage({ ...run, ...times }));`;
    expect(await runNode(['--input-type=module', '--eval', script], root)).toMatchObject({ status: 0, stderr: '' });
    const text = readFileSync(page, 'utf8');
    for (const part of [
      '- CPU: 2 × Some CPU, 16.0 GiB of memory',
      '**Others took 12 % of the CPU time',
      '- date: 2026-01-02, load before: 0.1, other work: 12 % of the CPU time',
      '- all of it took: 10 minutes',
      '`npm run bench -w @biodone/sync`',
      'figure  median\nlock      1.25\n```',
    ]) {
      expect(text).toContain(part);
    }
    expect(text).toContain('| `sync.lock` | 1.235 |');
    expect(text).toContain('| `bench.null_ios_per_s` | 3,000,000 |');
    expect(text).toContain('| `bench.agree_direct_d1` | not available |');
    expect(text).not.toContain('/home/me');
    expect(text).not.toMatch(/\n{3}/);
  });

  it('is not begun for a request that is wrong', async () => {
    const outcome = await runNode([join(root, 'scripts/bench.mjs'), '--only', 'nonsense'], root);
    expect(outcome).toMatchObject({ status: 2 });
    expect(outcome.stderr).toMatch(/^bench: --only 'nonsense' is none of .*bench/);
    const lost = await runNode([join(root, 'scripts/bench.mjs'), '--page', join(folder, 'missing/page.md')], root);
    expect(lost).toMatchObject({ status: 2, stdout: '' });
    expect(lost.stderr).toMatch(/^bench: cannot write '.*page\.md' \(ENOENT\): name a page/);
  });

  it('is left as it was where a part fails, which is told', async () => {
    const page = join(folder, 'kept.md');
    writeFileSync(page, 'earlier');
    // Without a PATH there is no npm, which runs the parts.
    const script = join(root, 'scripts/bench.mjs');
    const outcome = await runNode([script, '--only', 'sync,bench', '--page', page], root, { PATH: '' });
    expect(outcome).toMatchObject({ status: 1 });
    expect(outcome.stderr).toMatch(/^bench: sync: .*ENOENT\nbench: bench: .*ENOENT\nbench: .*kept\.md is left as it was\n$/);
    expect(readFileSync(page, 'utf8')).toBe('earlier');
  });
});
