import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { runChild } from './support/run-child.js';

// Processes start: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

const text = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
const examples = text
  .split('\n## ')
  .flatMap((section) =>
    [...section.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => ({ title: section.split('\n')[0], code })),
  );

/** What an example says that it prints, in any order: below it, or behind what prints it, there up to an explanation. */
function shownBy(code: string): string[] {
  const below = code.split('// Prints:\n')[1];
  if (below !== undefined)
    return below
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^\/\/ /, ''));
  return [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, line = '']) => line.replace(/^(\d+): .*/, '$1'));
}

describe('the examples in the README print what they say', () => {
  it.each(examples)('$title', async ({ code, title }) => {
    const shown = shownBy(code);
    expect(shown.length).toBeGreaterThan(0);
    // Here, so that it finds the packages by their names.
    const name = `readme-example-${process.pid}-${title?.replaceAll(/\W/g, '')}-${code.length}.mjs`;
    const file = join(import.meta.dirname, 'support', name);
    writeFileSync(file, code);
    try {
      const { status, stdout, stderr } = await runChild(`./${name}`);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout.trimEnd().split('\n').sort()).toEqual(shown.sort());
    } finally {
      rmSync(file);
    }
  });
});
