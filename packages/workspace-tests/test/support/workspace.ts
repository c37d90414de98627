import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** A package that is published. */
export interface WorkspacePackage {
  readonly name: string;
  readonly directory: string;
  readonly manifest: Manifest;
}

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly type?: string;
  readonly license?: string;
  readonly bin?: Record<string, string>;
  readonly engines?: Record<string, string>;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
}

/** The workspace's own folder. */
export const root: string = resolve(import.meta.dirname, '../../../..');

export function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
}

/** Every package that is published, in the order of the names. */
export const publishedPackages: readonly WorkspacePackage[] = ['packages', 'apps']
  .flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(root, folder, name)))
  .map((directory) => ({ directory, manifest: readManifest(directory) }))
  .filter(({ manifest }) => manifest.private !== true)
  .map(({ directory, manifest }) => ({ name: manifest.name, directory, manifest }));

/** The package of that name. */
export function packageNamed(name: string): WorkspacePackage {
  const found = publishedPackages.find((candidate) => candidate.name === name);
  if (found === undefined) {
    throw new Error(`the workspace publishes no package named ${name}`);
  }
  return found;
}
