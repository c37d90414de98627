import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runNode } from './support/run.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { root } from './support/workspace.js';

interface CruiseResult {
  readonly summary: {
    readonly violations: readonly { from: string; to: string; rule: { name: string } }[];
  };
}

const parent = temporaryFolder();
const depcruise = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');

/** Lays out a workspace with these sources and returns which rules they break, as `rule: file`. */
async function violationsOf(sources: Record<string, string>): Promise<string[]> {
  const folder = mkdtempSync(join(parent, 'case-'));
  copyFileSync(join(root, 'tsconfig.base.json'), join(folder, 'tsconfig.base.json'));
  mkdirSync(join(folder, 'node_modules/@biodone'), { recursive: true });
  for (const layer of ['packages/sync', 'packages/uring', 'packages/aio', 'packages/testkit', 'apps/bench']) {
    const name = `@biodone/${layer.split('/')[1]}`;
    write(folder, `${layer}/package.json`, JSON.stringify({ name, type: 'module', exports: './dist/index.js' }));
    write(folder, `${layer}/dist/index.js`, 'export const built = 1;');
    symlinkSync(join(folder, layer), join(folder, 'node_modules', name));
  }
  for (const foreign of ['koffi', 'leftpad']) {
    write(folder, `node_modules/${foreign}/package.json`, JSON.stringify({ name: foreign, main: 'index.js' }));
    write(folder, `node_modules/${foreign}/index.js`, 'module.exports = 1;');
  }
  for (const [file, text] of Object.entries(sources)) {
    write(folder, file, text);
  }
  const config = join(root, '.dependency-cruiser.mjs');
  const args = [depcruise, '--config', config, '--output-type', 'json', 'packages', 'apps'];
  const { stdout, stderr } = await runNode(args, folder);
  if (!stdout.startsWith('{')) {
    throw new Error(`dependency-cruiser gave no result: ${stdout}${stderr}`);
  }
  const { summary } = JSON.parse(stdout) as CruiseResult;
  return summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`).sort();
}

function write(folder: string, file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

describe('the rules for imports', () => {
  it('accept imports of the layers below', async () => {
    const sources = {
      'packages/uring/src/index.ts': "import { built } from '@biodone/sync';\nimport k from 'koffi';\nk(built);",
      'apps/bench/src/main.ts': "import { built } from '@biodone/uring';\nconsole.log(built);",
      'packages/sync/test/a.test.ts': "import { built } from '@biodone/sync';\nconsole.log(built);",
    };
    expect(await violationsOf(sources)).toEqual([]);
  }, 60_000);

  it('find an import of testkit, also in the tests of what it stands on', async () => {
    const sources = {
      'packages/testkit/src/index.ts': "import { built } from '@biodone/uring';\nconsole.log(built);",
      'packages/uring/test/a.test.ts': "import { built } from '@biodone/testkit';\nconsole.log(built);",
    };
    expect(await violationsOf(sources)).toEqual(['only-leaf-tests-use-testkit: packages/uring/test/a.test.ts']);
  }, 60_000);

  it('find an import of a layer above, be it of a type only', async () => {
    const sources = {
      'packages/sync/src/index.ts': "import { built } from '@biodone/uring';\nconsole.log(built);",
      'packages/uring/src/types.ts': "import type { built } from '@biodone/aio';\nexport type A = typeof built;",
    };
    expect(await violationsOf(sources)).toEqual([
      'only-downwards-from-sync: packages/sync/src/index.ts',
      'only-downwards-from-uring: packages/uring/src/types.ts',
    ]);
  }, 60_000);

  it('find a circle within a package', async () => {
    const sources = {
      'packages/sync/src/a.ts': "import { b } from './b.js';\nexport const a = (): number => b();",
      'packages/sync/src/b.ts': "import { a } from './a.js';\nexport const b = (): number => a();",
    };
    expect(await violationsOf(sources)).toContain('no-circular: packages/sync/src/a.ts');
  }, 60_000);

  it('find an import past the public surface of a package', async () => {
    const sources = {
      'packages/sync/src/a.ts': 'export const a = 1;',
      'packages/uring/src/b.ts': "import { a } from '../../sync/src/a.js';\nconsole.log(a);",
      'packages/sync/test/a.test.ts': "import { a } from '../src/a.js';\nconsole.log(a);",
    };
    expect(await violationsOf(sources)).toEqual([
      'only-through-the-package-name: packages/uring/src/b.ts',
      'tests-use-the-package-as-its-users-do: packages/sync/test/a.test.ts',
    ]);
  }, 60_000);

  it('find foreign packages', async () => {
    const sources = {
      'packages/aio/src/a.ts': "import koffi from 'koffi';\nkoffi();",
      'packages/uring/src/b.ts': "import leftpad from 'leftpad';\nleftpad();",
    };
    expect(await violationsOf(sources)).toEqual([
      'koffi-only-in-uring: packages/aio/src/a.ts',
      'only-koffi: packages/uring/src/b.ts',
    ]);
  }, 60_000);
});
