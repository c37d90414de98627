import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { fencesOf } from './support/fences.js';
import { npm, runNode } from './support/run.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { packageNamed, publishedPackages, readManifest, root } from './support/workspace.js';

const folder = temporaryFolder();
const tarballs = new Map<string, string>();

/** Where the sources of a package are: a workspace of this repository, or what npm has installed. */
function directoryOf(name: string): string {
  return name.startsWith('@biodone/') ? packageNamed(name).directory : join(root, 'node_modules', name);
}

/** The package and all that it needs at run time on this machine. */
function closureOf(name: string): string[] {
  const found = new Set<string>();
  const visit = (dependency: string): void => {
    if (found.has(dependency)) {
      return;
    }
    found.add(dependency);
    const manifest = readManifest(directoryOf(dependency));
    const optional = Object.keys(manifest.optionalDependencies ?? {});
    const here = optional.filter((candidate) => existsSync(join(root, 'node_modules', candidate)));
    for (const next of [...Object.keys(manifest.dependencies ?? {}), ...here]) {
      visit(next);
    }
  };
  visit(name);
  return [...found].sort();
}

/** The names of the packages in a node_modules folder. */
function installedIn(directory: string): string[] {
  const names = readdirSync(directory).filter((name) => !name.startsWith('.'));
  return names
    .flatMap((name) => (name.startsWith('@') ? readdirSync(join(directory, name)).map((inner) => `${name}/${inner}`) : [name]))
    .sort();
}

beforeAll(async () => {
  const names = [...new Set(publishedPackages.flatMap(({ name }) => closureOf(name)))];
  const destination = join(folder, 'tarballs');
  mkdirSync(destination);
  const directories = names.map(directoryOf);
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', destination];
  const answer = JSON.parse(await npm([...args, ...directories], folder)) as {
    name: string;
    filename: string;
  }[];
  for (const { name, filename } of answer) {
    tarballs.set(name, join(destination, filename));
  }
  expect([...tarballs.keys()].sort()).toEqual(names.sort());
}, 120_000);

describe.each(publishedPackages)('$name, packed and installed alone', ({ name, manifest }) => {
  const home = join(folder, name.replace('@biodone/', 'alone-'));
  const installed = join(home, 'node_modules', name);

  beforeAll(async () => {
    mkdirSync(home);
    const dependencies = Object.fromEntries(closureOf(name).map((each) => [each, `file:${tarballs.get(each)}`]));
    writeFileSync(join(home, 'package.json'), JSON.stringify({ private: true, dependencies }));
    // The cache is new and empty, so that nothing can come from anywhere but the tarballs.
    const args = ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'];
    await npm([...args, '--cache', join(folder, 'cache')], home);
  }, 120_000);

  it('brings only what it depends on', () => {
    expect(installedIn(join(home, 'node_modules'))).toEqual(closureOf(name));
  });

  it('holds its license, its README and its examples, and neither sources nor tests', () => {
    const files = readdirSync(installed).sort();
    const examples = existsSync(join(directoryOf(name), 'examples')) ? ['examples'] : [];
    expect(files).toEqual(['LICENSE', 'README.md', 'dist', ...examples, 'package.json']);
  });

  const programs = Object.entries(manifest.bin ?? {});
  // A program has nothing to import, and a library nothing to start.
  if (programs.length === 0) {
    it('can be imported', async () => {
      const program = `const api = await import('${name}'); if (Object.keys(api).length === 0) process.exit(3);`;
      const outcome = await runNode(['--input-type=module', '--eval', program], home);
      expect(outcome).toMatchObject({ status: 0 });
    }, 60_000);
  }

  for (const [program] of programs) {
    it(`has the program ${program}, which answers --help and --version`, async () => {
      const script = join(home, 'node_modules', '.bin', program);
      const help = await runNode([script, '--help'], home);
      expect(help).toMatchObject({ status: 0 });
      expect(help.stdout).toContain(program);
      const version = await runNode([script, '--version'], home);
      expect(version).toMatchObject({ status: 0 });
      expect(version.stdout).toContain(manifest.version);
    }, 60_000);
  }

  it('has a README whose examples run', async () => {
    const fences = fencesOf(readFileSync(join(installed, 'README.md'), 'utf8'));
    let executed = 0;
    for (const { line, code, skipReason } of fences) {
      if (skipReason !== undefined) {
        expect(skipReason, `README.md:${line} of ${name} says no-run without a reason`).not.toBe('');
        console.log(`${name}: the example at README.md:${line} is not run: ${skipReason}`);
        continue;
      }
      const file = join(home, `readme-line-${line}.mjs`);
      writeFileSync(file, code);
      const outcome = await runNode([file], home);
      expect(outcome, `the example at README.md:${line} of ${name}`).toMatchObject({ status: 0 });
      executed += 1;
    }
    // A program is used from the command line, which the test above does.
    if (programs.length === 0) {
      expect(executed, `${name} needs an example that runs in its README`).toBeGreaterThan(0);
    }
  }, 300_000);
});
