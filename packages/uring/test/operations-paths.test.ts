import { closeSync, constants, existsSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  IoBuffer,
  prepareClose,
  prepareOpenat,
  prepareRead,
  prepareRenameat,
  prepareStatx,
  prepareUnlinkat,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RingFile,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { failure, invalidValue } from './support/failure.js';
import { Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_DIRECTORY } = constants;

describeRing('paths', () => {
  const folder = temporaryFolder();
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16 });
  const directory = RingFile.open(folder, O_RDONLY | O_DIRECTORY);
  afterAll(async () => {
    await ring.close();
    await directory.close();
  });

  function write(name: string, text: string): string {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  }

  it('are opened and made, and the file is read', async () => {
    const path = join(folder, 'made');
    const umask = process.umask();
    const fd = await ring.run((request) => prepareOpenat(request, path, O_RDWR | O_CREAT | O_EXCL, 0o640));
    expect(statSync(path).mode & 0o777).toBe(0o640 & ~umask);
    // Closed at an exec.
    expect(
      Number.parseInt(/^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0', 8) & 0o2000000,
    ).not.toBe(0);
    const file = RingFile.adopt(fd, { path, native: true });
    writeSync(fd, 'made by a request');
    const memory = IoBuffer.allocate(100);
    const count = await ring.run((request) => prepareRead(request, file, memory, 0, 100, 0));
    expect(Buffer.from(memory.bytes.subarray(0, count)).toString()).toBe('made by a request');
    await file.close();
    expect(() => closeSync(fd)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    const again = ring.run((request) => prepareOpenat(request, path, O_RDWR | O_CREAT | O_EXCL));
    await expect(again).rejects.toEqual(failure('EEXIST', 'openat', path));
  });

  it('fail with their name', async () => {
    const missing = join(folder, 'missing');
    const open = (path: string, flags: number): Promise<number> => ring.run((request) => prepareOpenat(request, path, flags));
    await expect(open(missing, O_RDONLY)).rejects.toEqual(failure('ENOENT', 'openat', missing));
    await expect(open(folder, O_RDWR)).rejects.toEqual(failure('EISDIR', 'openat', folder));
    await expect(open(join(folder, 'x'.repeat(256)), O_RDONLY)).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
    await expect(ring.run((request) => prepareUnlinkat(request, missing))).rejects.toEqual(
      failure('ENOENT', 'unlinkat', missing),
    );
    const rename = ring.run((request) => prepareRenameat(request, missing, join(folder, 'other')));
    await expect(rename).rejects.toEqual(failure('ENOENT', 'renameat', missing));
  });

  it('are relative to a directory, on a RingFile and on a number', async () => {
    write('inside', 'text');
    for (const target of [directory, directory.fd]) {
      const fd = await ring.run((request) => prepareOpenat(request, 'inside', O_RDONLY, 0, target));
      expect(readFileSync(fd, 'utf8')).toBe('text');
      expect(await ring.run((request) => prepareClose(request, fd))).toBe(0);
    }
    const file = RingFile.open(join(folder, 'inside'));
    await expect(ring.run((request) => prepareOpenat(request, 'inside', O_RDONLY, 0, file))).rejects.toEqual(
      failure('ENOTDIR', 'openat', 'inside'),
    );
    await file.close();
  });

  it('are renamed, with or without a file in the way, and exchanged', async () => {
    const [one, two] = [write('one', '1'), write('two', '2')];
    await expect(ring.run((request) => prepareRenameat(request, one, two, RENAME_NOREPLACE))).rejects.toEqual(
      failure('EEXIST', 'renameat', one),
    );
    expect(await ring.run((request) => prepareRenameat(request, one, two, RENAME_EXCHANGE))).toBe(0);
    expect([readFileSync(one, 'utf8'), readFileSync(two, 'utf8')]).toEqual(['2', '1']);
    expect(await ring.run((request) => prepareRenameat(request, one, two))).toBe(0);
    expect([existsSync(one), readFileSync(two, 'utf8')]).toEqual([false, '2']);
    await expect(ring.run((request) => prepareRenameat(request, two, two, RENAME_EXCHANGE | RENAME_NOREPLACE))).rejects.toEqual(
      failure('EINVAL', 'renameat', two),
    );
  });

  it('are renamed from one directory to another', async () => {
    mkdirSync(join(folder, 'target'));
    const target = RingFile.open(join(folder, 'target'));
    write('moving', 'moved');
    expect(await ring.run((request) => prepareRenameat(request, 'moving', 'there', 0, directory, target))).toBe(0);
    expect(readFileSync(join(folder, 'target', 'there'), 'utf8')).toBe('moved');
    expect([directory.references, target.references]).toEqual([0, 0]);
    expect(await ring.run((request) => prepareRenameat(request, 'there', join(folder, 'back'), 0, target, AT_FDCWD))).toBe(0);
    expect(readFileSync(join(folder, 'back'), 'utf8')).toBe('moved');
    await target.close();
    // The second directory is closed, so nothing is renamed.
    const late = ring.run((request) => prepareRenameat(request, 'back', 'there', 0, directory, target));
    await expect(late).rejects.toEqual(failure('EBADF', 'renameat', 'back'));
    expect(existsSync(join(folder, 'back'))).toBe(true);
  });

  it('are removed, and directories as such', async () => {
    const path = write('gone', '');
    expect(await ring.run((request) => prepareUnlinkat(request, path))).toBe(0);
    expect(existsSync(path)).toBe(false);
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    await expect(ring.run((request) => prepareUnlinkat(request, 'empty', 0, directory))).rejects.toEqual(
      failure('EISDIR', 'unlinkat', 'empty'),
    );
    expect(await ring.run((request) => prepareUnlinkat(request, 'empty', AT_REMOVEDIR, directory))).toBe(0);
    expect(existsSync(empty)).toBe(false);
    const file = write('file', '');
    await expect(ring.run((request) => prepareUnlinkat(request, file, AT_REMOVEDIR))).rejects.toEqual(
      failure('ENOTDIR', 'unlinkat', file),
    );
  });

  it('may have any characters, and one request may have one after another', async () => {
    const names = ['ä 文字 🚀', 'x'.repeat(200), 'short', '\n"\\'];
    const request = new Probe();
    for (const name of names) {
      prepareOpenat(request, join(folder, name), O_RDWR | O_CREAT);
      ring.start(request);
      ring.wait(10_000);
      expect(existsSync(join(folder, name)), name).toBe(true);
      closeSync(request.results.pop() as number);
    }
  });

  it('are used as they were, whatever else is prepared before the kernel sees them', async () => {
    const opens = Array.from({ length: 50 }, (_, index) =>
      ring.run((request) => prepareOpenat(request, `many-${index}`, O_RDWR | O_CREAT, 0o600, directory)),
    );
    for (const fd of await Promise.all(opens)) closeSync(fd);
    for (let index = 0; index < 50; index++) expect(existsSync(join(folder, `many-${index}`))).toBe(true);
  });
});

describeRing('prepareClose', () => {
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16 });
  afterAll(() => ring.close());

  it('closes a descriptor once', async () => {
    const fd = openSync(process.execPath, 'r');
    expect(await ring.run((request) => prepareClose(request, fd))).toBe(0);
    await expect(ring.run((request) => prepareClose(request, fd))).rejects.toEqual(
      failure('EBADF', 'close', undefined, `descriptor ${fd}`),
    );
    await expect(ring.run((request) => prepareClose(request, -1))).rejects.toMatchObject({ code: 'EBADF', syscall: 'close' });
  });
});

describe('a path with a null byte', () => {
  it('is refused at once', () => {
    const request = new Probe();
    const refused = expect.objectContaining(invalidValue);
    expect(() => prepareOpenat(request, 'a\0b', 0)).toThrow(refused);
    expect(() => prepareUnlinkat(request, '\0')).toThrow(refused);
    expect(() => prepareRenameat(request, 'a\0', 'b')).toThrow(refused);
    expect(() => prepareRenameat(request, 'a', 'b\0')).toThrow(refused);
    expect(() => prepareStatx(request, 'a\0')).toThrow(refused);
  });
});
