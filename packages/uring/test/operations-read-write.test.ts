import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  IoBuffer,
  IoVector,
  prepareNop,
  prepareRead,
  prepareReadFixed,
  prepareReadv,
  prepareWrite,
  prepareWriteFixed,
  prepareWritev,
  RingFile,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { failure, outOfRange } from './support/failure.js';
import { Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const memory = IoBuffer.allocate(16_384);

describeRing('reads and writes', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  const content = Buffer.from(Array.from({ length: 10_000 }, (_, index) => (index * 7) % 251));
  writeFileSync(path, content);
  mkdirSync(join(folder, 'directory'));
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16, bufferTableEntries: 2 });
  const file = RingFile.open(path, 'r+');
  const readOnly = RingFile.open(path, 'r');
  const writeOnly = RingFile.open(path, 'a');
  const directory = RingFile.open(join(folder, 'directory'), 'r');
  afterAll(async () => {
    await ring.close();
    for (const one of [file, readOnly, writeOnly, directory]) await one.close();
  });

  function seen(start: number, end: number): Buffer {
    return Buffer.from(memory.bytes.subarray(start, end));
  }

  it('transfer what lies at the offset, and nothing beside it', async () => {
    memory.bytes.fill(255);
    expect(await ring.run((request) => prepareRead(request, file, memory, 3, 1000, 500))).toBe(1000);
    expect(seen(3, 1003)).toEqual(content.subarray(500, 1500));
    expect([...seen(0, 3), ...seen(1003, 1010)].every((byte) => byte === 255)).toBe(true);
    expect(await ring.run((request) => prepareWrite(request, file, memory, 3, 100, 9000))).toBe(100);
    content.copy(content, 9000, 500, 600);
    expect(readFileSync(path)).toEqual(content);
  });

  it('end at the end of the file', async () => {
    expect(await ring.run((request) => prepareRead(request, file, memory, 0, 16_384, 9_990))).toBe(10);
    expect(await ring.run((request) => prepareRead(request, file, memory, 0, 16_384, 10_000))).toBe(0);
    expect(await ring.run((request) => prepareReadv(request, file, new IoVector([{ memory }]), 9_990))).toBe(10);
  });

  it('go by the position of the file for the offset -1, and move it', async () => {
    const own = RingFile.open(path, 'r');
    for (const start of [0, 100]) {
      expect(await ring.run((request) => prepareRead(request, own, memory, 0, 100, -1))).toBe(100);
      expect(seen(0, 100)).toEqual(content.subarray(start, start + 100));
    }
    const vector = new IoVector([{ memory, lengthBytes: 50 }]);
    expect(await ring.run((request) => prepareReadv(request, own, vector, -1))).toBe(50);
    expect(seen(0, 50)).toEqual(content.subarray(200, 250));
    await own.close();
  });

  it('gather and scatter the parts of a vector in their order', async () => {
    const other = IoBuffer.allocate(100);
    const vector = new IoVector([
      { memory, memoryOffset: 50, lengthBytes: 10 },
      { memory: other, memoryOffset: 90 },
      { memory, memoryOffset: 0, lengthBytes: 5 },
    ]);
    expect([vector.count, vector.lengthBytes]).toEqual([3, 25]);
    expect(await ring.run((request) => prepareReadv(request, file, vector, 1000))).toBe(25);
    const parts = [seen(50, 60), Buffer.from(other.bytes.subarray(90)), seen(0, 5)];
    expect(Buffer.concat(parts)).toEqual(content.subarray(1000, 1025));
    expect(await ring.run((request) => prepareWritev(request, file, vector, 2000))).toBe(25);
    content.copy(content, 2000, 1000, 1025);
    expect(readFileSync(path)).toEqual(content);
  });

  it('take a vector as long as the kernel does, in several requests at a time', async () => {
    const vector = new IoVector(Array.from({ length: 1024 }, (_, index) => ({ memory, memoryOffset: index, lengthBytes: 1 })));
    const counts = [0, 1, 2].map(() => ring.run((request) => prepareReadv(request, file, vector, 4096)));
    expect(await Promise.all(counts)).toEqual([1024, 1024, 1024]);
    expect(seen(0, 1024)).toEqual(content.subarray(4096, 5120));
  });

  it('use registered buffers', async () => {
    const fixed = ring.ring.buffers.set(1, memory);
    expect(await ring.run((request) => prepareReadFixed(request, file, fixed, 4096, 100, 10))).toBe(100);
    expect(seen(4096, 4196)).toEqual(content.subarray(10, 110));
    expect(await ring.run((request) => prepareWriteFixed(request, file, fixed, 4096, 100, 3000))).toBe(100);
    content.copy(content, 3000, 10, 110);
    expect(readFileSync(path)).toEqual(content);
    await expect(ring.run((request) => prepareReadFixed(request, writeOnly, fixed, 0, 1, 0))).rejects.toEqual(
      failure('EBADF', 'read_fixed', writeOnly.path),
    );
    await expect(ring.run((request) => prepareWriteFixed(request, readOnly, fixed, 0, 1, 0))).rejects.toEqual(
      failure('EBADF', 'write_fixed', path),
    );
    fixed.clear();
    await expect(ring.run((request) => prepareReadFixed(request, file, fixed, 0, 1, 0))).rejects.toEqual(
      failure('EFAULT', 'read_fixed', path),
    );
    await expect(ring.run((request) => prepareWriteFixed(request, file, fixed, 0, 1, 0))).rejects.toEqual(
      failure('EFAULT', 'write_fixed', path),
    );
  });

  it('fail with the error of the system call, the operation and the path', async () => {
    const vector = new IoVector([{ memory, lengthBytes: 10 }]);
    const error = (await ring
      .run((request) => prepareRead(request, writeOnly, memory, 0, 1, 0))
      .catch((reason) => reason)) as Error;
    expect(error).toMatchObject({ name: 'SystemError', code: 'EBADF', errno: -9, syscall: 'read', path });
    expect(error.message).toBe(`EBADF: closed, or no open descriptor, read '${path}'`);
    const expected = [
      [(request: Probe) => prepareWrite(request, readOnly, memory, 0, 1, 0), failure('EBADF', 'write', path)],
      [(request: Probe) => prepareReadv(request, writeOnly, vector, 0), failure('EBADF', 'readv', path)],
      [(request: Probe) => prepareWritev(request, readOnly, vector, 0), failure('EBADF', 'writev', path)],
      [(request: Probe) => prepareRead(request, directory, memory, 0, 1, 0), failure('EISDIR', 'read', directory.path)],
      // A bare descriptor has no path, and neither has the error: it names the number.
      [(request: Probe) => prepareRead(request, -1, memory, 0, 1, 0), failure('EBADF', 'read', undefined, 'descriptor -1')],
      [
        (request: Probe) => prepareWritev(request, 0x7fff_fff0, vector, 0),
        failure('EBADF', 'writev', undefined, 'descriptor 2147483632'),
      ],
    ] as const;
    for (const [prepare, wanted] of expected) {
      await expect(ring.run(prepare as never)).rejects.toEqual(wanted);
    }
    // What cannot be told by the error's fields alone: `path` is not there, rather than undefined.
    expect('path' in (await ring.run((request) => prepareRead(request, -1, memory, 0, 1, 0)).catch((reason) => reason))).toBe(
      false,
    );
  });

  it('go to their file on a bare descriptor too', async () => {
    const fd = openSync(path, 'r');
    const own = RingFile.adopt(fd, { path });
    expect(await ring.run((request) => prepareRead(request, fd, memory, 0, 10, 77))).toBe(10);
    expect(seen(0, 10)).toEqual(content.subarray(77, 87));
    await own.close();
  });

  it('do nothing where nothing is asked for', async () => {
    expect(await ring.run(prepareNop)).toBe(0);
    expect(await ring.run((request) => prepareRead(request, file, memory, 16_384, 0, 0))).toBe(0);
    expect(await ring.run((request) => prepareWrite(request, file, memory, 0, 0, 2 ** 40))).toBe(0);
    expect(readFileSync(path).length).toBe(10_000);
  });
});

describe('a part that is not within the memory', () => {
  const wrong: [memoryOffset: number, lengthBytes: number][] = [
    [0, 16_385],
    [16_384, 1],
    [-1, 10],
    [0, -1],
    [0.5, 10],
    [0, 1.5],
    [Number.NaN, 10],
    [0, Number.NaN],
    [Number.POSITIVE_INFINITY, 0],
    [2 ** 53, 0],
    [0, 2 ** 32],
  ];
  const fixed = { memory, index: 0 } as never;
  it.each(wrong)('is refused at once: offset %s, length %s', (memoryOffset, lengthBytes) => {
    const request = new Probe();
    const refused = expect.objectContaining(outOfRange);
    for (const prepare of [prepareRead, prepareWrite]) {
      expect(() => prepare(request, 0, memory, memoryOffset, lengthBytes, 0)).toThrow(refused);
    }
    for (const prepare of [prepareReadFixed, prepareWriteFixed]) {
      expect(() => prepare(request, 0, fixed, memoryOffset, lengthBytes, 0)).toThrow(refused);
    }
    expect(() => new IoVector([{ memory, memoryOffset, lengthBytes }])).toThrow(refused);
  });

  it.each([-2, 0.5, 2 ** 53, Number.NaN, Number.NEGATIVE_INFINITY, undefined])(
    'neither is the offset %s in the file',
    (offset) => {
      const request = new Probe();
      const vector = new IoVector([{ memory }]);
      const refused = expect.objectContaining(outOfRange);
      for (const prepare of [prepareRead, prepareWrite]) {
        expect(() => prepare(request, 0, memory, 0, 1, offset as number)).toThrow(refused);
      }
      for (const prepare of [prepareReadv, prepareWritev]) {
        expect(() => prepare(request, 0, vector, offset as number)).toThrow(refused);
      }
    },
  );

  it('is refused of a vector that has too many parts, or none', () => {
    const refused = expect.objectContaining(outOfRange);
    expect(() => new IoVector([])).toThrow(refused);
    expect(() => new IoVector(Array.from({ length: 1025 }, () => ({ memory })))).toThrow(refused);
    expect(() => new IoVector([{ memory, memoryOffset: 16_385 }])).toThrow(refused);
  });
});
