import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readSync, statfsSync, writeFileSync } from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { PRIORITY_TIMECRITICAL } from '@biodone/aio';
import { type AioFile, type AioFileOptions, open } from '@biodone/posix-aio';
import { IoBuffer, probe } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { isCollected } from './support/collect.js';
import { type Folder, makeFolder } from './support/files.js';

// A disk that is busy with others makes them wait.
vi.setConfig({ testTimeout: 120_000 });

const { available, reason } = probe();
if (!available) console.warn(`AioFile is tested on Node's threads alone: ${reason}`);
const engines = available ? (['uring', 'fs'] as const) : (['fs'] as const);

const BLOCK_BYTES = 4096;

let folder: Folder;
let numbered: string;
let names = 0;

beforeAll(() => {
  folder = makeFolder();
  numbered = folder.numbered('numbered', 64);
});

afterAll(() => folder.remove());

function fileOf(content: string): string {
  names += 1;
  const path = join(folder.path, `file-${names}`);
  writeFileSync(path, content);
  return path;
}

function fifo(): string {
  names += 1;
  const path = join(folder.path, `fifo-${names}`);
  execFileSync('mkfifo', [path]);
  return path;
}

async function using<T>(file: AioFile, use: (file: AioFile) => Promise<T>): Promise<T> {
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

type Resizable = ArrayBuffer & { resize(lengthBytes: number): void };

const resizable = (lengthBytes: number, maxByteLength = lengthBytes): Resizable =>
  Reflect.construct(ArrayBuffer, [lengthBytes, { maxByteLength }]);

function transferAway(buffer: ArrayBuffer): void {
  structuredClone(buffer, { transfer: [buffer] });
}

function shrink(buffer: Resizable): void {
  buffer.resize(4);
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no failure',
    (error) => error,
  );

describe('open', () => {
  it('fails as fs.promises.open does', async () => {
    const missing = join(folder.path, 'missing');
    expect(await failure(open(missing))).toEqual(await failure(openHandle(missing)));
    expect(await failure(open(numbered, 'no flags'))).toEqual(await failure(openHandle(numbered, 'no flags')));
    expect(await failure(open(7 as never))).toEqual(await failure(openHandle(7 as never)));
    expect(await failure(open(numbered, 'wx'))).toEqual(await failure(openHandle(numbered, 'wx')));
  });

  it('refuses options that there are not, and names them', async () => {
    const wrong = [{ engine: 'epoll' }, { depth: 0 }, { trusted: 1 }, { autoclose: true }, null];
    const errors = await Promise.all(wrong.map((options) => failure(open(numbered, 'r', 0, options as AioFileOptions))));
    expect(errors.map((error) => (error as NodeJS.ErrnoException).code)).toEqual([
      'ERR_INVALID_ARG_VALUE',
      'ERR_OUT_OF_RANGE',
      'ERR_INVALID_ARG_TYPE',
      'ERR_INVALID_ARG_VALUE',
      'ERR_INVALID_ARG_TYPE',
    ]);
    expect((errors[3] as Error).message).toContain('autoclose');
  });

  it('takes what FileHandle takes: a URL, a Buffer, numeric flags', async () => {
    const paths = [new URL(`file://${numbered}`), Buffer.from(numbered)];
    for (const path of paths) {
      const { bytesRead } = await using(await open(path, constants.O_RDONLY), (file) => file.read(Buffer.alloc(4), 0, 4, 0));
      expect(bytesRead).toBe(4);
    }
  });
});

describe.each(engines)('an AioFile on %s', (engine) => {
  const openFile = (path: string, flags?: string, options: AioFileOptions = {}): Promise<AioFile> =>
    open(path, flags, undefined, { engine, ...options });

  it('reads into an IoBuffer and shared memory, which come back in the result', async () => {
    await using(await openFile(numbered), async (file) => {
      const buffer = IoBuffer.allocate(BLOCK_BYTES);
      const result = await file.read(buffer, { position: 3 * BLOCK_BYTES });
      expect(result.buffer).toBe(buffer);
      expect(Buffer.from(buffer.bytes).readUInt32LE(0)).toBe(3);
      const shared = new Uint8Array(new SharedArrayBuffer(16), 8);
      expect(await file.read(shared, 4, 4, 5 * BLOCK_BYTES)).toEqual({ bytesRead: 4, buffer: shared });
      expect([...shared]).toEqual([0, 0, 0, 0, 5, 0, 0, 0]);
    });
  });

  it('is short at the end of a file, and reads nothing behind it; a write behind it leaves a hole', async () => {
    const path = fileOf('hello');
    await using(await openFile(path, 'r+'), async (file) => {
      expect((await file.read(Buffer.alloc(10), 0, 10, 3)).bytesRead).toBe(2);
      expect((await file.read(Buffer.alloc(10), 0, 10, 100)).bytesRead).toBe(0);
      expect((await file.write('!', 7)).bytesWritten).toBe(1);
      expect((await file.read(Buffer.alloc(10), 0, 10, 0)).bytesRead).toBe(8);
    });
    expect(readFileSync(path, 'latin1')).toBe('hello\0\0!');
  });

  it('has one own position, for all that goes by it, in the order of the calls', async () => {
    const path = fileOf('0123456789');
    await using(await openFile(path, 'r+'), async (file) => {
      const buffers = Array.from({ length: 4 }, () => Buffer.alloc(2));
      const reads = buffers.map((buffer) => file.read(buffer));
      const write = file.write('XY');
      await Promise.all([...reads, write]);
      expect(buffers.map(String)).toEqual(['01', '23', '45', '67']);
      // It is the descriptor's: whoever reads by that goes on where the file is.
      expect(readSync(file.fd, Buffer.alloc(4), 0, 4, null)).toBe(0);
    });
    expect(readFileSync(path, 'latin1')).toBe('01234567XY');
  });

  it('appends in the order of the calls, whatever their positions are', async () => {
    const path = fileOf('');
    await using(await openFile(path, 'a'), async (file) => {
      const words = Array.from({ length: 200 }, (_, index) => `${index};`);
      await Promise.all(
        words.map((word, index) => (index % 2 === 0 ? file.write(word) : file.write(Buffer.from(word), 0, null, 3))),
      );
      await Promise.all([file.appendFile('x'), file.write('y'), file.writeFile(['z', Buffer.from('!')])]);
      expect(readFileSync(path, 'latin1')).toBe(`${words.join('')}xyz!`);
    });
  });

  it('makes stable what was written before, though nobody has awaited it, and says if that has failed', async () => {
    const path = fileOf('');
    await using(await openFile(path, 'w+'), async (file) => {
      let written = 0;
      for (let index = 0; index < 50; index++) {
        void file.write(Buffer.alloc(100, index), 0, 100, index * 100).then(() => {
          written += 1;
        });
      }
      await file.datasync();
      expect(written).toBe(50);
    });
    await using(await openFile(path, 'r'), async (file) => {
      const write = failure(file.write('no'));
      expect(await failure(file.sync())).toMatchObject({ code: 'EBADF', syscall: 'fsync' });
      expect(await write).toMatchObject({ code: 'EBADF', syscall: 'write' });
      // The failure was that write's: the next one has nothing to do with it.
      await file.sync();
    });
  });

  it('reads more at a time than it gives to the kernel, and than it takes in', async () => {
    await using(await openFile(numbered, 'r', { depth: 2 }), async (file) => {
      const reads = Array.from({ length: 66_000 }, (_, index) => file.read(new Uint8Array(4), 0, 4, (index % 64) * BLOCK_BYTES));
      const results = await Promise.all(reads);
      expect(results.findIndex(({ buffer }, index) => buffer[0] !== index % 64)).toBe(-1);
    });
  });

  it('moves more than a MiB at once', async () => {
    const path = fileOf('');
    await using(await openFile(path, 'w+'), async (file) => {
      const bytes = Buffer.alloc(3 * 2 ** 20, 'abc');
      expect((await file.write(bytes, 0, bytes.length, 1)).bytesWritten).toBe(bytes.length);
      const back = Buffer.alloc(bytes.length);
      expect((await file.read(back, 0, back.length, 1)).bytesRead).toBe(bytes.length);
      expect(back.equals(bytes)).toBe(true);
      const large = IoBuffer.allocate(bytes.length);
      expect((await file.read(large, { position: 1 })).bytesRead).toBe(bytes.length);
      expect(bytes.equals(large.bytes)).toBe(true);
    });
  });

  it('refuses the lengths for which FileHandle aborts the process', async () => {
    await using(await openFile(numbered, 'r+'), async (file) => {
      const read = (length: unknown): Promise<unknown> => failure(file.read(Buffer.alloc(8), 0, length as number, 0));
      expect(await read(1.5)).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
      expect(await read(Number.NaN)).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
      expect(await read('4')).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
      expect(await failure(file.read(Buffer.alloc(8), { length: true as never }))).toMatchObject({
        code: 'ERR_INVALID_ARG_TYPE',
      });
      expect(await failure(file.write(Buffer.alloc(8), 0, -0))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    });
  });

  it('says what FileHandle says at the end of what numbers are exact for, and once it is closed', async () => {
    const handle = await openHandle(numbered, 'r+');
    const file = await openFile(numbered, 'r+');
    const attempts = async (side: FileHandle): Promise<unknown[]> => {
      const ends = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 2, Number.MAX_SAFE_INTEGER - 3];
      const outcomes = ends.flatMap((end) => [
        side.read(Buffer.alloc(3), 0, 3, end),
        side.readv([Buffer.alloc(3)], end),
        side.write(Buffer.alloc(3), 0, 3, end),
        side.writev([Buffer.alloc(3)], end),
      ]);
      return (await Promise.allSettled<unknown>(outcomes)).map((end) => ('reason' in end ? { ...end.reason } : end.value));
    };
    expect(await attempts(file)).toEqual(await attempts(handle));
    await Promise.all([file.close(), handle.close()]);
    expect({ ...((await failure(file.stat())) as Error) }).toEqual({ ...((await failure(handle.stat())) as Error) });
  });

  it('says so if the memory was transferred away', async () => {
    await using(await openFile(numbered), async (file) => {
      const buffer = new Uint8Array(BLOCK_BYTES);
      const read = failure(file.read(buffer, 0, BLOCK_BYTES, 0));
      structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
      expect(await read).toMatchObject({ code: 'EFAULT', syscall: 'read' });
    });
  });

  it('writes nothing, and says so, if memory was lost before its turn had come', async () => {
    const path = fileOf('');
    await using(await openFile(path, 'r+'), async (file) => {
      // Memory to copy through is used again, with what an earlier transfer has left in it.
      await file.write(Buffer.alloc(8192, 'secret'), { position: 0 });
      await file.truncate(0);
      for (const lose of [transferAway, shrink]) {
        for (const parts of [1, 2]) {
          const first = file.write(Buffer.alloc(30000, 'a'));
          const buffer = resizable(4096);
          const view = new Uint8Array(buffer).fill(98);
          const lost = failure(parts === 1 ? file.write(view) : file.writev([Buffer.from('text'), view]));
          lose(buffer);
          const last = file.write('end');
          expect((await first).bytesWritten).toBe(30000);
          expect(await lost).toMatchObject({ code: 'EFAULT', syscall: 'write' });
          expect((await last).bytesWritten).toBe(3);
        }
      }
    });
    expect(readFileSync(path, 'latin1')).toBe(`${'a'.repeat(30000)}end`.repeat(4));
  });

  it('writes as much of a growing view as there was at the call', async () => {
    const path = fileOf('');
    await using(await openFile(path, 'r+'), async (file) => {
      const buffers = [resizable(4, 8), resizable(4, 8)];
      const views = buffers.map((buffer) => new Uint8Array(buffer).fill(98));
      const writes = [file.write('aaaa'), file.write(views[0] as Uint8Array), file.writev(views)];
      for (const buffer of buffers) buffer.resize(8);
      await Promise.all(writes);
    });
    expect(readFileSync(path, 'latin1')).toBe('aaaabbbbbbbbbbbb');
  });

  it('says so if some of the memory of a vector was transferred away during its read', async () => {
    await using(await openFile(numbered), async (file) => {
      const parts = [new Uint8Array(4), new Uint8Array(4)] as const;
      const read = failure(file.readv(parts, 0));
      transferAway(parts[1].buffer);
      expect(await read).toMatchObject({ code: 'EFAULT', syscall: 'read' });
      const late = new Uint8Array(4);
      const atEnd = file.read(late, { position: 2 ** 40 });
      transferAway(late.buffer);
      expect((await atEnd).bytesRead).toBe(0);
    });
  });

  it('uses trusted memory as it is, for one call or for all', async () => {
    const path = fileOf('some text');
    await using(await openFile(path), async (file) => {
      const buffer = new Uint8Array(9);
      await file.read(buffer, { position: 0, trusted: true });
      expect(Buffer.from(buffer).toString()).toBe('some text');
      // It is marked, so that it cannot be transferred away: Node 20 copies it, later versions throw.
      let left = buffer.length;
      try {
        structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
        left = buffer.length;
      } catch (error) {
        expect(error).toMatchObject({ name: 'DataCloneError' });
      }
      expect(left).toBe(9);
    });
  });

  it('refuses a signal and a priority that are none', async () => {
    await using(await openFile(numbered), async (file) => {
      expect(await failure(file.read(Buffer.alloc(4), { signal: {} as never }))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
      expect(await failure(file.read(Buffer.alloc(4), { priority: 3 as never }))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
      const { bytesRead } = await file.read(Buffer.alloc(4), { position: 0, priority: PRIORITY_TIMECRITICAL });
      expect(bytesRead).toBe(4);
    });
  });

  it('ends with AbortError what a signal ends before its turn, or before it was begun', async () => {
    const file = await openFile(fifo(), 'r+');
    const early = await failure(file.read(Buffer.alloc(1), { signal: AbortSignal.abort('no') }));
    expect(early).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: 'no' });
    const first = file.read(Buffer.alloc(3));
    const large = new AbortController();
    const long = failure(file.read(Buffer.alloc(2 ** 21), { signal: large.signal }));
    large.abort('too long');
    expect(await long).toMatchObject({ name: 'AbortError', cause: 'too long' });
    const abort = new AbortController();
    const second = failure(file.read(Buffer.alloc(3), { signal: abort.signal }));
    abort.abort('enough');
    expect(await second).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: 'enough' });
    // Writes of a pipe do not wait for its reads.
    await file.write('abc');
    expect(String((await first).buffer)).toBe('abc');
    await file.close();
  });

  it('is for pipes, devices and files of no size as FileHandle is', async () => {
    await using(await openFile('/proc/self/status'), async (file) => {
      expect(String((await file.read(Buffer.alloc(5))).buffer)).toBe('Name:');
      expect(await file.readFile('utf8')).toContain('Threads:');
    });
    await using(await openFile('/dev/zero'), async (file) => {
      expect((await file.read(Buffer.alloc(7, 1))).buffer.equals(Buffer.alloc(7))).toBe(true);
    });
    await using(await openFile('/dev/full', 'r+'), async (file) => {
      expect(await failure(file.write('x'))).toMatchObject({ code: 'ENOSPC', syscall: 'write' });
    });
    await using(await openFile(folder.path), async (file) => {
      expect(await failure(file.read(Buffer.alloc(7)))).toMatchObject({ code: 'EISDIR', errno: -21 });
    });
    await using(await openFile(fifo(), 'r+'), async (file) => {
      expect(await failure(file.read(Buffer.alloc(7), 0, 7, 0))).toMatchObject({ code: 'ESPIPE' });
      expect(await failure(file.sync())).toMatchObject({ code: 'EINVAL', syscall: 'fsync' });
    });
  });

  it('reads past the page cache into any memory', async ({ skip }) => {
    const TMPFS_MAGIC = 0x01021994;
    if (statfsSync(folder.path).type === TMPFS_MAGIC) skip('temporary files are in memory here');
    const file = await open(numbered, constants.O_RDONLY | constants.O_DIRECT, undefined, { engine });
    await using(file, async () => {
      const memory = new Uint8Array(new ArrayBuffer(BLOCK_BYTES + 1), 1);
      expect((await file.read(memory, 0, BLOCK_BYTES, 9 * BLOCK_BYTES)).bytesRead).toBe(BLOCK_BYTES);
      expect(memory[0]).toBe(9);
      const whole = new Uint8Array(new ArrayBuffer(64 * BLOCK_BYTES + 1), 1);
      expect((await file.read(whole, 0, 64 * BLOCK_BYTES, 0)).bytesRead).toBe(64 * BLOCK_BYTES);
      expect(whole[63 * BLOCK_BYTES]).toBe(63);
      expect(await failure(file.read(memory, 0, BLOCK_BYTES, 1))).toMatchObject({ code: 'EINVAL' });
    });
  });
});

describe.each(engines)('closing an AioFile on %s', (engine) => {
  const openFile = (path: string, flags?: string): Promise<AioFile> => open(path, flags, undefined, { engine });

  it('lets nothing in, waits for what is under way, and closes the descriptor', async () => {
    const file = await openFile(fileOf('content'), 'r+');
    const { fd, close } = file;
    let events = 0;
    file.on('close', () => {
      events += 1;
    });
    const read = file.read(Buffer.alloc(7));
    const sync = file.sync();
    const stat = file.stat();
    const closing = close();
    expect([events, file.fd]).toEqual([1, fd]);
    expect(file.close()).toBe(closing);
    expect(await failure(file.read(Buffer.alloc(1)))).toMatchObject({ message: 'file closed', code: 'EBADF', syscall: 'read' });
    expect(await failure(file.truncate(0))).toMatchObject({ code: 'EBADF', syscall: 'ftruncate' });
    expect(await failure(file.writeFile(['x']))).toMatchObject({ code: 'EBADF', syscall: 'writeFile' });
    await closing;
    expect(String((await read).buffer)).toBe('content');
    expect((await stat).size).toBe(7);
    await sync;
    expect([events, file.fd]).toEqual([1, -1]);
    await file.close();
    await file[Symbol.asyncDispose]();
    expect(events).toBe(1);
  });

  it('never lets an operation reach the file that gets the number next', async () => {
    const [one, two] = [fileOf('1'.repeat(4096)), fileOf('2'.repeat(4096))];
    for (let round = 0; round < 50; round++) {
      const file = await openFile(one, 'r+');
      const reads = Array.from({ length: 40 }, () => file.read(Buffer.alloc(64), 0, 64, 0));
      const writes = Array.from({ length: 10 }, () => file.write('1111', 100));
      const closing = file.close();
      const others = Array.from({ length: 4 }, () => openSync(two, 'r+'));
      const results = await Promise.all(reads);
      await Promise.all([...writes, closing]);
      for (const fd of others) closeSync(fd);
      expect(results.every(({ buffer }) => buffer.equals(Buffer.alloc(64, '1')))).toBe(true);
    }
    expect(readFileSync(two, 'latin1')).toBe('2'.repeat(4096));
  });

  it('leaves nothing of its failures, or of its position, to a file that is opened later', async () => {
    const [path, pipe] = [fileOf('content'), fifo()];
    for (let round = 0; round < 3; round++) {
      const failing = await openFile(path);
      await failing.read(Buffer.alloc(3));
      expect(await failure(failing.write('x', 0))).toMatchObject({ code: 'EBADF' });
      await failing.close();
      // A sync that fails poisons its file, and no other.
      await using(await openFile(pipe, 'r+'), async (file) => {
        for (let time = 0; time < 2; time++) expect(await failure(file.sync())).toMatchObject({ code: 'EINVAL' });
      });
      await using(await openFile(path, 'r+'), async (file) => {
        await file.write('c', 0);
        await file.sync();
        expect(String((await file.read(Buffer.alloc(7))).buffer)).toBe('content');
      });
    }
  });

  it('keeps no memory that it has read into or written, open or closed', async () => {
    const file = await openFile(fileOf('content'), 'r+');
    const use = async (trusted: boolean): Promise<WeakRef<object>[]> => {
      const buffers = [Buffer.from(new ArrayBuffer(7)), Buffer.from(new ArrayBuffer(7))] as const;
      await file.read(buffers[0], { position: 0, trusted });
      await file.write(buffers[1], { position: 0, trusted });
      return buffers.map(({ buffer }) => new WeakRef(buffer));
    };
    const held = [...(await use(false)), ...(await use(true))];
    expect(await Promise.all(held.map(isCollected))).toEqual(held.map(() => true));
    await file.close();
  });

  it('ends a read of a pipe by its signal, though it has begun', async () => {
    const file = await openFile(fifo(), 'r+');
    const abort = new AbortController();
    const read = failure(file.read(Buffer.alloc(3), { signal: abort.signal }));
    // It is begun after the microtasks of this turn.
    await new Promise(setImmediate);
    abort.abort();
    expect(await read).toMatchObject({ name: 'AbortError' });
    await file.write('abc');
    expect((await file.read(Buffer.alloc(3))).bytesRead).toBe(3);
    await file.close();
  });

  it('needs no thread of Node’s for pipes that nobody writes to', async () => {
    const pipes = await Promise.all(Array.from({ length: 8 }, () => openFile(fifo(), 'r+')));
    const reads = pipes.map((pipe) => pipe.read(Buffer.alloc(2 ** 17)));
    // More than Node has threads, so FileHandle's stat would wait for ever.
    expect((await (pipes[0] as AioFile).stat()).isFIFO()).toBe(true);
    await Promise.all(pipes.map((pipe) => pipe.write('x')));
    await Promise.all(reads);
    await Promise.all(pipes.map((pipe) => pipe.close()));
  });
});
