import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The name by which reports are recognized. */
export const PROGRAM_NAME = '@biodone/bench';

/** The version of this program. */
export function programVersion(): string {
  // The built program and the sources both lie one folder below the manifest.
  return versionIn(new URL('../package.json', import.meta.url));
}

/** The versions of the layers that are measured, by name, from the bottom to the top. */
export function packageVersions(): Record<string, string> {
  const manifests = {
    '@biodone/sync': import.meta.resolve('@biodone/sync/package.json'),
    '@biodone/uring': import.meta.resolve('@biodone/uring/package.json'),
    '@biodone/blockdev': import.meta.resolve('@biodone/blockdev/package.json'),
    '@biodone/aio': import.meta.resolve('@biodone/aio/package.json'),
    '@biodone/posix-aio': import.meta.resolve('@biodone/posix-aio/package.json'),
  };
  return Object.fromEntries(Object.entries(manifests).map(([name, manifest]) => [name, versionIn(new URL(manifest))]));
}

function versionIn(manifest: URL): string {
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}

/** The built program, to be started again. The path is the same from the sources and from what is built. */
export function programPath(): string {
  return fileURLToPath(new URL('../dist/main.js', import.meta.url));
}
