import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type AioFile, open } from '@biodone/posix-aio';
import { probe } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';

const runNode = promisify(execFile);
const withoutRings = fileURLToPath(new URL('../../uring/test/support/without-io-uring.mjs', import.meta.url));
const program = (name: string): string => fileURLToPath(new URL(`./support/${name}`, import.meta.url));
const refusal = process.platform === 'linux' ? null : `no seccomp on ${process.platform}`;
if (refusal !== null) console.warn(`an AioFile without io_uring is not tested: ${refusal}`);

let folder: Folder;

beforeAll(() => {
  folder = makeFolder();
});

afterAll(() => folder.remove());

describe.skipIf(refusal !== null)('an AioFile where io_uring is forbidden', () => {
  it.each(['EPERM', 'ENOSYS'])(
    'does the same on Node’s threads, and one warning says why: %s',
    async (errno) => {
      const args = [withoutRings, `--errno=${errno}`, program('print-aio-file.mjs'), join(folder.path, errno)];
      const { stdout } = await runNode(process.execPath, args);
      expect(JSON.parse(stdout)).toEqual({
        read: 'two three ',
        streamed: 'one two three ',
        refused: 'ENOSYS io_uring_setup',
        late: 'EBADF',
        warnings: ['BIODONE_NO_IO_URING'],
        content: 'one two three ',
      });
    },
    60_000,
  );
});

describe('an AioFile that is collected while open', () => {
  it('is closed, with a warning', async () => {
    const path = join(folder.path, 'forgotten');
    writeFileSync(path, 'content');
    const { stdout } = await runNode(process.execPath, ['--expose-gc', program('collected-aio-file.mjs'), path]);
    expect(JSON.parse(stdout)).toEqual({
      code: 'BIODONE_FILE_COLLECTED',
      message: expect.stringContaining(path),
    });
  }, 60_000);
});

it.each([
  ['readFile', 'w'],
  ['writeFile', 'r'],
  ['appendFile', 'r'],
])('a failure of %s that nobody waits for ends the process, as with FileHandle', async (method, flags) => {
  const path = join(folder.path, 'unawaited');
  writeFileSync(path, 'content');
  const ended = runNode(process.execPath, [program('unawaited-whole-file.mjs'), path, method, flags]);
  await expect(ended).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('EBADF') });
});

it('numbers that are no flags are refused, whoever would open the file', async () => {
  const path = join(folder.path, 'flags');
  writeFileSync(path, 'content');
  for (let turn = 0; turn < 2; turn++) await (await open(path)).close();
  for (const flags of [1.5, 2 ** 31, 2 ** 32 + 1, Number.NaN, Number.POSITIVE_INFINITY])
    await expect(open(path, flags), String(flags)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
});

const { available, reason } = probe();
if (!available) console.warn(`an AioFile on io_uring is not tested: ${reason}`);

it.skipIf(!available).each(['file', 'raw'])(
  'B2: a long read of cached data is copied by a thread of the kernel, not by the one that submits it: %s',
  async (how) => {
    const path = join(folder.path, `long-${how}`);
    writeFileSync(path, Buffer.alloc(2 ** 20));
    const { stdout } = await runNode(process.execPath, [program('print-kernel-threads.mjs'), how, path]);
    expect(JSON.parse(stdout)).toEqual({ bytesRead: 2 ** 20, before: 0, after: true });
  },
  60_000,
);

it('an AioFile can be passed where a FileHandle is wanted', async () => {
  expectTypeOf<AioFile>().toExtend<FileHandle>();
  const file = await open(process.execPath);
  const handle: FileHandle = file;
  const { bytesRead, buffer } = await handle.read(new Uint8Array(4), 0, 4, 0);
  expect([bytesRead, buffer]).toEqual([4, Uint8Array.of(0x7f, 0x45, 0x4c, 0x46)]);
  await handle.close();
});
