import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, it } from 'vitest';
import { exampleFencesOf } from './support/fences.js';
import { runNode } from './support/run.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { publishedPackages, root } from './support/workspace.js';

// Inside the workspace, so that the packages are found under their names.
const folder = temporaryFolder(join(import.meta.dirname, '..'));

const examples = publishedPackages.flatMap(({ directory }) =>
  readdirSync(join(directory, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => {
      const file = join(directory, 'src', name);
      return exampleFencesOf(readFileSync(file, 'utf8')).map((fence) => ({
        ...fence,
        where: `${relative(root, file)}:${fence.line}`,
      }));
    }),
);

// A workspace without examples would otherwise have a test file without tests.
it('finds the examples in the documentation of the sources', () => {
  expect(Array.isArray(examples)).toBe(true);
});

it.each(examples)(
  'the example at $where runs',
  async ({ where, code, skipReason }) => {
    if (skipReason !== undefined) {
      expect(skipReason, `${where} says no-run without a reason`).not.toBe('');
      console.log(`the example at ${where} is not run: ${skipReason}`);
      return;
    }
    const file = join(folder, `${where.replaceAll(/[^\w]/g, '-')}.mjs`);
    writeFileSync(file, code);
    const outcome = await runNode([file], folder);
    expect(outcome).toMatchObject({ status: 0 });
  },
  60_000,
);
