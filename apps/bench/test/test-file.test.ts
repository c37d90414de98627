import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ExitTasks } from '../src/exit-tasks.js';
import { TestFile } from '../src/test-file.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();

it('a test file is written no further than to where it was ended, and removed', async () => {
  const path = join(folder, 'file');
  const file = await TestFile.make(path, 64 * 2 ** 20, new ExitTasks([]));
  const interrupt = new AbortController();
  let last = -1;
  const onProgress = (writtenBytes: number): void => {
    last = writtenBytes;
    if (writtenBytes >= 8 * 2 ** 20) interrupt.abort();
  };
  await file.fill(Number.POSITIVE_INFINITY, onProgress, interrupt.signal);
  expect(last).toBe(8 * 2 ** 20);
  expect(statSync(path).size).toBe(12 * 2 ** 20);
  await file.remove();
  expect(readdirSync(folder)).toEqual([]);
});
