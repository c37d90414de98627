import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './support/workspace.js';

interface LockEntry {
  readonly version?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly optionalDependencies?: Record<string, string>;
}

const text = readFileSync(join(root, 'package-lock.json'), 'utf8');
const entries = (JSON.parse(text) as { packages: Record<string, LockEntry> }).packages;

/** Looks a dependency up as Node does: next to the package that needs it, then ever further out. */
function findFrom(path: string, dependency: string): LockEntry | undefined {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
    const found = entries[`${at === '' ? '' : `${at}/`}node_modules/${dependency}`];
    if (found !== undefined || at === '') {
      return found;
    }
  }
}

describe('the lock file', () => {
  it('lists the binaries of every platform, not only of the machine that wrote it', () => {
    const wanted = Object.entries(entries).flatMap(([path, entry]) =>
      Object.keys(entry.optionalDependencies ?? {}).map((dependency) => ({ path, dependency })),
    );
    expect(wanted.map(({ dependency }) => dependency)).toContain('@turbo/darwin-arm64');
    const missing = wanted.filter(({ path, dependency }) => findFrom(path, dependency)?.version === undefined);
    expect(missing).toEqual([]);
  });

  it('names no registry, so that each user’s own one serves it', () => {
    const hosts = [...text.matchAll(/"resolved": "([a-z+]+:\/\/[^/"]+)/g)].map((match) => match[1]);
    expect(hosts).toEqual([]);
  });
});
