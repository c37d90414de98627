import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A new empty folder that is removed when the tests of the file have ended. It is asked for at the top of a file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'biodone-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
