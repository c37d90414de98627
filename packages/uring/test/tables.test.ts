import { writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
  EBADF,
  EFAULT,
  IOSQE_IO_DRAIN,
  IoBuffer,
  prepareRead,
  prepareReadFixed,
  prepareWriteFixed,
  RequestChain,
  Ring,
  RingFile,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { finish, nop, Pipe, Probe, prepared, settle } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const memory = IoBuffer.allocate(8192);

function text(start: number, end: number): string {
  return Buffer.from(memory.bytes.subarray(start, end)).toString('latin1');
}

describeRing('registered files', () => {
  const folder = temporaryFolder();
  const [pathA, pathB] = [join(folder, 'a'), join(folder, 'b')];
  writeFileSync(pathA, 'A'.repeat(4096));
  writeFileSync(pathB, 'B'.repeat(4096));
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 8, fileTableEntries: 4, eventLoop: false });
  const [a, b] = [RingFile.open(pathA), RingFile.open(pathB)];
  afterAll(async () => {
    ring.closeSync();
    await a.close();
    await b.close();
  });
  const { files } = ring.ring;

  it('are read by their place', () => {
    expect([files.length, files.get(0)]).toEqual([4, null]);
    const fixed = [files.set(0, a), files.set(3, b)] as const;
    expect([files.get(0), files.get(3)]).toEqual(fixed);
    const reads = fixed.map((file, index) => prepared((request) => prepareRead(request, file, memory, index * 10, 10, 0)));
    ring.startAll(reads);
    settle(ring);
    expect(reads.map(({ result }) => result)).toEqual([10, 10]);
    expect(text(0, 20)).toBe(`${'A'.repeat(10)}${'B'.repeat(10)}`);
    files.clear();
    expect([files.get(0), files.get(3), fixed[0].fd]).toEqual([null, null, -1]);
  });

  it('that have left the table fail with EBADF, also if the place has another file', () => {
    const stale = files.set(1, a);
    const early = prepared((request) => prepareRead(request, stale, memory, 0, 10, 0));
    const late = prepared((request) => prepareRead(request, stale, memory, 20, 10, 0));
    ring.start(early);
    const current = files.set(1, b);
    ring.start(late);
    const right = prepared((request) => prepareRead(request, current, memory, 40, 10, 0));
    ring.start(right);
    settle(ring);
    expect([early.result, late.result, right.result]).toEqual([10, -EBADF, 10]);
    expect([text(0, 10), text(40, 50)]).toEqual(['A'.repeat(10), 'B'.repeat(10)]);
    files.clear();
  });

  it('are not replaced under requests that look for them later', () => {
    const pipe = new Pipe();
    const busy = expect.objectContaining({ code: 'EBUSY' });
    for (const inChain of [true, false]) {
      memory.bytes.fill(0, 0, 10);
      const fixed = files.set(2, a);
      const gate = prepared((request) => prepareRead(request, pipe.input, memory, 100, 1, -1));
      const read = prepared((request) => prepareRead(request, fixed, memory, 0, 10, 0));
      if (inChain) {
        ring.startChain(new RequestChain([gate, read]));
      } else {
        read.flags |= IOSQE_IO_DRAIN;
        ring.startAll([gate, read]);
      }
      ring.flush();
      expect(() => files.set(2, b)).toThrow(busy);
      fixed.clear();
      // The kernel looks the place up when the read starts, and would find the new file there.
      expect(() => files.set(2, b)).toThrow(busy);
      writeSync(pipe.writeEnd, 'x');
      settle(ring);
      expect([gate.result, read.result]).toEqual([1, -EBADF]);
      expect(memory.bytes[0]).toBe(0);
      files.set(2, b).clear();
    }
    pipe.close();
  });

  it('stay open in the kernel for requests that have begun', () => {
    const own = new ThreadRing({ sqEntries: 8, cqEntries: 8, fileTableEntries: 4, eventLoop: false });
    const pipe = new Pipe();
    const fixed = own.ring.files.set(0, pipe.input);
    const released = new Probe();
    const other = own.ring.files.set(1, pipe.input, released);
    const read = prepared((request) => prepareRead(request, fixed, memory, 0, 1, -1));
    own.start(read);
    own.flush();
    fixed.clear();
    other.clear();
    own.poll();
    expect([read.results, released.results]).toEqual([[], [0]]);
    writeSync(pipe.writeEnd, 'x');
    settle(own);
    expect(read.result).toBe(1);
    own.closeSync();
    pipe.close();
  });

  it('tell once when the kernel lets go of them', async () => {
    const own = new ThreadRing({ sqEntries: 2, cqEntries: 2, fileTableEntries: 8 });
    const released = Array.from({ length: 8 }, () => new Probe());
    for (const [index, onRelease] of released.entries()) own.ring.files.set(index, index % 2 === 0 ? a : b, onRelease);
    expect(own.inFlight).toBe(0);
    expect(() => own.ring.files.set(7, a, released[0])).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
    expect(own.ring.files.get(7)?.file).toBe(b);
    // However many are registered, requests find room.
    const others = [nop(), nop(), nop()];
    own.startAll(others);
    own.ring.files.get(0)?.clear();
    own.ring.files.set(1, a);
    const alive = setInterval(() => {}, 1000);
    while (released[0]?.started || released[1]?.started) await new Promise(setImmediate);
    clearInterval(alive);
    expect(others.map(({ result }) => result)).toEqual([0, 0, 0]);
    expect(released.slice(2).every(({ results }) => results.length === 0)).toBe(true);
    await own.close();
    expect(released.map(({ results }) => results)).toEqual(released.map(() => [0]));
  });

  it('leave the table when they are closed', async () => {
    const file = RingFile.open(pathA);
    const released = new Probe();
    const fixed = files.set(0, file, released);
    files.set(1, file);
    await file.close();
    expect([fixed.fd, files.get(0), files.get(1)]).toEqual([-1, null, null]);
    ring.poll();
    expect(released.results).toEqual([0]);
    expect(() => files.set(0, file)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    const read = prepared((request) => prepareRead(request, fixed, memory, 0, 10, 0));
    ring.start(read);
    settle(ring);
    expect(read.result).toBe(-EBADF);
  });

  it('have no place beyond the table', () => {
    const range = expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' });
    for (const index of [-1, 4, 1.5, Number.NaN]) expect(() => files.set(index, a)).toThrow(range);
    const none = new Ring({ sqEntries: 1, cqEntries: 1 });
    expect(() => none.files.set(0, a)).toThrow(range);
    none.close();
  });
});

describeRing('registered buffers', () => {
  const folder = temporaryFolder();
  const file = RingFile.open(join(folder, 'file'), 'w+');
  const ring = new Ring({ sqEntries: 8, cqEntries: 8, bufferTableEntries: 2 });
  const { buffers } = ring;
  afterAll(async () => {
    ring.close();
    await file.close();
  });

  function resultOf(prepare: (request: Probe) => void): number | undefined {
    const request = prepared(prepare);
    ring.prepare(request);
    finish(ring);
    return request.result;
  }

  it('are written from and read into, from any offset', () => {
    const fixed = buffers.set(0, memory);
    memory.bytes.fill(0);
    memory.bytes.set(Buffer.from('0123456789'), 1000);
    expect(resultOf((request) => prepareWriteFixed(request, file, fixed, 1002, 5, 4094))).toBe(5);
    expect(resultOf((request) => prepareReadFixed(request, file, fixed, 4095, 3, 4095))).toBe(3);
    expect(text(4094, 4099)).toBe('\u0000345\u0000');
    const range = expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' });
    expect(() => prepareReadFixed(new Probe(), file, fixed, 8190, 3, 0)).toThrow(range);
    fixed.clear();
  });

  it('that have left the table fail with EFAULT, also if the place has another one', () => {
    const stale = buffers.set(1, memory);
    const other = IoBuffer.allocate(8192);
    const current = buffers.set(1, other);
    expect([stale.index, current.index, buffers.get(1)]).toEqual([-1, 1, current]);
    expect(resultOf((request) => prepareReadFixed(request, file, stale, 0, 10, 0))).toBe(-EFAULT);
    const early = prepared((request) => prepareReadFixed(request, file, current, 0, 10, 0));
    buffers.set(1, memory);
    ring.prepare(early);
    finish(ring);
    expect(early.result).toBe(-EFAULT);
    buffers.clear();
    expect(buffers.get(1)).toBe(null);
  });

  it('tell once when the kernel lets go of them', () => {
    const own = new Ring({ sqEntries: 1, cqEntries: 1, bufferTableEntries: 3 });
    const released = [new Probe(), new Probe(), new Probe()] as const;
    for (const [index, onRelease] of released.entries()) own.buffers.set(index, memory, onRelease);
    own.buffers.get(0)?.clear();
    own.buffers.set(1, memory);
    while (own.ready) own.reap(1);
    expect(released.map(({ results }) => results)).toEqual([[0], [0], []]);
    own.close();
    expect(released.map(({ results }) => results)).toEqual([[0], [0], [0]]);
  });

  it('are refused where they cannot be', () => {
    const range = expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' });
    for (const index of [-1, 2, 0.5]) expect(() => buffers.set(index, memory)).toThrow(range);
    expect(ring.inFlight).toBe(0);
  });
});
