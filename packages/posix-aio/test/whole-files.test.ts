import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { type AioFile, open } from '@biodone/posix-aio';
import { probe, threadRing } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { heldYoungBytes } from './support/collect.js';
import { type Folder, makeFolder } from './support/files.js';

// A disk that is busy with others makes them wait.
vi.setConfig({ testTimeout: 120_000 });

const { available, reason } = probe();
if (!available) console.warn(`whole files are tested on Node's threads alone: ${reason}`);
const engines = available ? (['uring', 'fs'] as const) : (['fs'] as const);

let folder: Folder;
let names = 0;

beforeAll(async () => {
  folder = makeFolder();
  // The first file of a thread is opened by Node in any case.
  await (await open(folder.path)).close();
});

afterAll(() => folder.remove());

function fileOf(content: string | Buffer): string {
  names += 1;
  const path = join(folder.path, `file-${names}`);
  writeFileSync(path, content);
  return path;
}

/** Writes as much into a FIFO as it holds, and says how much that is. */
function fillPipe(path: string): number {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  let count = 0;
  try {
    while (true) count += writeSync(fd, Buffer.alloc(4096));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
  }
  closeSync(fd);
  return count;
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no failure',
    (error) => error,
  );

describe.each(engines)('whole files on %s', (engine) => {
  const openFile = (path: string, flags?: string | number): Promise<AioFile> => open(path, flags, undefined, { engine });

  /** By the first call on a file, and by one on a file that has been used: these go different ways. */
  async function bothWays<T>(path: string, flags: string, use: (file: AioFile) => Promise<T>): Promise<[T, T]> {
    const ends: T[] = [];
    for (const isUsed of [false, true]) {
      const file = await openFile(path, flags);
      if (isUsed) await failure(file.read(Buffer.alloc(1), 0, 1, 0));
      ends.push(await use(file));
      await file.close();
    }
    return ends as [T, T];
  }

  it('go on from the position, and leave it at the end', async () => {
    const content = 'x'.repeat(100_000) + 'y'.repeat(100_000);
    const ends = await bothWays(fileOf(content), 'r', async (file) => {
      await file.read(Buffer.alloc(100_000));
      const text = await file.readFile('latin1');
      return [text === content.slice(100_000), readSync(file.fd, Buffer.alloc(1), 0, 1, null)];
    });
    expect(ends).toEqual([
      [true, 0],
      [true, 0],
    ]);
  });

  it('are read to their end where they do not say how long they are', async ({ skip }) => {
    const path = '/proc/kallsyms';
    if (!existsSync(path) || statSync(path).size !== 0) skip('there is no such file here');
    const all = readFileSync(path);
    expect(all.length).toBeGreaterThan(2 ** 17);
    const ends = await bothWays(path, 'r', (file) => file.readFile());
    expect(ends.map((end) => end.length)).toEqual([all.length, all.length]);
    expect(ends.every((end) => end.subarray(-5000).equals(all.subarray(-5000)))).toBe(true);
  });

  it('fail as with FileHandle: too long, a folder, not open for it', async () => {
    const long = fileOf('');
    truncateSync(long, 2 ** 31);
    const attempts = async (openOne: (path: string, flags: string) => Promise<FileHandle>): Promise<unknown[]> => {
      const ends: unknown[] = [];
      for (const isUsed of [false, true]) {
        for (const [path, flags] of [
          [long, 'r'],
          [folder.path, 'r'],
          [long, 'w'],
        ] as const) {
          const file = await openOne(path, flags);
          if (isUsed) await failure(file.read(Buffer.alloc(1), 0, 1, 0));
          ends.push(await failure(file.readFile()));
          if (flags === 'r')
            ends.push(await failure(file.writeFile('text')), await failure(file.writeFile(Buffer.alloc(50_000))));
          await file.close();
          truncateSync(long, 2 ** 31);
        }
      }
      return ends.map((end) => ({ ...(end as Error), message: (end as Error).message }));
    };
    const ours = await attempts(openFile as never);
    expect(ours).toEqual(await attempts(openHandle));
    expect(ours[0]).toMatchObject({ code: 'ERR_FS_FILE_TOO_LARGE' });
  });

  it.each([10, 5000, 40_000, 2 ** 20 + 1])('of %i bytes are written from text and memory of all kinds', async (length) => {
    const bytes = Uint8Array.from({ length: length & ~1 }, (_, index) => index * index);
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 8), 8);
    shared.set(bytes);
    const kinds = [
      Buffer.from(bytes),
      new Uint16Array(bytes.buffer),
      new DataView(bytes.buffer),
      shared,
      'ö'.repeat(bytes.length),
    ];
    for (const data of kinds) {
      const expected = typeof data === 'string' ? Buffer.from(data, 'latin1') : Buffer.from(bytes);
      const path = fileOf('');
      await bothWays(path, 'w+', async (file) => {
        await file.writeFile('head');
        await file.writeFile(data as Buffer, 'latin1');
        expect(readFileSync(path).equals(Buffer.concat([Buffer.from('head'), expected]))).toBe(true);
      });
    }
  });

  it('are written as they were at the call, or not at all if the memory is lost before its turn', async () => {
    for (const length of [4096, 100_000]) {
      const path = fileOf('');
      const file = await openFile(path, 'w');
      const first = file.writeFile('first');
      const lost = new Uint8Array(length).fill(98);
      const writing = failure(file.writeFile(lost));
      structuredClone(lost.buffer, { transfer: [lost.buffer] });
      await first;
      expect(await writing).toMatchObject({ code: 'EFAULT', syscall: 'write' });
      await file.close();
      expect(readFileSync(path, 'latin1')).toBe('first');
    }
  });

  it('take their turn behind the first call on the file, which a sync covers', async () => {
    const path = fileOf('');
    const file = await openFile(path, 'w+');
    const large = file.writeFile(Buffer.alloc(2 ** 20, 'a'));
    const behind = file.write('b');
    const rest = file.readFile('latin1');
    await Promise.all([large, behind]);
    expect(await rest).toBe('');
    await file.close();
    expect(readFileSync(path, 'latin1') === `${'a'.repeat(2 ** 20)}b`).toBe(true);
    const reader = await openFile(path, 'r');
    const refused = failure(reader.writeFile('no'));
    expect(await failure(reader.sync())).toMatchObject({ code: 'EBADF', syscall: 'fsync' });
    expect(await refused).toMatchObject({ code: 'EBADF', syscall: 'write' });
    await reader.sync();
    await reader.close();
  });

  it('are ended by a signal while they wait for their turn', async () => {
    const path = fileOf('text');
    const file = await openFile(path, 'r+');
    const first = file.write(Buffer.alloc(30_000, 'a'));
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = [
      file.readFile({ signal }),
      file.writeFile('never', { signal }),
      file.writeFile(Buffer.alloc(10 ** 5), { signal }),
    ];
    const ends = Promise.all(waiting.map(failure));
    controller.abort('enough');
    for (const end of await ends) expect(end).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: 'enough' });
    await first;
    await file.close();
    expect(readFileSync(path, 'latin1') === 'a'.repeat(30_000)).toBe(true);
  });

  it('are ended by a signal while somebody reads from a pipe, or writes to it, who may never end', async () => {
    const path = join(folder.path, `fifo-${engine}`);
    execFileSync('mkfifo', [path]);
    const file = await openFile(path, 'r+');
    const abortedBehind = async (call: (signal: AbortSignal) => Promise<unknown>): Promise<void> => {
      const controller = new AbortController();
      const end = failure(call(controller.signal));
      controller.abort('enough');
      expect(await end).toMatchObject({ name: 'AbortError', cause: 'enough' });
    };
    const reading = file.read(Buffer.alloc(1));
    await abortedBehind((signal) => file.readFile({ signal }));
    await file.write('z');
    await reading;
    const filled = fillPipe(path);
    const writing = file.write('x');
    await abortedBehind((signal) => file.writeFile('text', { signal }));
    for (let left = filled + 1; left > 0; ) left -= (await file.read(Buffer.alloc(left))).bytesRead;
    await writing;
    await file.close();
  });

  it('fail where the file system is full, and what was written stays', async ({ skip }) => {
    const small = join(folder.path, `small-${engine}`);
    mkdirSync(small);
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${2 ** 16}`, 'tmpfs', small], { encoding: 'utf8' });
    if (status !== 0) skip(`a small file system cannot be mounted: ${stderr?.trim()}`);
    try {
      const path = join(small, 'file');
      for (const data of ['x'.repeat(2 ** 17), Buffer.alloc(2 ** 17), new Uint8Array(new SharedArrayBuffer(2 ** 17))]) {
        await bothWays(path, 'w+', async (file) => {
          expect(await failure(file.writeFile(data))).toMatchObject({ code: 'ENOSPC', syscall: 'write' });
          expect(readSync(file.fd, Buffer.alloc(1), 0, 1, null)).toBe(0);
        });
        expect(statSync(path).size).toBe(2 ** 16);
      }
      const file = await openFile(path, 'a+');
      await file.truncate(1);
      expect((await file.write(new Uint8Array(new SharedArrayBuffer(2 ** 17)))).bytesWritten).toBe(2 ** 16 - 1);
      expect(readSync(file.fd, Buffer.alloc(1), 0, 1, null)).toBe(0);
      await file.close();
    } finally {
      execFileSync('umount', ['-l', small]);
    }
  });

  it('are left to the collections of young objects', async () => {
    const path = fileOf(Buffer.alloc(2 ** 20));
    const growthOf = async (isUsed: boolean): Promise<number> => {
      const before = await heldYoungBytes();
      for (let time = 0; time < 16; time++) {
        const file = await openFile(path);
        if (isUsed) await file.read(Buffer.alloc(1), 0, 1, 0);
        await file.readFile();
        await file.close();
      }
      return (await heldYoungBytes()) - before;
    };
    for (const isUsed of [false, true]) {
      // What is under way of a collection of everything may keep some.
      const growths: number[] = [];
      while (growths.length < 10 && !growths.some((growth) => growth < 6 * 2 ** 20)) growths.push(await growthOf(isUsed));
      expect(Math.min(...growths)).toBeLessThan(6 * 2 ** 20);
    }
  });
});

describe.runIf(available)('opening', () => {
  it('a regular file that is there, and closing it, goes through the ring', async () => {
    const path = fileOf('content');
    const { ring } = threadRing();
    for (const [flags, closes] of [
      ['r', 1],
      ['r+', 0],
      [constants.O_RDONLY | constants.O_NOFOLLOW, 1],
    ] as const) {
      const before = ring.statistics().delivered;
      const file = await open(path, flags);
      const opened = ring.statistics().delivered;
      // What is there is looked at before it is opened.
      expect(opened - before).toBe(2);
      await file.close();
      expect(ring.statistics().delivered - opened).toBe(closes);
    }
  });

  it('what is there no more fails as with FileHandle, also behind the first file', async () => {
    const missing = join(folder.path, 'missing');
    for (const flags of ['r', 'r+', 'rs', constants.O_RDONLY]) {
      expect(await failure(open(missing, flags))).toEqual(await failure(openHandle(missing, flags)));
    }
    const denied = [folder.path, 'r+'] as const;
    expect(await failure(open(...denied))).toEqual(await failure(openHandle(...denied)));
    const link = fileOf('');
    execFileSync('ln', ['-sf', missing, link]);
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW;
    expect(await failure(open(link, flags))).toEqual(await failure(openHandle(link, flags)));
  });

  it('a FIFO waits for the other end', async () => {
    const path = join(folder.path, 'fifo');
    execFileSync('mkfifo', [path]);
    let isOpen = false;
    const opening = open(path, 'r').then((file) => {
      isOpen = true;
      return file;
    });
    const other = fileOf('x');
    for (let time = 0; time < 20; time++) await (await open(other)).close();
    expect(isOpen).toBe(false);
    const writer = await openHandle(path, 'w');
    const file = await opening;
    await writer.write('hello');
    await writer.close();
    expect(await file.readFile('utf8')).toBe('hello');
    await file.close();
  });

  it('leaves no descriptor open, and the descriptor is closed when that is promised', async () => {
    const path = fileOf('content');
    for (const flags of ['r', 'r+', 'a', 'w']) {
      const file = await open(path, flags);
      const { fd } = file;
      expect(existsSync(`/proc/self/fd/${fd}`)).toBe(true);
      await file.stat();
      await file.close();
      expect(existsSync(`/proc/self/fd/${fd}`)).toBe(false);
    }
  });
});
