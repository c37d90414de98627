import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { publishedPackages, readManifest, root } from './support/workspace.js';

/** What each package may need at run time: the layers below it and, of others, koffi; the app also hashes that Node has not. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  '@biodone/sync': [],
  '@biodone/uring': ['@biodone/sync', 'koffi'],
  '@biodone/blockdev': ['@biodone/sync', '@biodone/uring'],
  '@biodone/aio': ['@biodone/blockdev', '@biodone/sync', '@biodone/uring'],
  '@biodone/posix-aio': ['@biodone/aio', '@biodone/blockdev', '@biodone/sync', '@biodone/uring'],
  '@biodone/testkit': ['@biodone/aio', '@biodone/blockdev', '@biodone/sync', '@biodone/uring'],
  '@biodone/bench': ['@biodone/aio', '@biodone/blockdev', '@biodone/posix-aio', '@biodone/sync', '@biodone/uring', 'hash-wasm'],
};

describe.each(publishedPackages)('the manifest of $name', ({ name, directory, manifest }) => {
  it('asks for nothing at run time but lower layers and what is listed here, in exact versions', () => {
    const { dependencies = {}, optionalDependencies, peerDependencies } = manifest;
    expect(Object.keys(allowed), `${name} is not in the list of this test`).toContain(name);
    expect(allowed[name]).toEqual(expect.arrayContaining(Object.keys(dependencies)));
    expect(optionalDependencies).toBeUndefined();
    expect(peerDependencies).toBeUndefined();
    for (const version of Object.values(dependencies)) {
      expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    }
  });

  it('states the same terms as the whole', () => {
    const whole = readManifest(root);
    expect(manifest).toMatchObject({ type: 'module', license: whole.license, engines: whole.engines });
    const license = readFileSync(join(directory, 'LICENSE'), 'utf8');
    expect(license).toBe(readFileSync(join(root, 'LICENSE'), 'utf8'));
  });
});

it('the tools have exact versions, since newer ones may ask for a newer Node', () => {
  for (const [name, version] of Object.entries(readManifest(root).devDependencies ?? {})) {
    expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
  }
});
