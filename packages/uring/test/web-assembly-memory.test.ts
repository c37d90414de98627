import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { IoBuffer, WebAssemblyProgram } from '@biodone/uring';
import { describe, expect, it } from 'vitest';

/** A module with one function, `at(place)`: the byte there. */
const AT = [
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f],
  ...[2, 17, 1, 2, 0x69, 0x6f, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 3, 0, 0x80, 0x80, 4],
  ...[3, 2, 1, 0],
  ...[7, 6, 1, 2, 0x61, 0x74, 0, 0],
  ...[10, 9, 1, 7, 0, 0x20, 0, 0x2d, 0, 0, 0x0b],
];

interface At {
  at(place: number): number;
}

let assembled = 0;
const program = new WebAssemblyProgram<At, At>(
  () => {
    assembled += 1;
    return new Uint8Array(AT);
  },
  ({ at }) => ({ at }),
);

describe('IoBuffer.inWebAssembly', () => {
  it('gives zeroed shared memory at an aligned address, which a WebAssembly.Memory has at its beginning', () => {
    for (const lengthBytes of [1, 4096, 100_000]) {
      const buffer = IoBuffer.inWebAssembly(lengthBytes);
      expect([buffer.lengthBytes, buffer.bytes.length, buffer.bytes.byteOffset]).toEqual([lengthBytes, lengthBytes, 0]);
      expect(buffer.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
      expect(buffer.webAssembly?.buffer).toBe(buffer.bytes.buffer);
      expect(buffer.isShared).toBe(true);
      expect(buffer.address).toBeGreaterThan(0);
      expect(buffer.address % 4096).toBe(0);
      expect(buffer.bytes.every((byte) => byte === 0)).toBe(true);
    }
    expect(IoBuffer.allocate(1).webAssembly).toBe(null);
    expect(IoBuffer.over(new Uint8Array(new SharedArrayBuffer(1))).webAssembly).toBe(null);
  });

  it.each([0, -1, 1.5, Number.NaN, 2 ** 53, '4096'])('refuses the length %s', (lengthBytes) => {
    const refused = expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    expect(() => IoBuffer.inWebAssembly(lengthBytes as number)).toThrow(refused);
  });

  it('has memory behind its bytes for what is made of them, which is taken and given back', () => {
    const buffer = IoBuffer.inWebAssembly(5000);
    const scratch = buffer.scratch as NonNullable<typeof buffer.scratch>;
    expect([scratch.begin, scratch.buffer.address - buffer.address]).toEqual([8192, 8192]);
    expect([scratch.take(1), scratch.take(65537), scratch.take(65537), scratch.take(65536)]).toEqual([0, 65536, -1, 196608]);
    expect(scratch.take(1)).toBe(-1);
    scratch.giveBack(65536, 65537);
    expect([scratch.take(65536), scratch.take(65536), scratch.take(1)]).toEqual([65536, 131072, -1]);
    scratch.buffer.bytes.fill(255);
    expect(buffer.bytes.every((byte) => byte === 0)).toBe(true);
  });

  it('is seen by threads, as memory and by their programs', { timeout: 30_000 }, async () => {
    const buffer = IoBuffer.inWebAssembly(4096);
    buffer.bytes[7] = 77;
    const worker = new Worker(new URL('./support/web-assembly-worker.mjs', import.meta.url), {
      workerData: { handle: buffer.handle(), module: new Uint8Array(AT) },
    });
    const [told] = (await once(worker, 'message')) as [object];
    expect(told).toEqual({ id: buffer.id, seen: 77, hasScratch: false });
    expect(buffer.bytes[8]).toBe(88);
    await worker.terminate();
    expect('webAssembly' in IoBuffer.allocate(1).handle()).toBe(false);
  });

  it.each([
    ['Node has no WebAssembly', ['--jitless', '--no-warnings'], 'without'],
    ['the address space is used up', [], 'used-up'],
  ])('is memory as any other where %s', { timeout: 60_000 }, (_, options, kind) => {
    const program = fileURLToPath(new URL('./support/web-assembly-refused.mjs', import.meta.url));
    const { status, stdout } = spawnSync(process.execPath, [...options, program, kind], { encoding: 'utf8', timeout: 50_000 });
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'null null 4096 5 false\n' });
  });
});

describe('a program of WebAssembly', () => {
  it('works on such memory where it is, and is linked with each once', () => {
    const [one, other] = [IoBuffer.inWebAssembly(100), IoBuffer.inWebAssembly(100)];
    one.bytes[3] = 33;
    other.bytes[3] = 44;
    expect([program.on(one)?.at(3), program.on(other)?.at(3)]).toEqual([33, 44]);
    expect(program.on(one)).toBe(program.on(one));
    expect(program.on(one)).not.toBe(program.on(other));
    expect([program.isAvailable, assembled]).toEqual([true, 1]);
    expect(program.on(IoBuffer.allocate(100))).toBe(null);
  });

  it('is nowhere if Node cannot run it, and others are still', () => {
    const broken = new WebAssemblyProgram<object, object>(
      () => new Uint8Array([...AT.slice(0, -2), 0xff, 0x0b]),
      (exports) => exports,
    );
    const buffer = IoBuffer.inWebAssembly(100);
    expect([broken.isAvailable, broken.on(buffer), broken.on(buffer)]).toEqual([false, null, null]);
    expect(program.on(buffer)?.at(0)).toBe(0);
  });
});
