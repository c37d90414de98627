import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  IORING_TIMEOUT_MULTISHOT,
  IoBuffer,
  prepareNop,
  preparePollAdd,
  prepareRead,
  prepareReadFixed,
  prepareStatx,
  prepareTimeout,
  prepareWrite,
  RequestChain,
  RingFile,
  readStatx,
  ThreadRing,
  threadRing,
  wakeRing,
} from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { invalidValue, outOfRange } from './support/failure.js';
import { Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const invalidType = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const invalidState = { name: 'Error', code: 'ERR_INVALID_STATE' };

function thrown(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error;
  }
}

describeRing('wrong use', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  writeFileSync(path, 'content');
  const memory = IoBuffer.allocate(4096);
  const ring = new ThreadRing({ fileTableEntries: 1, bufferTableEntries: 1 });
  afterAll(() => ring.close());

  it('of a registered file or buffer on another ring reaches no file at all', async () => {
    const other = new ThreadRing({ fileTableEntries: 1, bufferTableEntries: 1 });
    const otherPath = join(folder, 'other');
    writeFileSync(otherPath, '');
    const [file, otherFile] = [RingFile.open(path, 'r+'), RingFile.open(otherPath, 'r+')];
    const fixed = ring.files.set(0, file);
    const fixedBuffer = ring.buffers.set(0, memory);
    other.files.set(0, otherFile);
    other.buffers.set(0, memory);
    for (const prepare of [
      (request: Probe) => prepareWrite(request, fixed, memory, 0, 8, 0),
      (request: Probe) => prepareReadFixed(request, otherFile, fixedBuffer, 0, 8, 0),
    ]) {
      await expect(other.run(prepare as never)).rejects.toMatchObject(invalidValue);
      const members = [new Probe(), new Probe()] as const;
      prepareNop(members[0]);
      prepare(members[1]);
      expect(thrown(() => other.startChain(new RequestChain(members)))).toMatchObject(invalidValue);
      expect(thrown(() => other.ring.prepare(members[1]))).toMatchObject(invalidValue);
    }
    expect(readFileSync(otherPath).length).toBe(0);
    await other.close();
    await Promise.all([file.close(), otherFile.close()]);
  });

  it('of what is no file and no memory is refused with its name', () => {
    for (const fd of [Number.NaN, 1.5, 2 ** 32 + 1, 2 ** 40]) {
      expect(thrown(() => prepareRead(new Probe(), fd, memory, 0, 1, 0))).toMatchObject(outOfRange);
    }
    for (const file of ['3', {}, null, undefined]) {
      const error = thrown(() => prepareRead(new Probe(), file as never, memory, 0, 1, 0));
      expect(error).toMatchObject({ ...invalidType, message: expect.stringContaining('RingFile') });
    }
    for (const wrong of [Buffer.alloc(8), null, undefined]) {
      const error = thrown(() => prepareRead(new Probe(), 0, wrong as never, 0, 1, 0));
      expect(error).toMatchObject({ ...invalidType, message: expect.stringContaining('IoBuffer.allocate()') });
    }
    const fd = openSync(path, 'r');
    closeSync(fd);
    for (const number of [fd, -1, 1.5, 2 ** 40]) {
      expect(thrown(() => RingFile.adopt(number, {}))).toMatchObject({ code: 'EBADF', syscall: 'adopt' });
      expect(thrown(() => RingFile.borrow(number))).toMatchObject({ code: 'EBADF', syscall: 'borrow' });
    }
    for (const eventFd of [fd, -1, Number.NaN]) expect(thrown(() => wakeRing(eventFd))).toMatchObject({ code: 'EBADF' });
    const plain = new ThreadRing();
    expect(thrown(() => plain.files.set(0, RingFile.borrow(0)))).toMatchObject({
      ...outOfRange,
      message: expect.stringContaining('fileTableEntries'),
    });
    expect(thrown(() => plain.buffers.set(0, memory))).toMatchObject({ message: expect.stringContaining('bufferTableEntries') });
    plain.closeSync();
  });

  it('of memory without bytes is refused, as of memory that has lost them', () => {
    expect(thrown(() => IoBuffer.over(new Uint8Array(0), { trusted: true }))).toMatchObject(outOfRange);
    const bytes = new Uint8Array(64);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    expect(thrown(() => IoBuffer.over(bytes, { trusted: true }))).toMatchObject(outOfRange);
  });

  it('of a request that nobody has prepared is refused, and runs nothing', async () => {
    expect(thrown(() => ring.start(new Probe()))).toMatchObject(invalidState);
    expect(thrown(() => ring.startAll([new Probe()]))).toMatchObject(invalidState);
    expect(thrown(() => ring.startChain(new RequestChain([new Probe(), new Probe()])))).toMatchObject(invalidState);
    await expect(ring.run(() => {})).rejects.toMatchObject(invalidState);
    const late = async (request: Probe): Promise<void> => {
      await null;
      prepareNop(request);
    };
    await expect(ring.run(late as never)).rejects.toMatchObject(invalidState);
    expect(ring.inFlight).toBe(0);
  });

  it('of a promise for many completions is refused', async () => {
    const timer = (request: Probe): void => prepareTimeout(request, 1, 0, IORING_TIMEOUT_MULTISHOT);
    const poll = (request: Probe): void => preparePollAdd(request, 0, 1, { multishot: true });
    for (const prepare of [timer, poll]) await expect(ring.run(prepare as never)).rejects.toMatchObject(invalidValue);
    expect(ring.inFlight).toBe(0);
  });

  it('of counts and times to wait for is refused', () => {
    for (const count of [0, -1, 1.5, Number.NaN]) expect(thrown(() => ring.submitAndWait(count))).toMatchObject(outOfRange);
    for (const timeoutMs of [-1, Number.NaN]) {
      expect(thrown(() => ring.submitAndWait(1, timeoutMs))).toMatchObject(outOfRange);
      expect(thrown(() => ring.wait(timeoutMs))).toMatchObject(outOfRange);
      expect(thrown(() => ring.closeSync(timeoutMs))).toMatchObject(outOfRange);
      expect(thrown(() => ring.ring.wait(1, timeoutMs))).toMatchObject(outOfRange);
    }
  });

  it('of an answer of statx that there is not throws', async () => {
    const request = new Probe();
    expect(thrown(() => readStatx(request))).toMatchObject(invalidState);
    prepareStatx(request, join(folder, 'missing'));
    ring.start(request);
    ring.wait(1000);
    expect(request.results).toEqual([-2]);
    expect(thrown(() => readStatx(request))).toMatchObject(invalidState);
  });

  it("of the bare ring's close() ends the ThreadRing too, and nothing is lost", async () => {
    const short = new ThreadRing({ sqEntries: 2, cqEntries: 2 });
    const requests = Array.from({ length: 5 }, () => new Probe());
    for (const request of requests) {
      prepareTimeout(request, 60_000);
      short.start(request);
    }
    short.ring.close();
    await short.close();
    expect(requests.map(({ results }) => results)).toEqual(requests.map(() => [-125]));
  });

  it('of the ring of the thread, closing it, is mended by the next call', async () => {
    const first = threadRing();
    await first.close();
    expect(await threadRing().run(prepareNop)).toBe(0);
    expect(threadRing()).not.toBe(first);
  });
});
