import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';

describe('IoBuffer.allocate', () => {
  it('gives zeroed shared memory at an aligned address', () => {
    for (const alignmentBytes of [1, 2, 512, 4096, 65536, 2 ** 20]) {
      for (const lengthBytes of [1, 511, 4096, 100_000]) {
        const buffer = IoBuffer.allocate(lengthBytes, alignmentBytes);
        expect(buffer.lengthBytes).toBe(lengthBytes);
        expect(buffer.bytes.length).toBe(lengthBytes);
        expect(buffer.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
        expect(buffer.address).toBeGreaterThan(0);
        expect(buffer.address % alignmentBytes).toBe(0);
        expect(buffer.bytes.every((byte) => byte === 0)).toBe(true);
      }
    }
  });

  it('is aligned for O_DIRECT if nothing is said', () => {
    for (let round = 0; round < 64; round++) expect(IoBuffer.allocate(512).address % 4096).toBe(0);
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '4096', undefined])(
    'refuses the length %s',
    (lengthBytes) => {
      expect(() => IoBuffer.allocate(lengthBytes as number)).toThrow(
        expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }),
      );
    },
  );

  it.each([0, -4096, 3, 4095, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses the alignment %s', (alignmentBytes) => {
    expect(() => IoBuffer.allocate(4096, alignmentBytes)).toThrow(
      expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }),
    );
  });

  it('says so where there is not so much memory', () => {
    expect(() => IoBuffer.allocate(2 ** 52)).toThrow(RangeError);
  });
});

describe('IoBuffer.over', () => {
  it('uses the memory of a view as it is', () => {
    const memory = new SharedArrayBuffer(100);
    const whole = IoBuffer.over(new Uint8Array(memory));
    const part = IoBuffer.over(new Uint8Array(memory, 10, 20));
    expect(part.lengthBytes).toBe(20);
    expect(part.address).toBe(whole.address + 10);
    part.bytes[0] = 7;
    expect(whole.bytes[10]).toBe(7);
  });

  it('refuses memory that somebody could detach', () => {
    const invalid = expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    expect(() => IoBuffer.over(new Uint8Array(16))).toThrow(invalid);
    expect(() => IoBuffer.over(Buffer.alloc(16))).toThrow(invalid);
  });
});

describe('IoBuffer.copy', () => {
  it('copies between buffers, and within one that overlaps', () => {
    const source = IoBuffer.allocate(16);
    source.bytes.set([1, 2, 3, 4, 5, 6, 7, 8]);
    const target = IoBuffer.allocate(16);
    IoBuffer.copy(target, 4, source, 2, 3);
    expect([...target.bytes.subarray(3, 8)]).toEqual([0, 3, 4, 5, 0]);
    IoBuffer.copy(source, 2, source, 0, 6);
    expect([...source.bytes.subarray(0, 9)]).toEqual([1, 2, 1, 2, 3, 4, 5, 6, 0]);
    IoBuffer.copy(target, 16, source, 16, 0);
  });
});

describe('IoBuffer.attach', () => {
  it('is the same memory at the same address, in a worker', async () => {
    const buffer = IoBuffer.allocate(4096);
    buffer.bytes.set([1, 2, 3], 100);
    const worker = new Worker(new URL('./support/memory-worker.mjs', import.meta.url), {
      workerData: buffer.handle(),
    });
    const [seen] = (await once(worker, 'message')) as [{ [name: string]: unknown }];
    expect(seen).toEqual({
      id: buffer.id,
      address: buffer.address,
      lengthBytes: 4096,
      bytes: [1, 2, 3],
      ownId: expect.any(Number),
    });
    expect(buffer.bytes[0]).toBe(42);
    // A thread that has buffers of two threads must not take one for the other.
    const mine = Array.from({ length: 10 }, () => IoBuffer.allocate(1).id);
    expect(new Set([...mine, buffer.id, seen['ownId']]).size).toBe(12);
    expect(Math.floor((seen['ownId'] as number) / 2 ** 32)).not.toBe(Math.floor(buffer.id / 2 ** 32));
  });
});
