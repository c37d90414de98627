import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A new empty folder, removed when the tests of the file have ended. To be asked for at the top of a file. */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'biodone-bench-test-')));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
