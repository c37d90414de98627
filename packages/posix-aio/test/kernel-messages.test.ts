import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { probe } from '@biodone/uring';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { runScript } from './support/run-child.js';

/** How many service threads there are for files. */
const THREADS = '8';

let folder: Folder;
let file: string;
beforeAll(() => {
  folder = makeFolder();
  file = join(folder.path, 'file');
  writeFileSync(file, 'hello');
});
afterAll(() => folder.remove());

/** Why the kernel's messages can neither be read nor made here; null if they can. */
function reasonAgainst(): string | null {
  try {
    for (const [path, flags] of [
      ['/proc/kmsg', constants.O_RDONLY | constants.O_NONBLOCK],
      ['/dev/kmsg', constants.O_WRONLY],
    ] as const)
      closeSync(openSync(path, flags));
    return null;
  } catch (error) {
    return `only root has the kernel's messages, not even in every container: ${(error as Error).message}`;
  }
}

it('a read of /proc/kmsg takes one of the eight service threads for files until there is a message', { timeout: 60_000 }, async ({
  skip,
}) => {
  const reason = reasonAgainst();
  if (reason !== null) skip(reason);
  const { status, stdout, stderr } = await runScript('kernel-messages.mjs', 'threads', THREADS, file);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual([
    { end: '0 5', after: '0 5', heard: true },
    { end: 'EINPROGRESS', after: '0 5', heard: true },
  ]);
});

it('by io_uring no read of the page cache waits for one of /proc/kmsg', { timeout: 60_000 }, async ({ skip }) => {
  const reason = probe().reason ?? reasonAgainst();
  if (reason !== null) skip(reason);
  const { status, stdout, stderr } = await runScript('kernel-messages.mjs', 'uring', THREADS, file);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const undisturbed = { end: '0 5', after: '0 5', heard: true };
  expect(JSON.parse(stdout)).toEqual([undisturbed, undisturbed]);
});
