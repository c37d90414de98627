import { spawnSync } from 'node:child_process';
import {
  type FixedBuffer,
  IoBuffer,
  IoVector,
  prepareRead,
  prepareReadFixed,
  prepareReadv,
  prepareReadvFixed,
  prepareWrite,
  prepareWritev,
  prepareWritevFixed,
} from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { outOfRange } from './support/failure.js';
import { Probe } from './support/requests.js';

/** As the library of browsers has it, which is not among this workspace's types. */
declare const WebAssembly: {
  Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer; grow(pages: number): number };
};

/** As ES2024 has it. */
const { transfer } = ArrayBuffer.prototype as { transfer?: (this: ArrayBuffer) => ArrayBuffer };

/** Bytes on an ArrayBuffer, and what takes its memory away. */
interface Detachable {
  readonly bytes: Uint8Array;
  detach(): void;
}

function webAssemblyMemory(): Detachable {
  const memory = new WebAssembly.Memory({ initial: 1 });
  return { bytes: new Uint8Array(memory.buffer), detach: () => memory.grow(1) };
}

function transferable(): Detachable {
  const bytes = new Uint8Array(65_536);
  return { bytes, detach: () => transfer?.call(bytes.buffer) };
}

/** Not every Node transfers what is marked as untransferable, which trusted memory is. */
function transfers(): boolean {
  if (transfer === undefined) return false;
  const { bytes, detach } = transferable();
  IoBuffer.over(bytes, { trusted: true });
  try {
    detach();
  } catch {
    return false;
  }
  return bytes.length === 0;
}

/** Node 24 aborts where a memory grows that is marked so: another process has to find out. */
function grows(): boolean {
  const program = `
    const memory = new WebAssembly.Memory({ initial: 1 });
    require('node:worker_threads').markAsUntransferable(memory.buffer);
    memory.grow(1);`;
  return spawnSync(process.execPath, ['-e', program]).status === 0;
}

const ways = [
  { name: 'the growth of a WebAssembly.Memory', make: webAssemblyMemory, possible: grows() },
  { name: 'transfer()', make: transferable, possible: transfers() },
];
for (const { name, possible } of ways) {
  if (!possible)
    console.warn(`memory that is detached by ${name} is not tried: Node ${process.version} has none, or refuses or aborts`);
}

describe.each(ways)('memory that has been detached by $name', ({ make, possible }) => {
  const shared = IoBuffer.allocate(4096);
  const refused = expect.objectContaining(outOfRange);

  it.skipIf(!possible)('is refused where it is prepared, and not read or written at its old address', () => {
    const { bytes, detach } = make();
    const memory = IoBuffer.over(bytes, { trusted: true });
    const fixed = { memory, index: 0 } as unknown as FixedBuffer;
    const vector = new IoVector([{ memory: shared }, { memory, memoryOffset: 10, lengthBytes: 10 }]);
    const inside = new IoVector([{ memory, lengthBytes: 10 }]);
    const calls: (() => void)[] = [
      () => prepareRead(new Probe(), 0, memory, 0, 10, 0),
      () => prepareWrite(new Probe(), 0, memory, 0, 10, 0),
      () => prepareReadFixed(new Probe(), 0, fixed, 0, 10, 0),
      () => prepareReadv(new Probe(), 0, vector, 0),
      () => prepareWritev(new Probe(), 0, vector, 0),
      () => prepareReadvFixed(new Probe(), 0, fixed, inside, 0),
      () => prepareWritevFixed(new Probe(), 0, fixed, inside, 0),
    ];
    for (const call of calls) call();
    detach();
    for (const call of calls) expect(call).toThrow(refused);
    expect(() => new IoVector([{ memory, lengthBytes: 10 }])).toThrow(refused);
  });

  it.skipIf(!possible)('is refused as a registered buffer too, whose place other memory may have by now', () => {
    const { bytes, detach } = make();
    const whole = IoBuffer.over(bytes, { trusted: true });
    // Claims to be where the other one is.
    const later = { ...IoBuffer.allocate(10), address: whole.address, lengthBytes: 10 };
    const elsewhere = new IoVector([{ memory: Object.setPrototypeOf(later, IoBuffer.prototype) }]);
    const fixed = { memory: whole, index: 0 } as unknown as FixedBuffer;
    prepareReadvFixed(new Probe(), 0, fixed, elsewhere, 0);
    detach();
    expect(() => prepareReadvFixed(new Probe(), 0, fixed, elsewhere, 0)).toThrow(refused);
  });

  it.skipIf(!possible)('leaves the request as it was', () => {
    const { bytes, detach } = make();
    const vector = new IoVector([{ memory: IoBuffer.over(bytes, { trusted: true }) }]);
    const request = new Probe();
    detach();
    expect(() => prepareReadv(request, 0, vector, 0)).toThrow(refused);
    expect([request.opcode, request.address, request.memory]).toEqual([-1, 0, null]);
  });
});
