import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/**
 * A new empty folder that is removed when the tests of the file have ended, however they ended. It is asked for
 * at the top of a file: within a test it would not be removed.
 */
export function temporaryFolder(parent: string = tmpdir()): string {
  // The real path, since /tmp is a symbolic link on some systems, and Node names modules by their real path.
  const folder = realpathSync(mkdtempSync(join(parent, '.biodone-test-')));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
