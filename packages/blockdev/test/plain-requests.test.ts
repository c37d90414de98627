import { inspect } from 'node:util';
import { BLOCK_FUA, BlockIo, type BlockLimits, IO_DONE } from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { seededRandom } from './support/random.js';
import { Scripted } from './support/scripted-device.js';

const SIZE = 65536;
const buffer = IoBuffer.allocate(16384);
const vector = new IoVector([{ memory: buffer, memoryOffset: 0, lengthBytes: 512 }]);

/** What callers pass, and what callers without a compiler pass. */
const NUMBERS: unknown[] = [
  ...[0, -0, 1, 2, 511, 512, 513, 4096, 8192, 16383, 16384, 16385, SIZE - 512, SIZE - 1, SIZE, SIZE + 1],
  ...[-1, -512, 0.5, 512.5, 2 ** 31, 2 ** 32, 2 ** 32 + 512, 2 ** 53 - 1, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY],
  ...['0', '512', null, undefined, true, {}, 0n, 512n, Symbol('512')],
];
/** What mostly is right. */
const USUAL: unknown[] = [0, 512, 1024, 2048];
const BUFFERS: unknown[] = [buffer, buffer, buffer, buffer, buffer, null, undefined, Buffer.alloc(512), {}];
const VECTORS: unknown[] = [null, null, null, null, null, vector, [], undefined];
const OPERATIONS: unknown[] = [0, 0, 0, 0, 1, 1, 1, 1, 9, -1, 0.5, '0', null, Number.NaN, 1n, Symbol('0')];
const FLAGS: unknown[] = [0, 0, 0, 0, 0, BLOCK_FUA, 2, 4, 8, -1, undefined, 1n, Symbol('0')];

const LIMITS: [string, Partial<BlockLimits>][] = [
  ['any byte', {}],
  ['blocks of 512', { blockSizeBytes: 512 }],
  ['aligned memory', { blockSizeBytes: 512, memoryAlignmentBytes: 512 }],
  ['boundaries and short transfers', { maxTransferBytes: 4096, boundaryBytes: 8192 }],
];

/**
 * Most requests take a short way, on which they are checked differently from all others, as from those that a quiesced device has held back. All
 * ways have to come to the same, whatever a request says.
 */
describe.each(LIMITS)('on a device of %s', (name, limits) => {
  it.each([false, true])('requests are the same to all ways of checking, read-only: %s', (readOnly) => {
    const random = seededRandom(`plain requests, ${name}, ${readOnly}`);
    const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;
    const number = (): unknown => pick(random(3) > 0 ? USUAL : NUMBERS);
    const script = { limits, capabilities: { readOnly, fua: 'emulate' as const }, answer: () => 0 };
    const ways = [new Scripted(script), new Scripted(script), new Scripted(script)] as const;
    const [short, long, inThread] = ways;
    let started = 0;
    for (let round = 0; round < 3000; round++) {
      const fields = {
        operation: pick(OPERATIONS),
        flags: pick(FLAGS),
        buffer: pick(BUFFERS),
        vector: pick(VECTORS),
        offset: number(),
        bufferOffset: number(),
        lengthBytes: number(),
      };
      const [plain, held, synchronous] = ways.map(() => Object.assign(new BlockIo(), fields)) as [BlockIo, BlockIo, BlockIo];
      short.device.strategy(plain);
      void long.device.quiesce();
      long.device.strategy(held);
      long.device.resume();
      inThread.device.strategySync(synchronous);
      // What is cut into pieces goes on from their callbacks.
      while (plain.state !== IO_DONE && short.device.poll() > 0);
      while (held.state !== IO_DONE && long.device.poll() > 0);
      const outcome = ({ error, transferredBytes }: BlockIo): unknown => ({ error, transferredBytes });
      const what = inspect(fields, { depth: 0 });
      expect(outcome(plain), what).toEqual(outcome(held));
      expect(outcome(synchronous), what).toEqual(outcome(held));
      const logs = ways.map(({ log }) => log.splice(0));
      expect(logs, what).toEqual([logs[1], logs[1], logs[1]]);
      if (plain.error === 0) started += 1;
    }
    // Else nothing has been compared.
    expect(started).toBeGreaterThan(20);
  });
});
