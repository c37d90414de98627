import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Ending, run } from './support/child.js';

const program = join(import.meta.dirname, '../bench/main.mjs');

function bench(...options: string[]): Promise<Ending> {
  return run(process.execPath, [program, ...options]);
}

describe('the benchmark', () => {
  it.each([
    ['an option that there is not', ['--nonsense'], /--nonsense/],
    ['a number that is none', ['--repeats', 'five'], /--repeats five is not a whole number >= 1/],
    ['no repeats', ['--repeats', '0'], /--repeats 0 is not a whole number >= 1/],
    ['a surplus argument', ['surplus'], /surplus/],
  ])('refuses %s, before it measures anything', async (_, options, message) => {
    const { status, stdout, stderr } = await bench(...options);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/usage: .*\[--json FILE\] \[--quick\] \[--repeats N\]\n$/);
  });

  it('refuses a report that could not be written', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'biodone-bench-'));
    const { status, stderr } = await bench('--json', join(folder, 'missing', 'report.json'));
    rmSync(folder, { recursive: true });
    expect(status).toBe(2);
    expect(stderr).toContain(join(folder, 'missing'));
  });
});
