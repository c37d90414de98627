import { closeSync, fstatSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { EBADF, IoBuffer, prepareFsync, prepareNop, prepareRead, RequestChain, RingFile, ThreadRing } from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { programPath, run } from './support/child.js';
import { Pipe, Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const memory = IoBuffer.allocate(4096);

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

describe('RingFile', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  writeFileSync(path, 'x'.repeat(4096));

  it('opens as fs.openSync, and closes what it has opened', async () => {
    const file = RingFile.open(path);
    const { fd } = file;
    expect([file.path, file.references, file.closing, isOpen(fd)]).toEqual([path, 0, false, true]);
    await file.close();
    expect([file.fd, file.closing, isOpen(fd)]).toEqual([-1, true, false]);
    await file.close();
    expect(() => RingFile.open(join(folder, 'missing'))).toThrow(expect.objectContaining({ code: 'ENOENT', syscall: 'open' }));
    expect(() => RingFile.open(path, 'wx')).toThrow(expect.objectContaining({ code: 'EEXIST' }));
  });

  it('closes what it has adopted, and nothing that is borrowed', async () => {
    const [adopted, borrowed] = [openSync(path, 'r'), openSync(path, 'r')];
    const file = RingFile.adopt(adopted, { path });
    await file.close();
    expect(isOpen(adopted)).toBe(false);
    const lent = RingFile.borrow(borrowed, 'borrowed');
    expect([lent.fd, lent.path]).toEqual([borrowed, 'borrowed']);
    await lent.close();
    expect([lent.fd, isOpen(borrowed)]).toEqual([-1, true]);
    closeSync(borrowed);
  });

  it.each([-1, 0.5, Number.NaN, '3', null])('is not made of %s', (fd) => {
    const refused = expect.objectContaining({ code: 'EBADF' });
    expect(() => RingFile.adopt(fd as number)).toThrow(refused);
    expect(() => RingFile.borrow(fd as number)).toThrow(refused);
  });

  it('rejects every wait for its end when somebody else has closed its descriptor, and later ones no more', async () => {
    for (const native of [false, true]) {
      const file = RingFile.adopt(openSync(path, 'r'), { native });
      closeSync(file.fd);
      await expect(file.close()).rejects.toMatchObject({ code: 'EBADF', syscall: 'close' });
      expect(file.fd).toBe(-1);
      await file.close();
    }
  });

  it('has a generation of its own, also under the same number', async () => {
    const generations = new Set<number>();
    const numbers = new Set<number>();
    for (let count = 0; count < 1000; count++) {
      const file = RingFile.open(path);
      generations.add(file.generation);
      numbers.add(file.fd);
      await file.close();
    }
    expect(generations.size).toBe(1000);
    expect(numbers.size).toBeLessThan(1000);
    expect([...generations].every(Number.isSafeInteger)).toBe(true);
  });

  it('is closed with a warning when it is collected while open', async () => {
    const { status, stdout, stderr } = await run(process.execPath, ['--expose-gc', programPath('collected-file.mjs')]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.trimEnd().split('\n')).toEqual([
      `BIODONE_FILE_COLLECTED A file was collected while open, and is closed now: '${process.execPath}'`,
      'kept true, adopted false, borrowed true',
    ]);
  });
});

describeRing('RingFile with requests', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  writeFileSync(path, 'x'.repeat(4096));
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 8 });
  afterAll(() => ring.close());

  it('is held from the start of each to its completion', () => {
    const file = RingFile.open(path);
    const held: number[] = [];
    const reads = Array.from({ length: 20 }, () => new Probe(() => held.push(file.references)));
    for (const read of reads) {
      prepareRead(read, file, memory, 0, 4096, 0);
      ring.start(read);
    }
    expect(file.references).toBe(20);
    while (ring.inFlight > 0) ring.wait(10_000);
    expect(held).toEqual(Array.from({ length: 20 }, (_, index) => 19 - index));
    void file.close();
  });

  it('closes after those that are in flight or wait for room, and admits no more', async () => {
    const pipe = new Pipe();
    const file = RingFile.adopt(pipe.readEnd, { path: 'pipe', native: true });
    // More than the ring takes at a time.
    const reads = Array.from({ length: 12 }, () => new Probe());
    for (const [index, read] of reads.entries()) {
      prepareRead(read, file, memory, index, 1, -1);
      ring.start(read);
    }
    ring.flush();
    const ends: string[] = [];
    const closes = ['first', 'second'].map((name) => file.close().then(() => ends.push(name)));
    expect([file.closing, isOpen(pipe.readEnd), file.references]).toEqual([true, true, 12]);
    const late = new Probe();
    prepareRead(late, file, memory, 0, 1, -1);
    ring.start(late);
    ring.poll();
    expect([late.result, late.started, file.references]).toEqual([-EBADF, false, 12]);
    await expect(ring.run((request) => prepareFsync(request, file))).rejects.toMatchObject({ code: 'EBADF', path: 'pipe' });
    for (let written = 1; written < 12; written++) writeSync(pipe.writeEnd, 'x');
    while (reads.filter(({ started }) => !started).length < 11) ring.wait(10_000);
    expect([isOpen(pipe.readEnd), ends]).toEqual([true, []]);
    writeSync(pipe.writeEnd, 'x');
    await Promise.all(closes);
    expect([isOpen(pipe.readEnd), ends, file.references]).toEqual([false, ['first', 'second'], 0]);
    expect(reads.map(({ result }) => result)).toEqual(new Array(12).fill(1));
    closeSync(pipe.writeEnd);
  });

  it('is closed by await using', async () => {
    const file = RingFile.open(path);
    const { fd } = file;
    const read = ring.run((request) => prepareRead(request, file, memory, 0, 4096, 0));
    await file[Symbol.asyncDispose]();
    expect(isOpen(fd)).toBe(false);
    expect(await read).toBe(4096);
  });

  it('loses no descriptor that was kept for a chain which fails at once', async () => {
    const file = RingFile.open(path);
    await file.close();
    const fd = openSync(path, 'r');
    const before = descriptors();
    const members = [new Probe(), new Probe(), new Probe()] as const;
    prepareFsync(members[0], fd);
    prepareRead(members[1], file, memory, 0, 1, 0);
    prepareRead(members[2], fd, memory, 0, 1, 0);
    ring.startChain(new RequestChain(members));
    while (ring.inFlight > 0) ring.wait(10_000);
    expect(members.map(({ result }) => result)).toEqual([-125, -EBADF, -125]);
    expect(descriptors()).toBe(before);
    closeSync(fd);
  });

  it('does not let a request be prepared again while it is under way', async () => {
    const pipe = new Pipe();
    const request = new Probe();
    prepareRead(request, pipe.input, memory, 0, 1, -1);
    ring.start(request);
    const refused = expect.objectContaining({ code: 'ERR_INVALID_STATE' });
    expect(() => prepareRead(request, 0, memory, 0, 1, 0)).toThrow(refused);
    expect(() => prepareNop(request)).toThrow(refused);
    expect(() => prepareFsync(request, 0)).toThrow(refused);
    expect(request.memory).toBe(memory);
    writeSync(pipe.writeEnd, 'x');
    ring.wait(10_000);
    expect([request.result, pipe.input.references]).toEqual([1, 0]);
    prepareNop(request);
    pipe.close();
  });

  it('costs neither descriptors nor memory in 100,000 cycles of open, I/O and close', async () => {
    const cycles = 100_000;
    const gc = globalThis.gc as () => void;
    const before = descriptors();
    let heapBytes = 0;
    for (let cycle = 0; cycle < cycles; cycle++) {
      const file = RingFile.open(path);
      const read = new Probe();
      prepareRead(read, file, memory, 0, 512, 0);
      ring.start(read);
      if (cycle % 2 === 0) ring.poll();
      const closed = file.close();
      ring.poll();
      if (read.result !== 512 || file.fd !== -1) throw new Error(`cycle ${cycle}: result ${read.result}, descriptor ${file.fd}`);
      if (cycle % 1000 === 0) await closed;
      if (cycle === cycles / 2) {
        gc();
        heapBytes = process.memoryUsage().heapUsed;
      }
    }
    await new Promise(setImmediate);
    gc();
    expect(descriptors()).toBe(before);
    // Twenty bytes of each of the later cycles would be more than this.
    expect(process.memoryUsage().heapUsed - heapBytes).toBeLessThan(2 ** 20);
  }, 120_000);
});
