import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { type AioFile, open } from '@biodone/posix-aio';
import { probe } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AnyFile } from './support/file-calls.js';
import { type Folder, makeFolder } from './support/files.js';

// A disk that is busy with others makes them wait.
vi.setConfig({ testTimeout: 120_000 });

const { available, reason } = probe();
if (!available) console.warn(`streams of an AioFile are tested on Node's threads alone: ${reason}`);
const engines = available ? (['uring', 'fs'] as const) : (['fs'] as const);

const LINES = Array.from({ length: 20_000 }, (_, index) => `line ${index} größer`);

let folder: Folder;
let path: string;

beforeAll(() => {
  folder = makeFolder();
  path = join(folder.path, 'lines');
  writeFileSync(path, LINES.join('\n'));
});

afterAll(() => folder.remove());

/** What comes out of a stream, how it ends, and what is left of the file. */
async function outcomeOf(file: AnyFile, stream: Readable): Promise<object> {
  const chunks: unknown[] = [];
  try {
    for await (const chunk of stream) chunks.push(chunk);
    return { chunks, fd: await settled(file, stream) };
  } catch (error) {
    const { name, message, code, syscall } = error as NodeJS.ErrnoException;
    return { chunks, error: { name, message, code, syscall }, fd: await settled(file, stream) };
  }
}

/** Whether the file is closed, once its stream is. */
async function settled(file: AnyFile, stream: Readable | Writable): Promise<boolean> {
  // A stream need not emit 'close'.
  while (stream.destroyed && !stream.closed) await new Promise(setImmediate);
  return file.fd === -1;
}

/** Does the same with a FileHandle and an AioFile. */
async function both<T>(engine: 'uring' | 'fs', flags: string, use: (file: AnyFile, path: string) => Promise<T>): Promise<[T, T]> {
  const paths = [join(folder.path, `${engine}-ours`), join(folder.path, `${engine}-theirs`)] as const;
  for (const copy of paths) writeFileSync(copy, flags.includes('w') ? '' : readFileSync(path));
  const [ours, theirs] = [await open(paths[0], flags, undefined, { engine }), await openHandle(paths[1], flags)];
  try {
    return [await use(ours, paths[0]), await use(theirs, paths[1])];
  } finally {
    await Promise.all([ours.close(), theirs.close()]);
  }
}

describe.each(engines)('streams of an AioFile on %s', (engine) => {
  it.each([
    undefined,
    { start: 5, end: 20 },
    { start: 100_000 },
    { end: 70_000, highWaterMark: 1000 },
    { start: 3, end: 90_000, encoding: 'utf8', highWaterMark: 1001 },
    { autoClose: false },
    { start: 2 ** 40 },
    { signal: AbortSignal.abort() },
    { emitClose: false, end: 10 },
  ] as const)('read what FileHandle’s read: %o', async (options) => {
    const [ours, theirs] = await both(engine, 'r', (file) => outcomeOf(file, file.createReadStream(options as object)));
    expect(ours).toEqual(theirs);
  });

  it.each([{ start: -1 }, { start: 5, end: 2 }, { start: '3' }, { encoding: 'none' }])(
    'refuse what streams of Node’s refuse, and leave the file as it was: %o',
    async (options) => {
      const codeOf = (make: () => Readable): unknown => {
        try {
          make().destroy();
          return 'made';
        } catch (error) {
          return (error as NodeJS.ErrnoException).code;
        }
      };
      const file = await open(path, 'r', undefined, { engine });
      const theirs = codeOf(() => createReadStream(path, options as object));
      expect(codeOf(() => file.createReadStream(options as object))).toBe(theirs);
      expect(theirs).not.toBe('made');
      expect((await file.read(Buffer.alloc(4))).bytesRead).toBe(4);
      // FileHandle cannot be closed any more after that.
      await file.close();
      expect(file.fd).toBe(-1);
    },
  );

  it('go by the file’s own position, one after the other', async () => {
    const [ours, theirs] = await both(engine, 'r', async (file) => {
      const first = await outcomeOf(file, file.createReadStream({ end: 9, autoClose: false }));
      const { buffer } = await (file as AioFile).read(Buffer.alloc(10));
      return [first, String(buffer), await outcomeOf(file, file.createReadStream())];
    });
    expect(ours).toEqual(theirs);
  });

  it('write what FileHandle’s write, from the beginning or in the middle', async () => {
    for (const options of [{}, { start: 10 }, { flush: true, highWaterMark: 100 }, { encoding: 'latin1' }] as const) {
      const [ours, theirs] = await both(engine, 'r+', async (file, name) => {
        const stream = file.createWriteStream(options);
        for (let index = 0; index < 2000; index++) stream.write(`${index} ü;`);
        stream.end('end');
        await finished(stream);
        return [readFileSync(name), stream.bytesWritten, await settled(file, stream)];
      });
      expect(ours).toEqual(theirs);
    }
  });

  it('refuse calls of somebody’s own, as FileHandle’s', async () => {
    const [ours, theirs] = await both(engine, 'r+', async (file) => {
      return (['createReadStream', 'createWriteStream'] as const).map((create) => {
        try {
          file[create]({ fs: {} } as never);
          return 'no failure';
        } catch (error) {
          return (error as NodeJS.ErrnoException).code;
        }
      });
    });
    expect(ours).toEqual(theirs);
    expect(ours).toEqual(['ERR_METHOD_NOT_IMPLEMENTED', 'ERR_METHOD_NOT_IMPLEMENTED']);
  });

  it('can be piped, and iterated over', async () => {
    const file = await open(path, 'r', undefined, { engine });
    const copy = await open(join(folder.path, `${engine}-copy`), 'w', undefined, { engine });
    await pipeline(file.createReadStream(), copy.createWriteStream());
    expect([file.fd, copy.fd]).toEqual([-1, -1]);
    expect(readFileSync(join(folder.path, `${engine}-copy`)).equals(readFileSync(path))).toBe(true);
  });

  it('end with the file, which waits for what they have to do', async () => {
    const name = join(folder.path, `${engine}-closed`);
    const file = await open(name, 'w', undefined, { engine });
    const stream = file.createWriteStream();
    for (let index = 0; index < 500; index++) stream.write('0123456789');
    await file.close();
    expect(await settled(file, stream)).toBe(true);
    expect(file.listenerCount('close')).toBe(0);
    expect(readFileSync(name, 'latin1')).toBe('0123456789'.repeat(500));
    const reader = await open(path, 'r', undefined, { engine });
    const reading = reader.createReadStream({ highWaterMark: 10 });
    await new Promise((resolve) => reading.once('data', resolve));
    await reader.close();
    expect([reading.destroyed, await settled(reader, reading)]).toEqual([true, true]);
    expect(() => reader.createReadStream()).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });

  it('read lines', async () => {
    const [ours, theirs] = await both(engine, 'r', async (file) => {
      const lines: string[] = [];
      for await (const line of file.readLines()) lines.push(line);
      return lines;
    });
    expect(ours).toEqual(LINES);
    expect(theirs).toEqual(LINES);
  });

  describe('for the web', () => {
    const openFile = (): Promise<AioFile> => open(path, 'r', undefined, { engine });

    it('hold all bytes, and the file open until their end', async () => {
      const file = await openFile();
      const chunks: Uint8Array[] = [];
      for await (const chunk of file.readableWebStream()) chunks.push(chunk as Uint8Array);
      expect(Buffer.concat(chunks).equals(readFileSync(path))).toBe(true);
      expect(file.fd).toBeGreaterThan(-1);
      expect(() => file.readableWebStream()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
      await file.close();
      expect(() => file.readableWebStream()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
    });

    it('read into the reader’s own memory', async () => {
      const file = await openFile();
      const reader = file.readableWebStream({ type: 'bytes' }).getReader({ mode: 'byob' });
      const { value } = await reader.read(new Uint8Array(4));
      expect(Buffer.from(value as Uint8Array).toString()).toBe('line');
      await reader.cancel();
      await file.close();
    });

    it('close the file where they are asked to, at the end or when they are cancelled', async () => {
      const whole = await openFile();
      const seen: Uint8Array[] = [];
      for await (const chunk of whole.readableWebStream({ autoClose: true })) seen.push(chunk as Uint8Array);
      const cancelled = await openFile();
      await cancelled.readableWebStream({ autoClose: true }).cancel();
      await Promise.all([whole.close(), cancelled.close()]);
      expect([whole.fd, cancelled.fd]).toEqual([-1, -1]);
      const refused = await openFile();
      expect(() => refused.readableWebStream({ autoClose: 1 as never })).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
      );
      await refused.close();
    });

    it('end with the file', async () => {
      const file = await openFile();
      const reader = file.readableWebStream().getReader();
      await reader.read();
      const next = reader.read();
      await file.close();
      expect((await next).done || (await reader.read()).done).toBe(true);
      expect(file.fd).toBe(-1);
    });

    it('fail with the file', async () => {
      const folderFile = await open(folder.path, 'r', undefined, { engine });
      await expect(folderFile.readableWebStream().getReader().read()).rejects.toMatchObject({ code: 'EISDIR' });
      await folderFile.close();
    });
  });
});
