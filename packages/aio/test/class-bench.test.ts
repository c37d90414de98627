import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const program = join(import.meta.dirname, '../bench/class.mjs');
const run = promisify(execFile);

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'biodone-aio-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('the benchmark of classes refuses options that it has not', async () => {
  const running = run(process.execPath, [program, '--nonsense']);
  await expect(running).rejects.toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/--nonsense.*usage/) });
});

it('the benchmark of classes reports throughput and p99 beside round robin', { timeout: 60_000 }, async () => {
  const report = join(folder, 'report.json');
  const { stdout } = await run(process.execPath, [program, '--repeats', '1', '--slice', '50', '--json', report]);
  const { figures, environment } = JSON.parse(readFileSync(report, 'utf8'));
  const ways = ['round_robin_steal', 'two_choices', 'two_choices_steal', 'least_loaded', 'least_loaded_steal'];
  expect(Object.keys(figures)).toEqual(ways.flatMap((way) => [`${way}_over_round_robin`, `${way}_p99_over_round_robin`]));
  for (const [id, value] of Object.entries(figures)) {
    expect(value, id).toBeGreaterThan(0);
    expect(stdout).toContain(id);
  }
  expect(environment).toMatchObject({ repeats: 1, node: process.version });
});
