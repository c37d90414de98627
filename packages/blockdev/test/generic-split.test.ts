import {
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type BlockIo,
  ExtentList,
  openMem,
  openNull,
} from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { bufferOf, makeIo, read, runSync, start, write } from './support/requests.js';
import { Scripted } from './support/scripted-device.js';

const EIO = 5;
const EINVAL = 22;
const atOnce = (): number => 0;
const counted = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, index) => (index * 7 + 1) % 251));

function vectored(operation: number, parts: readonly IoBuffer[], offset = 0): BlockIo {
  const vector = new IoVector(parts.map((memory) => ({ memory })));
  return Object.assign(makeIo({ operation, buffer: null, offset, lengthBytes: vector.lengthBytes }), { vector });
}

describe('what is longer than the driver takes', () => {
  it('is cut at its limit, and at each boundary', async () => {
    const script = new Scripted({ limits: { maxTransferBytes: 4096, boundaryBytes: 6144 }, answer: atOnce });
    expect(await write(script.device, counted(16384), 1000)).toEqual({ error: 0, transferredBytes: 16384 });
    expect(script.log).toEqual([
      'write 1000+4096',
      'write 5096+1048',
      'write 6144+4096',
      'write 10240+2048',
      'write 12288+4096',
      'write 16384+1000',
    ]);
    expect(Buffer.compare(script.memory.bytes.subarray(1000, 17384), counted(16384))).toBe(0);
  });

  it('has the error of the lowest piece that failed, whichever came first, and counts what was moved before it', async () => {
    const script = new Scripted({ limits: { maxTransferBytes: 512 } });
    const io = makeIo({ operation: BLOCK_WRITE });
    const ended = start(script.device, io);
    const pieces = [...script.started];
    expect(pieces.length).toBe(8);
    script.end(pieces[6], EIO);
    script.end(pieces[2], EINVAL);
    script.end(pieces[4], EIO);
    for (const index of [0, 1, 3, 5, 7]) script.end(pieces[index]);
    expect(await ended).toEqual({ error: EINVAL, transferredBytes: 1024 });
  });

  it('is cut for discards and zeros too, at whole units and at boundaries', async () => {
    const script = new Scripted({
      limits: { blockSizeBytes: 512, boundaryBytes: 8192, maxDiscardBytes: 5000, maxZeroesBytes: 3000 },
      capabilities: { discard: true, zeroes: 'fast' },
      answer: atOnce,
    });
    const range = { buffer: null, offset: 4096, lengthBytes: 8192 };
    expect(await start(script.device, makeIo({ ...range, operation: BLOCK_DISCARD }))).toEqual({
      error: 0,
      transferredBytes: 8192,
    });
    expect(script.log.splice(0)).toEqual(['discard 4096+4096', 'discard 8192+4096']);
    expect(await start(script.device, makeIo({ ...range, operation: BLOCK_WRITE_ZEROES }))).toEqual({
      error: 0,
      transferredBytes: 8192,
    });
    expect(script.log).toEqual([
      'write-zeroes 4096+2560',
      'write-zeroes 6656+1536',
      'write-zeroes 8192+2560',
      'write-zeroes 10752+1536',
    ]);
  });

  it('is refused where the limits leave not even one unit', () => {
    expect(() => new Scripted({ limits: { blockSizeBytes: 512, maxDiscardBytes: 511 } })).toThrow(/maxDiscardBytes/);
    expect(() => new Scripted({ limits: { blockSizeBytes: 512, maxZeroesBytes: 0 } })).toThrow(/maxZeroesBytes/);
  });

  it('takes as many pieces as there are, however few, and no request waits for ever', async () => {
    const script = new Scripted({ limits: { maxTransferBytes: 512, maxInFlight: 1 }, options: { piecesMax: 1 }, answer: atOnce });
    const outcomes = await Promise.all([0, 1, 2, 3].map((index) => write(script.device, counted(4096), index * 4096)));
    expect(outcomes).toEqual(Array.from({ length: 4 }, () => ({ error: 0, transferredBytes: 4096 })));
    expect(script.log.length).toBe(32);
  });
});

describe('memory in parts', () => {
  const open: [string, () => BlockDevice][] = [
    ['mem', () => openMem(8192)],
    ['a driver for one part', () => new Scripted({ answer: atOnce }).device],
  ];
  for (const [name, make] of open) {
    it.each([1, 2, 3])(`of ${name}, %i of them, are all moved`, async (count) => {
      const device = make();
      const parts = Array.from({ length: count }, (_, index) => bufferOf(counted(100 + index)));
      const length = parts.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
      expect(await start(device, vectored(BLOCK_WRITE, parts, 3))).toEqual({ error: 0, transferredBytes: length });
      const whole = IoBuffer.allocate(length);
      expect(await read(device, whole, 3)).toEqual({ error: 0, transferredBytes: length });
      expect(Buffer.compare(whole.bytes, Buffer.concat(parts.map(({ bytes }) => bytes)))).toBe(0);
      const back = parts.map(({ lengthBytes }) => IoBuffer.allocate(lengthBytes));
      expect(runSync(device, vectored(BLOCK_READ, back, 3))).toEqual({ error: 0, transferredBytes: length });
      expect(back.map(({ bytes }) => [...bytes])).toEqual(parts.map(({ bytes }) => [...bytes]));
    });
  }

  it('go to a driver for parts as they are, up to its limit', async () => {
    const script = new Scripted({ limits: { maxSegments: 2 } });
    const [one, two, three] = [bufferOf('a'), bufferOf('bc'), bufferOf('def')] as const;
    const io = vectored(BLOCK_WRITE, [one, two]);
    script.device.strategy(io);
    expect(script.started[0]).toBe(io);
    script.device.strategy(vectored(BLOCK_WRITE, [one, two, three]));
    expect(script.log.slice(1)).toEqual(['write 0+1', 'write 1+2', 'write 3+3']);
  });

  it('that have been transferred away are refused, and are not read', async () => {
    const view = new Uint8Array(64);
    const memory = IoBuffer.over(view, { trusted: true });
    const io = vectored(BLOCK_WRITE, [memory]);
    const { buffer } = view as unknown as { buffer: ArrayBuffer & { transfer?: () => void } };
    for (const take of [() => void structuredClone(buffer, { transfer: [buffer] }), () => buffer.transfer?.()]) {
      try {
        take();
      } catch {
        // Where the mark of untransferable memory is a refusal, as in Node 24, this cannot happen.
      }
    }
    const expected = memory.bytes.length === 64 ? 0 : EINVAL;
    expect((await start(openNull(4096), io)).error).toBe(expected);
  });
});

describe('memory that is not aligned', () => {
  it('is copied on its way down and up, and what lies beside it stays', async () => {
    const script = new Scripted({ limits: { blockSizeBytes: 512, memoryAlignmentBytes: 512 }, answer: atOnce });
    const buffer = IoBuffer.allocate(4096);
    buffer.bytes.set(counted(4096));
    const order = { buffer, bufferOffset: 3, offset: 1024, lengthBytes: 2048 };
    expect((await start(script.device, makeIo({ ...order, operation: BLOCK_WRITE }))).error).toBe(0);
    expect(Buffer.compare(script.memory.bytes.subarray(1024, 3072), counted(4096).subarray(3, 2051))).toBe(0);
    buffer.bytes.fill(255);
    expect(await start(script.device, makeIo(order))).toEqual({ error: 0, transferredBytes: 2048 });
    const expected = Buffer.alloc(4096, 255);
    counted(4096).copy(expected, 3, 3, 2051);
    expect(Buffer.compare(buffer.bytes, expected)).toBe(0);
  });
});

describe('questions for extents', () => {
  it('reach the driver in whole units only; for parts of units everything is data', async () => {
    const script = new Scripted({
      limits: { blockSizeBytes: 1, transferUnitBytes: 512 },
      capabilities: { extents: true },
      answer: atOnce,
    });
    const ask = (offset: number, lengthBytes: number): Promise<unknown> =>
      start(
        script.device,
        Object.assign(makeIo({ operation: BLOCK_EXTENTS, buffer: null, offset, lengthBytes }), { extents: new ExtentList() }),
      );
    await ask(100, 50);
    expect(script.log).toEqual([]);
    await ask(512, 1024);
    expect(script.log).toEqual(['extents 512+1024']);
  });
});
