import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runChild } from './support/run-child.js';

const text = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
const section = text.split('## Chains, drains and batches')[1]?.split('\n## ')[0] ?? '';

it('the example of chains in the README prints what stands below it', async () => {
  const code = section.match(/```js\n([\s\S]*?)```/)?.[1] ?? '';
  const shown = code.split('// Prints:\n')[1]?.replaceAll(/^\/\/ /gm, '');
  expect(shown).toMatch(/record/);
  // Here, so that it finds the packages by their names.
  const file = join(import.meta.dirname, 'support', `readme-example-${process.pid}.mjs`);
  writeFileSync(file, code);
  try {
    expect(await runChild(`./readme-example-${process.pid}.mjs`)).toEqual({ status: 0, stdout: shown, stderr: '' });
  } finally {
    rmSync(file);
  }
});
