import { readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
  EFAULT,
  type FixedBuffer,
  IoBuffer,
  IoVector,
  prepareReadvFixed,
  prepareWritevFixed,
  probe,
  RingFile,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { failure, outOfRange } from './support/failure.js';
import { Pipe, Probe, prepared, settle } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { operations, reason, kernel } = probe();
const known = operations.has('readv_fixed') && operations.has('writev_fixed');
if (!known) console.warn(`vectors in registered buffers are not tested: ${reason ?? `Linux ${kernel} has no readv_fixed`}`);

const memory = IoBuffer.allocate(16_384);

describe.skipIf(!known)('vectors in a registered buffer', () => {
  const path = join(temporaryFolder(), 'file');
  const content = Buffer.from(Array.from({ length: 10_000 }, (_, index) => (index * 7) % 251));
  writeFileSync(path, content);
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16, bufferTableEntries: 2 });
  const file = RingFile.open(path, 'r+');
  const readOnly = RingFile.open(path, 'r');
  const writeOnly = RingFile.open(path, 'a');
  afterAll(async () => {
    await ring.close();
    for (const one of [file, readOnly, writeOnly]) await one.close();
  });

  it('are scattered and gathered in the order of their parts, and nothing beside them', async () => {
    const fixed = ring.buffers.set(1, memory);
    const vector = new IoVector([
      { memory, memoryOffset: 4090, lengthBytes: 10 },
      // Another IoBuffer on the same memory is the same memory.
      { memory: IoBuffer.over(memory.bytes.subarray(16_374)) },
      { memory, memoryOffset: 0, lengthBytes: 5 },
    ]);
    memory.bytes.fill(255);
    expect(await ring.run((request) => prepareReadvFixed(request, file, fixed, vector, 1000))).toBe(25);
    const { bytes } = memory;
    const parts = [bytes.subarray(4090, 4100), bytes.subarray(16_374), bytes.subarray(0, 5)];
    expect(Buffer.concat(parts)).toEqual(content.subarray(1000, 1025));
    const beside = [bytes.subarray(5, 4090), bytes.subarray(4100, 16_374)];
    expect(beside.every((part) => part.every((byte) => byte === 255))).toBe(true);
    expect(await ring.run((request) => prepareWritevFixed(request, file, fixed, vector, 2000))).toBe(25);
    content.copy(content, 2000, 1000, 1025);
    expect(readFileSync(path)).toEqual(content);
    fixed.clear();
  });

  it('fail with the error of the system call, the operation and the path', async () => {
    const fixed = ring.buffers.set(0, memory);
    const vector = new IoVector([{ memory, lengthBytes: 10 }]);
    const empty = new IoVector([
      { memory, lengthBytes: 10 },
      { memory, lengthBytes: 0 },
    ]);
    for (const [prepare, wanted] of [
      [(request: Probe) => prepareReadvFixed(request, writeOnly, fixed, vector, 0), failure('EBADF', 'readv_fixed', path)],
      [(request: Probe) => prepareWritevFixed(request, readOnly, fixed, vector, 0), failure('EBADF', 'writev_fixed', path)],
      [(request: Probe) => prepareReadvFixed(request, file, fixed, empty, 0), failure('EFAULT', 'readv_fixed', path)],
    ] as const) {
      await expect(ring.run(prepare as never)).rejects.toEqual(wanted);
    }
    fixed.clear();
    // Another buffer at its place is not taken for it.
    const other = ring.buffers.set(0, IoBuffer.allocate(16_384));
    for (const prepare of [prepareReadvFixed, prepareWritevFixed]) {
      const request = prepared((one) => prepare(one, file, fixed, vector, 0));
      ring.start(request);
      settle(ring);
      expect(request.result).toBe(-EFAULT);
    }
    other.clear();
    expect(readFileSync(path)).toEqual(content);
  });

  it('hold the vector and the buffer until they have completed', async () => {
    const pipe = new Pipe();
    const gone: WeakRef<object>[] = [];
    let seen = '';
    // In a function of its own, so that nothing stays on the stack.
    const start = (): void => {
      const own = IoBuffer.allocate(4096);
      const fixed = ring.buffers.set(0, own);
      const alias = IoBuffer.over(own.bytes.subarray(100, 200));
      const vector = new IoVector([
        { memory: alias, lengthBytes: 1 },
        { memory: alias, memoryOffset: 1 },
      ]);
      const request = new Probe((count) => {
        seen = Buffer.from(alias.bytes.subarray(0, count)).toString();
      });
      prepareReadvFixed(request, pipe.input, fixed, vector, -1);
      expect([request.memory, request.fixedBuffer, request.bufferIndex]).toEqual([vector, fixed, 0]);
      ring.start(request);
      ring.flush();
      fixed.clear();
      for (const one of [own, fixed, vector]) gone.push(new WeakRef(one));
    };
    start();
    for (let round = 0; round < 5; round++) {
      await new Promise(setImmediate);
      globalThis.gc?.();
    }
    // The IoBuffer itself is held by the registered one.
    expect(gone.map((one) => one.deref() === undefined)).toEqual([false, false, false]);
    writeSync(pipe.writeEnd, 'held');
    settle(ring);
    expect(seen).toBe('held');
    pipe.close();
  });
});

describe('a vector that is not within the registered buffer', () => {
  const fixed = { memory, index: 0 } as unknown as FixedBuffer;
  const part = { memory, memoryOffset: 1, lengthBytes: 10 };
  const around = new SharedArrayBuffer(300);
  const middle = IoBuffer.over(new Uint8Array(around, 100, 100));

  it('is refused at once, with the number of the part', () => {
    const refused = expect.objectContaining({ ...outOfRange, message: expect.stringContaining('"segments[1]"') });
    const vector = new IoVector([part, { memory: IoBuffer.allocate(16_384) }]);
    for (const prepare of [prepareReadvFixed, prepareWritevFixed]) {
      const request = new Probe();
      expect(() => prepare(request, 0, fixed, vector, 0)).toThrow(refused);
      expect([request.opcode, request.memory]).toEqual([-1, null]);
      // Where it was found to be in one buffer, it is not in another for that.
      const inside = new IoVector([part]);
      prepare(request, 0, fixed, inside, 0);
      const other = { memory: middle, index: 0 } as unknown as FixedBuffer;
      expect(() => prepare(request, 0, other, inside, 0)).toThrow(expect.objectContaining(outOfRange));
    }
  });

  it.each([
    [99, 10],
    [191, 10],
    [0, 300],
    [200, 1],
  ])('is refused on the same memory, before it or beyond it: offset %s, length %s', (start, lengthBytes) => {
    const whole = IoBuffer.over(new Uint8Array(around));
    const buffer = { memory: middle, index: 0 } as unknown as FixedBuffer;
    const inside = { memory: whole, memoryOffset: 100, lengthBytes: 100 };
    const vector = new IoVector([inside, { memory: whole, memoryOffset: start, lengthBytes }]);
    const refused = expect.objectContaining({ ...outOfRange, message: expect.stringContaining('"segments[1]"') });
    expect(() => prepareReadvFixed(new Probe(), 0, buffer, vector, 0)).toThrow(refused);
    prepareReadvFixed(new Probe(), 0, buffer, new IoVector([inside]), 0);
  });

  it('as little as what is no registered buffer', () => {
    const vector = new IoVector([part]);
    const wrong = expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    expect(() => prepareReadvFixed(new Probe(), 0, memory as never, vector, 0)).toThrow(wrong);
    expect(() => prepareReadvFixed(new Probe(), 0, fixed, vector, -2)).toThrow(expect.objectContaining(outOfRange));
  });
});
