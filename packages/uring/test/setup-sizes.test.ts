import { IoBuffer, prepareRead, Ring, type RingOptions, ThreadRing } from '@biodone/uring';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { invalidValue, outOfRange } from './support/failure.js';
import { seededRandom } from './support/random.js';
import { finish, nop, Pipe, prepared } from './support/requests.js';
import { ringInfo } from './support/ring-info.js';

const SQ_MAX = 32_768;
const CQ_MAX = 65_536;
const buffer = IoBuffer.allocate(16);

describeRing("a ring's sizes", () => {
  it('are the powers of two that the kernel made of them, whatever was asked for', () => {
    const random = seededRandom('setup-sizes');
    const powerOfTwo = (value: number): number => 2 ** (32 - Math.clz32(value - 1));
    for (let count = 0; count < 200; count++) {
      const cqEntries = 1 + random(2 ** (1 + random(16)));
      const sqEntries = 1 + random(Math.min(SQ_MAX, cqEntries));
      const options: RingOptions = { sqEntries, cqEntries, memory: random(2) === 0 ? 'auto' : 'mapped', clamp: random(2) === 0 };
      const ring = new Ring(options);
      expect([ring.sqEntries, ring.cqEntries], JSON.stringify(options)).toEqual([powerOfTwo(sqEntries), powerOfTwo(cqEntries)]);
      expect([ringInfo(ring, 'SqMask') + 1, ringInfo(ring, 'CqMask') + 1]).toEqual([ring.sqEntries, ring.cqEntries]);
      ring.close();
    }
  });

  it.each([1, 2, 3, 8, 100, 1024])('let exactly cqEntries requests be in flight: %i', (cqEntries) => {
    const ring = new Ring({ cqEntries });
    const pipe = new Pipe();
    const read = (): ReturnType<typeof nop> => prepared((request) => prepareRead(request, pipe.input, buffer, 0, 1, -1));
    const reads = Array.from({ length: ring.cqEntries }, read);
    for (const request of reads) expect(ring.prepare(request)).toBe(true);
    ring.submitAll();
    const refused = read();
    expect([ring.prepare(refused), refused.started, ring.inFlight]).toEqual([false, false, ring.cqEntries]);
    expect(ring.wait(1, 0)).toBe('ETIME');
    ring.close();
    expect(reads.every(({ results }) => results.length === 1)).toBe(true);
    expect(refused.results).toEqual([]);
    pipe.close();
  });

  it('are the largest there are where more is asked for', () => {
    for (const [options, sqEntries, cqEntries] of [
      [{ cqEntries: 1e9 }, 256, CQ_MAX],
      [{ sqEntries: SQ_MAX + 1, cqEntries: CQ_MAX }, SQ_MAX, CQ_MAX],
      [{ sqEntries: 2 ** 40, cqEntries: 2 ** 40 }, SQ_MAX, CQ_MAX],
      [{ sqEntries: 1e6, cqEntries: 1e6, memory: 'mapped' }, SQ_MAX, CQ_MAX],
    ] as const) {
      const ring = new Ring(options);
      expect([ring.sqEntries, ring.cqEntries]).toEqual([sqEntries, cqEntries]);
      const request = nop();
      ring.prepare(request);
      finish(ring);
      expect(request.result).toBe(0);
      ring.close();
    }
  });

  it('are refused beyond that where nothing may be clamped, and the largest are not', () => {
    const largest = new Ring({ sqEntries: SQ_MAX, cqEntries: CQ_MAX, clamp: false });
    expect([largest.sqEntries, largest.cqEntries]).toEqual([SQ_MAX, CQ_MAX]);
    largest.close();
    const open = (options: RingOptions) => () => new Ring({ ...options, clamp: false });
    const range = (name: string) => expect.objectContaining({ ...outOfRange, message: expect.stringContaining(`"${name}"`) });
    expect(open({ sqEntries: SQ_MAX + 1, cqEntries: CQ_MAX })).toThrow(range('sqEntries'));
    expect(open({ cqEntries: CQ_MAX + 1 })).toThrow(range('cqEntries'));
  });
});

const refusals: [name: string, error: typeof outOfRange, options: { [name: string]: unknown }][] = [
  ...[0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '4', null].flatMap((value): typeof refusals => [
    ['sqEntries', outOfRange, { sqEntries: value }],
    ['cqEntries', outOfRange, { cqEntries: value, sqEntries: 1 }],
    ['sqPoll.idleMs', outOfRange, { sqPoll: { idleMs: value ?? 0 } }],
  ]),
  ['sqEntries', outOfRange, { sqEntries: 64, cqEntries: 32 }],
  ['sqPoll.idleMs', outOfRange, { sqPoll: { idleMs: 2 ** 31 } }],
  ...[-1, 0.5, Number.NaN, 2 ** 32, 2 ** 32 + 1].map((cpu): (typeof refusals)[0] => [
    'sqPoll.cpu',
    outOfRange,
    { sqPoll: { cpu } },
  ]),
  ...[-1, 0.5, 2 ** 20 + 1].map((count): (typeof refusals)[0] => ['fileTableEntries', outOfRange, { fileTableEntries: count }]),
  ...[-1, 0.5, 2 ** 14 + 1].map((count): (typeof refusals)[0] => [
    'bufferTableEntries',
    outOfRange,
    { bufferTableEntries: count },
  ]),
  ...['', 'defer', 'DEFERRED', null, 0].flatMap((value): typeof refusals => [
    ['taskRun', invalidValue, { taskRun: value }],
    ['memory', invalidValue, { memory: value }],
  ]),
];

describeRing('an option that is no good is refused by its name', () => {
  it.each(refusals)('%s: %o %o', (name, error, options) => {
    const expected = expect.objectContaining({ ...error, message: expect.stringMatching(new RegExp(`["']${name}["']`)) });
    expect(() => new Ring(options as RingOptions)).toThrow(expected);
    expect(() => new ThreadRing(options as RingOptions)).toThrow(expected);
  });
});
