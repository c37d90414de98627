import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { aio, type FileMemory } from '@biodone/posix-aio';
import { IoBuffer } from '@biodone/uring';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type Folder, makeFolder } from './files.js';

const BLOCK_BYTES = 4096;

let folder: Folder;
let numbered: string;
const opened = new Set<number>();
let names = 0;

function openFd(path: string, flags = 'r'): number {
  const fd = openSync(path, flags);
  opened.add(fd);
  return fd;
}

function close(fd: number): void {
  opened.delete(fd);
  closeSync(fd);
}

function pathOf(content: string): string {
  names += 1;
  const path = join(folder.path, `file-${names}`);
  writeFileSync(path, content);
  return path;
}

function openFifo(): number {
  names += 1;
  const path = join(folder.path, `fifo-${names}`);
  execFileSync('mkfifo', [path]);
  return openFd(path, 'r+');
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no failure',
    (error) => error,
  );

/** The promise functions on descriptors, by the engine that has been configured. */
export function testDescriptorPromises(): void {
  beforeAll(() => {
    folder = makeFolder();
    numbered = folder.numbered('numbered', 64);
  });

  afterEach(() => {
    for (const fd of opened) closeSync(fd);
    opened.clear();
  });

  afterAll(() => folder.remove());

  it('reads into memory of any kind', async () => {
    const fd = openFd(numbered);
    const io = IoBuffer.allocate(BLOCK_BYTES);
    expect(await aio.read(fd, io, { position: 7 * BLOCK_BYTES })).toEqual({ bytesRead: BLOCK_BYTES, buffer: io });
    expect(io.bytes[0]).toBe(7);
    const words = new Uint32Array(4);
    await aio.read(fd, words, { position: 9 * BLOCK_BYTES, offset: 8, length: 4 });
    expect([...words]).toEqual([0, 0, 9, 0]);
    const trusted = await aio.read(fd, new Uint8Array(4), { position: 5 * BLOCK_BYTES, trusted: true });
    expect([...trusted.buffer]).toEqual([5, 0, 0, 0]);
    const large = Buffer.alloc(2 ** 21, 1);
    expect((await aio.read(fd, large, { position: 0 })).bytesRead).toBe(64 * BLOCK_BYTES);
    expect([large.readUInt32LE(BLOCK_BYTES), large[2 ** 20]]).toEqual([1, 1]);
    expect(await aio.read(fd, Buffer.alloc(0), { position: 0 })).toMatchObject({ bytesRead: 0 });
  });

  it('writes memory and text, and makes it stable', async () => {
    const path = pathOf('');
    const fd = openFd(path, 'r+');
    const writes = [aio.write(fd, 'größer', { position: 0 }), aio.write(fd, Buffer.from('xyz'), { offset: 1, position: 10 })];
    const sync = aio.fsync(fd);
    const dataSync = aio.fdatasync(fd);
    let written = 0;
    for (const write of writes) void write.then(() => (written += 1));
    await Promise.all([sync, dataSync]);
    expect(written).toBe(2);
    expect((await writes[0])?.bytesWritten).toBe(8);
    expect(readFileSync(path)).toEqual(Buffer.from('größer\0\0yz'));
  });

  it('appends, and reads and writes pipes, in the order of the calls', async () => {
    const path = pathOf('');
    const fd = openFd(path, 'a');
    const words = Array.from({ length: 100 }, (_, index) => `${index};`);
    await Promise.all(words.map((word) => aio.write(fd, word, { position: 0 })));
    expect(readFileSync(path, 'latin1')).toBe(words.join(''));
    const pipe = openFifo();
    const reads = Array.from({ length: 3 }, () => aio.read(pipe, Buffer.alloc(2)));
    await aio.write(pipe, 'abcdef');
    expect((await Promise.all(reads)).map(({ buffer }) => String(buffer))).toEqual(['ab', 'cd', 'ef']);
  });

  it('appends without a position too', async () => {
    const path = pathOf('0');
    const fd = openFd(path, 'a');
    expect(
      await Promise.all([aio.write(fd, '1'), aio.write(fd, '2', { position: null }), aio.writev(fd, [Buffer.from('3')])]),
    ).toEqual([
      { bytesWritten: 1, buffer: '1' },
      { bytesWritten: 1, buffer: '2' },
      { bytesWritten: 1, buffers: [Buffer.from('3')] },
    ]);
    expect(readFileSync(path, 'latin1')).toBe('0123');
  });

  it('reads and writes memory in several parts, shared or not', async () => {
    const path = pathOf('0123456789');
    const fd = openFd(path, 'r+');
    const kinds = [
      () => [Buffer.alloc(2), new Uint16Array(1), Buffer.alloc(0), new DataView(new ArrayBuffer(3))],
      () => [IoBuffer.allocate(2), new Uint8Array(new SharedArrayBuffer(5), 1, 4)],
      () => [IoBuffer.allocate(2), Buffer.alloc(4)],
    ];
    const textOf = (parts: readonly FileMemory[]): string =>
      parts
        .map((part) => (part instanceof IoBuffer ? part.bytes : part))
        .map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength).toString('latin1'))
        .join('');
    for (const [index, make] of kinds.entries()) {
      for (const trusted of [false, true]) {
        const buffers = make();
        expect(await aio.readv(fd, buffers, { position: 1 + index, trusted })).toEqual({
          bytesRead: index === 0 ? 7 : 6,
          buffers,
        });
        expect(textOf(buffers)).toBe('0123456789'.slice(1 + index, index === 0 ? 8 : 7 + index));
        expect((await aio.writev(fd, buffers, { position: 1 + index, trusted })).bytesWritten).toBe(index === 0 ? 7 : 6);
      }
    }
    const short = [Buffer.alloc(2, '-'), Buffer.alloc(3, '-')];
    expect(await aio.readv(fd, short, { position: 7 })).toEqual({ bytesRead: 3, buffers: short });
    expect(textOf(short)).toBe('789--');
    const pipe = openFifo();
    const halves = [Buffer.alloc(1), Buffer.alloc(3)];
    const read = aio.readv(pipe, halves);
    expect(await aio.writev(pipe, [Buffer.from('ab'), Buffer.from('cd')])).toMatchObject({ bytesWritten: 4 });
    expect(await read).toMatchObject({ bytesRead: 4 });
    expect(textOf(halves)).toBe('abcd');
    expect(await aio.readv(fd, [], { position: 0 })).toEqual({ bytesRead: 0, buffers: [] });
    expect(readFileSync(path, 'latin1')).toBe('0123456789');
  });

  it('refuses parts that are none, and says so if one was transferred away', async () => {
    const fd = openFd(pathOf('0123456789'));
    const readv = aio.readv as (...args: unknown[]) => Promise<unknown>;
    for (const buffers of [undefined, 'text', [Buffer.alloc(1), 'text'], new Array(1025).fill(Buffer.alloc(1))])
      expect(await failure(readv(fd, buffers, { position: 0 }))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    expect(await failure(readv(fd, [Buffer.alloc(1)], {}))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    expect(await failure(aio.writev(fd, [Buffer.alloc(1)], { position: 0 }))).toMatchObject({ code: 'EBADF', syscall: 'writev' });
    const pipe = openFifo();
    const [lost, kept] = [Buffer.from(new ArrayBuffer(4)), Buffer.alloc(4, '-')];
    const read = failure(aio.readv(pipe, [lost, kept]));
    structuredClone(lost.buffer, { transfer: [lost.buffer as ArrayBuffer] });
    await aio.write(pipe, 'abcd');
    expect(await read).toMatchObject({ code: 'EFAULT', syscall: 'readv' });
    expect(String(kept)).toBe('----');
    expect(await failure(aio.readv(pipe, [Buffer.alloc(1)], { signal: AbortSignal.abort() }))).toMatchObject({
      code: 'ABORT_ERR',
    });
  });

  it('reaches the file that was open at the call, though the descriptor is closed and used again', async () => {
    const other = pathOf('2'.repeat(BLOCK_BYTES * 64));
    for (let round = 0; round < 20; round++) {
      const fd = openFd(numbered);
      const reads = Array.from({ length: 30 }, (_, block) => aio.read(fd, Buffer.alloc(4), { position: block * BLOCK_BYTES }));
      close(fd);
      openFd(other, 'r+');
      const results = await Promise.all(reads);
      expect(results.map(({ buffer }) => buffer.readUInt32LE(0))).toEqual(results.map((_, block) => block));
    }
  });

  it('is cancelled by a signal', async () => {
    const pipe = openFifo();
    expect(await failure(aio.read(pipe, Buffer.alloc(1), { signal: AbortSignal.abort('no') }))).toMatchObject({
      code: 'ABORT_ERR',
      cause: 'no',
    });
    const first = new AbortController();
    const second = new AbortController();
    const reads = [first, second].map(({ signal }) => failure(aio.read(pipe, Buffer.alloc(1), { signal })));
    second.abort();
    first.abort();
    for (const read of reads) expect(await read).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
  });

  it('tells what has failed, and what is wrong with the arguments', async () => {
    const path = pathOf('content');
    const fd = openFd(path);
    expect(await failure(aio.write(fd, 'x', { position: 0 }))).toMatchObject({ code: 'EBADF', errno: -9, syscall: 'write' });
    expect(await failure(aio.read(987_654, Buffer.alloc(1), { position: 0 }))).toMatchObject({ code: 'EBADF', syscall: 'read' });
    expect(await failure(aio.fsync(987_654))).toMatchObject({ code: 'EBADF', syscall: 'fsync' });
    const pipe = openFifo();
    expect(await failure(aio.read(pipe, Buffer.alloc(1), { position: 0 }))).toMatchObject({ code: 'ESPIPE' });
    expect(await failure(aio.fdatasync(pipe))).toMatchObject({ code: 'EINVAL', syscall: 'fdatasync' });
    const read = aio.read as (...args: unknown[]) => Promise<unknown>;
    const wrong: [string, unknown[]][] = [
      ['ERR_INVALID_ARG_TYPE', ['1', Buffer.alloc(1)]],
      ['ERR_OUT_OF_RANGE', [-1, Buffer.alloc(1)]],
      ['ERR_INVALID_ARG_TYPE', [fd, 'text']],
      ['ERR_INVALID_ARG_TYPE', [fd, Buffer.alloc(1), null]],
      ['ERR_INVALID_ARG_TYPE', [fd, Buffer.alloc(1)]],
      ['ERR_OUT_OF_RANGE', [fd, Buffer.alloc(1), { position: -1 }]],
      ['ERR_OUT_OF_RANGE', [fd, Buffer.alloc(1), { position: 0, length: 2 }]],
      ['ERR_OUT_OF_RANGE', [fd, Buffer.alloc(1), { position: 0, offset: 1.5 }]],
      ['ERR_OUT_OF_RANGE', [fd, Buffer.alloc(1), { position: 0, priority: 9 }]],
      ['ERR_INVALID_ARG_TYPE', [fd, Buffer.alloc(1), { position: 0, signal: 1 }]],
    ];
    for (const [code, args] of wrong) expect(await failure(read(...args)), String(args)).toMatchObject({ code });
    for (const sync of [aio.fsync, aio.fdatasync])
      expect(await failure(sync(fd, null as never))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    const buffer = new Uint8Array(4);
    const taken = failure(aio.read(fd, buffer, { position: 0 }));
    structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
    expect(await taken).toMatchObject({ code: 'EFAULT' });
  });
}
