import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { IoBuffer, prepareFdatasync, prepareFsync, prepareNop, prepareRead, prepareWrite, Ring } from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { finish, Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { EBADF, EFAULT, EISDIR } = constants.errno;

describeRing('Ring against the kernel', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  const content = Buffer.from(Array.from({ length: 10_000 }, (_, index) => (index * 7) % 251));
  writeFileSync(path, content);
  const fd = openSync(path, 'r+');
  const ring = new Ring({ sqEntries: 8, cqEntries: 16 });
  const buffer = IoBuffer.allocate(16_384);
  afterAll(() => {
    ring.close();
    closeSync(fd);
  });

  function resultOf(prepare: (request: Probe) => void): number | undefined {
    const request = new Probe();
    prepare(request);
    expect(ring.prepare(request)).toBe(true);
    expect(request.results).toEqual([]);
    finish(ring);
    return request.result;
  }

  it('reads', () => {
    expect(resultOf((request) => prepareRead(request, fd, buffer, 3, 1000, 500))).toBe(1000);
    expect(Buffer.compare(buffer.bytes.subarray(3, 1003), content.subarray(500, 1500))).toBe(0);
    expect(buffer.bytes[1003]).toBe(0);
    expect(buffer.bytes[2]).toBe(0);
  });

  it('reads short at the end of the file, and nothing after it', () => {
    expect(resultOf((request) => prepareRead(request, fd, buffer, 0, 16_384, 9_990))).toBe(10);
    expect(resultOf((request) => prepareRead(request, fd, buffer, 0, 16_384, 10_000))).toBe(0);
    expect(resultOf((request) => prepareRead(request, fd, buffer, 0, 0, 0))).toBe(0);
  });

  it('writes, and makes it stable', () => {
    buffer.bytes.fill(9, 0, 50);
    expect(resultOf((request) => prepareWrite(request, fd, buffer, 0, 50, 20))).toBe(50);
    expect(resultOf((request) => prepareFdatasync(request, fd))).toBe(0);
    expect(resultOf((request) => prepareFsync(request, fd))).toBe(0);
    content.fill(9, 20, 70);
    expect(Buffer.compare(readFileSync(path), content)).toBe(0);
  });

  it('takes offsets beyond 32 bits, and addresses they are', () => {
    const sparse = openSync(join(folder, 'sparse'), 'w+');
    const far = 2 ** 40 + 2 ** 32 + 12_345;
    buffer.bytes.set([1, 2, 3, 4]);
    expect(resultOf((request) => prepareWrite(request, sparse, buffer, 0, 4, far))).toBe(4);
    const seen = Buffer.alloc(4);
    readSync(sparse, seen, 0, 4, far);
    expect([...seen]).toEqual([1, 2, 3, 4]);
    closeSync(sparse);
  });

  it('takes the own position of the file for the offset -1', () => {
    const own = openSync(path, 'r');
    expect(resultOf((request) => prepareRead(request, own, buffer, 0, 100, -1))).toBe(100);
    expect(resultOf((request) => prepareRead(request, own, buffer, 0, 100, -1))).toBe(100);
    expect(Buffer.compare(buffer.bytes.subarray(0, 100), content.subarray(100, 200))).toBe(0);
    closeSync(own);
  });

  it('does nothing', () => {
    expect(resultOf(prepareNop)).toBe(0);
  });

  it('gives errors as negative results', () => {
    const directory = openSync(folder, 'r');
    const readOnly = openSync(path, 'r');
    expect(resultOf((request) => prepareRead(request, -1, buffer, 0, 10, 0))).toBe(-EBADF);
    expect(resultOf((request) => prepareFsync(request, -1))).toBe(-EBADF);
    expect(resultOf((request) => prepareRead(request, directory, buffer, 0, 10, 0))).toBe(-EISDIR);
    expect(resultOf((request) => prepareWrite(request, readOnly, buffer, 0, 10, 0))).toBe(-EBADF);
    const nowhere = (request: Probe): void => {
      prepareRead(request, fd, buffer, 0, 10, 0);
      request.address = 8;
    };
    expect(resultOf(nowhere)).toBe(-EFAULT);
    closeSync(directory);
    closeSync(readOnly);
  });

  it('lets a bad request in the middle of a batch fail alone', () => {
    const requests = Array.from({ length: 8 }, () => new Probe());
    for (const [index, request] of requests.entries()) {
      prepareRead(request, index === 2 ? -1 : fd, buffer, 0, 10, index);
      // Nobody knows this operation: the kernel refuses it before it starts.
      if (index === 4) request.opcode = 255;
      ring.prepare(request);
    }
    finish(ring);
    expect(requests.map(({ result }) => result)).toEqual([10, 10, -EBADF, 10, -constants.errno.EINVAL, 10, 10, 10]);
  });
});
