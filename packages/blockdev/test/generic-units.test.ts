import {
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_FAST_ONLY,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockIo,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { seededRandom } from './support/random.js';
import { bufferOf, makeIo, type Outcome, read, runSync, start, write } from './support/requests.js';
import { Scripted, turn } from './support/scripted-device.js';

const EBUSY = 16;
const EIO = 5;
const EILSEQ = 84;
const ENOTSUP = 95;
const atOnce = (): number => 0;
const done = (transferredBytes: number): Outcome => ({ error: 0, transferredBytes });
const zeroes = (offset: number, lengthBytes: number, flags = 0): BlockIo =>
  Object.assign(makeIo({ operation: BLOCK_WRITE_ZEROES, buffer: null, offset, lengthBytes }), { flags });
const compareAndWrite = (offset: number, compare: string, bytes: string, flags = 0): BlockIo =>
  Object.assign(makeIo({ operation: BLOCK_COMPARE_AND_WRITE, buffer: bufferOf(bytes), offset }), {
    compare: bufferOf(compare),
    flags,
  });

describe('a write below the driver’s unit', () => {
  const units = { limits: { blockSizeBytes: 1, transferUnitBytes: 512 } };

  it('reads the unit, changes it and writes it; whole units in between go straight on', async () => {
    const script = new Scripted({ ...units, answer: atOnce });
    script.memory.bytes.fill(9);
    expect(await write(script.device, Buffer.alloc(1500, 1), 500)).toEqual(done(1500));
    expect(script.log.sort()).toEqual(['read 0+512', 'read 1536+512', 'write 0+512', 'write 1536+512', 'write 512+1024']);
    const expected = Buffer.alloc(65536, 9).fill(1, 500, 2000);
    expect(Buffer.compare(script.memory.bytes, expected)).toBe(0);
  });

  it('waits for another one to the same unit, and neither is lost', async () => {
    const script = new Scripted(units);
    const both = [write(script.device, 'aaaa', 0), write(script.device, 'bbbb', 4)];
    expect(script.log).toEqual(['read 0+512']);
    await script.endAll();
    expect(await Promise.all(both)).toEqual([done(4), done(4)]);
    expect(script.log).toEqual(['read 0+512', 'write 0+512', 'read 0+512', 'write 0+512']);
    expect(Buffer.from(script.memory.bytes.subarray(0, 8)).toString()).toBe('aaaabbbb');
  });

  it('waits for a write of the whole unit that is under way, and keeps one out that comes', async () => {
    const script = new Scripted(units);
    const all = [
      write(script.device, Buffer.alloc(512, 1), 0),
      write(script.device, 'xx', 10),
      write(script.device, Buffer.alloc(512, 2), 0),
    ];
    expect(script.log).toEqual(['write 0+512']);
    await script.endAll();
    expect(await Promise.all(all)).toEqual([done(512), done(2), done(512)]);
    expect(script.log).toEqual(['write 0+512', 'read 0+512', 'write 0+512', 'write 0+512']);
    expect(script.memory.bytes.subarray(0, 512).every((byte) => byte === 2)).toBe(true);
  });

  it('does not keep a write to another unit, or a read, waiting', () => {
    const script = new Scripted(units);
    void write(script.device, 'aaaa', 0);
    void write(script.device, Buffer.alloc(512, 1), 512);
    void read(script.device, IoBuffer.allocate(512), 0);
    expect(script.log).toEqual(['read 0+512', 'write 512+512', 'read 0+512']);
  });

  it('is EBUSY in the synchronous way while an asynchronous one changes its unit', async () => {
    const script = new Scripted(units);
    const first = write(script.device, 'aaaa', 0);
    expect(runSync(script.device, makeIo({ operation: BLOCK_WRITE, buffer: bufferOf('b'), offset: 5 })).error).toBe(EBUSY);
    await script.endAll();
    await first;
    expect(runSync(script.device, makeIo({ operation: BLOCK_WRITE, buffer: bufferOf('b'), offset: 5 }))).toEqual(done(1));
    expect(Buffer.from(script.memory.bytes.subarray(0, 6)).toString()).toBe('aaaa\0b');
  });

  it('ends with the error of its read, and writes nothing', async () => {
    const script = new Scripted({ ...units, answer: (io) => (io.operation === BLOCK_READ ? EIO : 0) });
    expect(await write(script.device, 'aaaa', 0)).toEqual({ error: EIO, transferredBytes: 0 });
    expect(script.log).toEqual(['read 0+512']);
  });

  it('of requests without a callback that waited lets all of them start', async () => {
    const script = new Scripted(units);
    const first = write(script.device, 'aaaa', 0);
    const waiting = ['b', 'c', 'd'].map((byte) =>
      makeIo({
        operation: BLOCK_WRITE,
        buffer: bufferOf(byte.repeat(512)),
        offset: 0,
      }),
    );
    for (const io of waiting) script.device.strategy(io);
    script.end(script.started[0]);
    // From now on the driver ends what it gets inside start().
    script.answer = atOnce;
    script.end(script.started[0]);
    await first;
    await turn();
    expect(waiting.map(({ state, error }) => [state, error])).toEqual([
      [2, 0],
      [2, 0],
      [2, 0],
    ]);
    expect(script.device.inFlight).toBe(0);
    expect(script.memory.bytes[0]).toBe('d'.charCodeAt(0));
  });

  it('agrees with an array, whatever overlaps', async () => {
    const random = seededRandom('partial writes');
    const script = new Scripted({
      limits: { blockSizeBytes: 1, transferUnitBytes: 64, maxTransferBytes: 256, boundaryBytes: 512, sizeBytes: 4096 },
      options: { piecesMax: 3 },
    });
    const model = Buffer.alloc(4096);
    for (let round = 0; round < 300; round++) {
      const running: Promise<Outcome>[] = [];
      // Disjoint in bytes, so that the outcome is certain, and overlapping in units.
      for (let at = random(40); at < 4096; ) {
        const length = Math.min(1 + random(200), 4096 - at);
        const bytes = Buffer.alloc(length, 1 + random(255));
        bytes.copy(model, at);
        running.push(write(script.device, bytes, at));
        at += length + random(100);
      }
      while (script.device.inFlight > 0) {
        await Promise.resolve();
        if (script.started.length > 0) script.end(script.started[random(script.started.length)]);
        else await turn();
      }
      await Promise.all(running);
      expect(Buffer.compare(script.memory.bytes, model)).toBe(0);
    }
  });
});

describe('zeros', () => {
  it('are written where the driver has none, in parts of units too', async () => {
    const script = new Scripted({ limits: { transferUnitBytes: 512 }, answer: atOnce });
    script.memory.bytes.fill(7);
    expect(await start(script.device, zeroes(100, 1000))).toEqual(done(1000));
    expect(Buffer.compare(script.memory.bytes, Buffer.alloc(65536, 7).fill(0, 100, 1100))).toBe(0);
  });

  it('are written if the driver says ENOTSUP, unless they are to be fast', async () => {
    const answer = (io: BlockIo): number => (io.operation === BLOCK_WRITE_ZEROES ? ENOTSUP : 0);
    const script = new Scripted({
      capabilities: { zeroes: 'fast' },
      limits: { maxTransferBytes: 1024, boundaryBytes: 4096 },
      answer,
    });
    script.memory.bytes.fill(7);
    expect(await start(script.device, zeroes(3072, 3072))).toEqual(done(3072));
    expect(Buffer.compare(script.memory.bytes, Buffer.alloc(65536, 7).fill(0, 3072, 6144))).toBe(0);
    expect(script.log.filter((line) => line.startsWith('write '))).toHaveLength(3);
    expect(await start(script.device, zeroes(0, 512, BLOCK_FAST_ONLY))).toEqual({ error: ENOTSUP, transferredBytes: 0 });
  });

  it('that are to be fast are refused for parts of units, which take a read and a write', async () => {
    const script = new Scripted({ capabilities: { zeroes: 'fast' }, limits: { transferUnitBytes: 512 }, answer: atOnce });
    for (const run of [(io: BlockIo) => start(script.device, io), (io: BlockIo) => runSync(script.device, io)]) {
      expect(await run(zeroes(0, 100, BLOCK_FAST_ONLY))).toEqual({ error: ENOTSUP, transferredBytes: 0 });
      expect(await run(zeroes(0, 512, BLOCK_FAST_ONLY))).toEqual(done(512));
    }
    expect(script.log).toEqual(['write-zeroes 0+512 flags 4', 'write-zeroes 0+512 flags 4']);
  });
});

describe('compare and write', () => {
  it('writes what compares, and says where it differs first', async () => {
    const script = new Scripted({ limits: { maxTransferBytes: 4 }, answer: atOnce });
    await write(script.device, 'abcdefghij', 0);
    expect(await start(script.device, compareAndWrite(0, 'abcdefgxiy', '0123456789'))).toEqual({
      error: EILSEQ,
      transferredBytes: 7,
    });
    expect(runSync(script.device, compareAndWrite(0, 'xbcdefghij', '0123456789'))).toEqual({
      error: EILSEQ,
      transferredBytes: 0,
    });
    expect(await start(script.device, compareAndWrite(0, 'abcdefghij', '0123456789'))).toEqual(done(10));
    expect(Buffer.from(script.memory.bytes.subarray(0, 10)).toString()).toBe('0123456789');
  });

  it('of several at once lets exactly one win', async () => {
    const script = new Scripted();
    const all = ['1', '2', '3', '4'].map((byte) => start(script.device, compareAndWrite(0, '\0', byte)));
    await script.endAll();
    expect((await Promise.all(all)).filter(({ error }) => error === 0)).toHaveLength(1);
    expect(Buffer.from(script.memory.bytes.subarray(0, 1)).toString()).toBe('1');
  });

  it('is exclusive also where the driver could do it, but not across this boundary', async () => {
    const script = new Scripted({ capabilities: { compareAndWrite: true }, limits: { boundaryBytes: 4 } });
    const both = ['11', '22'].map((bytes) => start(script.device, compareAndWrite(3, '\0\0', bytes)));
    await script.endAll();
    expect((await Promise.all(both)).map(({ error }) => error).sort()).toEqual([0, EILSEQ]);
  });

  it('that is to be stable is followed by a flush, also where the driver could do it', async () => {
    const script = new Scripted({ capabilities: { compareAndWrite: true }, answer: atOnce });
    expect(await start(script.device, compareAndWrite(0, '\0', 'x', BLOCK_FUA))).toEqual(done(1));
    expect(script.log).toEqual(['read 0+1', 'write 0+1', 'fsync']);
  });
});
