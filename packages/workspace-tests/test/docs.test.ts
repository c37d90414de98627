import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fencesOf } from './support/fences.js';
import { runNode } from './support/run.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { root } from './support/workspace.js';

// Inside the workspace, so that the packages are found under their names.
const folder = temporaryFolder(join(import.meta.dirname, '..'));

const examples = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) =>
    fencesOf(readFileSync(join(root, 'docs', name), 'utf8')).map((fence) => ({ ...fence, where: `${name}:${fence.line}` })),
  );

it('finds the examples in the documents', () => {
  expect(examples.length).toBeGreaterThan(0);
});

it.each(examples)(
  'the example at docs/$where runs',
  async ({ where, code, skipReason }) => {
    if (skipReason !== undefined) {
      expect(skipReason, `docs/${where} says no-run without a reason`).not.toBe('');
      console.log(`the example at docs/${where} is not run: ${skipReason}`);
      return;
    }
    const file = join(folder, `${where.replaceAll(/[^\w]/g, '-')}.mjs`);
    writeFileSync(file, code);
    expect(await runNode([file], folder)).toMatchObject({ status: 0 });
  },
  60_000,
);
