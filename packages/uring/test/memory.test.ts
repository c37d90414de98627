import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { IoBuffer, prepareRead } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { Probe } from './support/requests.js';

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

describe('IoBuffer.over, unseen', () => {
  it('uses the memory as it is, and lets it be transferred afterwards', () => {
    const bytes = new Uint8Array(100);
    const buffer = IoBuffer.over(bytes.subarray(10), { unseen: true });
    buffer.bytes[0] = 7;
    expect(bytes[10]).toBe(7);
    const moved = structuredClone(bytes, { transfer: [bytes.buffer] });
    expect([moved[10], bytes.length]).toEqual([7, 0]);
  });

  it('refuses what may shrink', () => {
    const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer;
    const view = new Uint8Array(new Resizable(10, { maxByteLength: 100 }));
    expect(() => IoBuffer.over(view, { unseen: true })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
  });
});

describe('IoBuffer.over, trusted', () => {
  it('uses memory that its owner promises not to let go of, where it lies', () => {
    const bytes = Buffer.alloc(100, 7);
    const buffer = IoBuffer.over(bytes.subarray(10, 30), { trusted: true });
    expect([buffer.lengthBytes, buffer.bytes[0], buffer.address > 0]).toEqual([20, 7, true]);
    expect(buffer.address - IoBuffer.over(bytes, { trusted: true }).address).toBe(10);
    buffer.bytes[0] = 9;
    expect(bytes[10]).toBe(9);
  });

  it('stays where it is when somebody wants it transferred: that is refused, or copies it, by the version of Node', () => {
    const bytes = new Uint8Array(64).fill(7);
    const buffer = IoBuffer.over(bytes, { trusted: true });
    const { port1, port2 } = new MessageChannel();
    for (const transfer of [
      () => structuredClone(bytes, { transfer: [bytes.buffer] }),
      () => port1.postMessage(bytes, [bytes.buffer]),
    ]) {
      try {
        transfer();
      } catch (error) {
        expect(error).toMatchObject({ name: 'DataCloneError' });
      }
      expect([buffer.bytes.length, bytes.length, buffer.bytes[63]]).toEqual([64, 64, 7]);
    }
    port1.close();
    port2.close();
  });

  it('is refused for memory that can become shorter', () => {
    const resizable = Reflect.construct(ArrayBuffer, [64, { maxByteLength: 128 }]);
    for (const options of [{}, { trusted: true }, { trusted: false }]) {
      expect(() => IoBuffer.over(new Uint8Array(resizable), options)).toThrow(
        expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
      );
    }
  });

  it('cannot be shared with other threads', () => {
    expect(() => IoBuffer.over(Buffer.alloc(16), { trusted: true }).handle()).toThrow(
      expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
    );
  });
});

/** As ES2024 has it. */
type GrowableMemory = SharedArrayBuffer & { grow(lengthBytes: number): void };

describe('the memory of an IoBuffer', () => {
  it('cannot be transferred or shortened', () => {
    const buffer = IoBuffer.allocate(4096);
    const memory = buffer.bytes.buffer as unknown as ArrayBuffer;
    // A TypeError of Node 20, a DataCloneError of Node 22 and 24.
    expect(() => structuredClone(memory, { transfer: [memory] })).toThrow(/transferList/);
    expect(['transfer', 'transferToFixedLength', 'resize'].filter((method) => method in memory)).toEqual([]);
    expect(buffer.bytes.length).toBe(4096);
  });

  const { transfer } = ArrayBuffer.prototype as { transfer?: (this: ArrayBuffer) => ArrayBuffer };
  if (transfer === undefined) console.warn(`ArrayBuffer.prototype.transfer is not tried: Node ${process.version} has none`);
  it.skipIf(transfer === undefined)('is not taken by the transfer() of array buffers', () => {
    const buffer = IoBuffer.allocate(4096);
    expect(() => transfer?.call(buffer.bytes.buffer as unknown as ArrayBuffer)).toThrow(TypeError);
    expect(buffer.bytes.length).toBe(4096);
  });

  it('keeps its address and its part when shared memory grows', () => {
    const memory = Reflect.construct(SharedArrayBuffer, [4096, { maxByteLength: 2 ** 20 }]) as GrowableMemory;
    // A view without a length follows the growth; the buffer does not.
    const buffer = IoBuffer.over(new Uint8Array(memory));
    const { address } = buffer;
    buffer.bytes[4095] = 7;
    memory.grow(2 ** 20);
    expect([buffer.lengthBytes, IoBuffer.over(new Uint8Array(memory)).address]).toEqual([4096, address]);
    const same = IoBuffer.attach(structuredClone(buffer.handle()));
    expect([same.lengthBytes, same.address, same.bytes[4095]]).toEqual([4096, address, 7]);
    expect(() => prepareRead(new Probe(), 0, buffer, 4096, 1, 0)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });
});

describe('IoBuffer.copy', () => {
  it('copies no byte beyond either of two buffers', () => {
    const [small, large] = [IoBuffer.allocate(8), IoBuffer.allocate(4096)];
    const range = expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' });
    expect(() => IoBuffer.copy(small, 0, large, 0, 9)).toThrow(range);
    expect(() => IoBuffer.copy(large, 0, small, 1, 8)).toThrow(range);
    expect(() => IoBuffer.copy(large, -1, small, 0, 1)).toThrow(range);
    expect(() => IoBuffer.copy(large, 0, small, 0, Number.NaN)).toThrow(range);
  });

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
