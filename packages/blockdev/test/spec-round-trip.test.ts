import { type DeviceSpec, formatSpec, parseSpec, SpecError } from '@biodone/blockdev';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { registerTestDrivers } from './support/test-drivers.js';

registerTestDrivers();

const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
console.log(`specs: BIODONE_SEED=${seed}`);

const size = fc.oneof(
  fc.nat(),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  fc
    .tuple(fc.integer({ min: 1, max: 4096 }), fc.constantFrom(2 ** 10, 2 ** 20, 2 ** 30, 2 ** 40))
    .map(([count, unit]) => count * unit),
);
const someText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.constantFrom('a b', 'x"y\\', 'a,b', '(', '?=&', 'null', '-1', '64k'),
);
const path = someText.filter((text) => text !== '' && !text.includes('\0'));

/** A record in which any member but the required ones may be missing. */
const spec = (driver: string, required: object, optional: object): fc.Arbitrary<DeviceSpec> =>
  fc
    .tuple(fc.record(required), fc.record(optional, { requiredKeys: [] }))
    .map(([always, sometimes]) => ({ driver, ...always, ...sometimes }) as DeviceSpec);

const { device } = fc.letrec<{ device: DeviceSpec }>((tie) => ({
  device: fc.oneof(
    { depthSize: 'small', maxDepth: 5, withCrossShrink: true },
    spec('null', {}, { sizeBytes: size }),
    spec('mem', { sizeBytes: size.map((bytes) => Math.max(1, bytes)) }, {}),
    spec(
      'file',
      { path },
      {
        readOnly: fc.boolean(),
        create: fc.boolean(),
        sizeBytes: size,
        growable: fc.boolean(),
        direct: fc.boolean(),
        engine: fc.constantFrom('auto', 'uring', 'fs'),
      },
    ),
    spec(
      'test-stripe',
      { devices: fc.array(tie('device'), { minLength: 2, maxLength: 4 }) },
      { stripeBytes: fc.integer({ min: 512, max: 2 ** 30 }) },
    ),
    spec(
      'test-slice',
      { device: tie('device') },
      {
        offsetBytes: size,
        weight: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value)),
        level: fc.integer({ min: -5, max: 5 }),
        mode: fc.constantFrom('fast', 'careful'),
        fail: fc.boolean(),
        label: someText,
        beside: tie('device'),
      },
    ),
    spec(
      'test-mirror',
      { devices: fc.array(fc.option(tie('device')), { minLength: 1, maxLength: 3 }) },
      { ratePerSecond: fc.nat(), bytesPerSecond: size },
    ),
    spec('test-crypt', { device: tie('device') }, { keyFile: path }),
  ),
}));

describe('specs', () => {
  it('are the same after they were a text', () => {
    fc.assert(
      fc.property(device, (original) => {
        expect(parseSpec(formatSpec(original))).toEqual(original);
      }),
      { seed, numRuns: 2000 },
    );
  });

  it('are texts that do not change when they are read and written', () => {
    fc.assert(
      fc.property(device, (original) => {
        const text = formatSpec(original);
        expect(formatSpec(parseSpec(text))).toBe(text);
      }),
      { seed, numRuns: 500 },
    );
  });

  it('that are damaged anywhere are right ones, or SpecErrors with a position in the text', () => {
    fc.assert(
      fc.property(device, fc.nat(), fc.nat(3), fc.string({ maxLength: 3 }), (original, place, removed, added) => {
        const text = formatSpec(original);
        const at = place % (text.length + 1);
        const damaged = text.slice(0, at) + added + text.slice(at + removed);
        try {
          parseSpec(damaged);
        } catch (error) {
          if (!(error instanceof SpecError)) throw error;
          expect(error.position).toBeGreaterThanOrEqual(0);
          expect(error.position).toBeLessThanOrEqual(damaged.length);
        }
      }),
      { seed, numRuns: 3000 },
    );
  });

  it('that are noise are SpecErrors', () => {
    const noise = fc.string({
      unit: fc.constantFrom(...'()",?&=:\\ .a/1k-', 'null', 'mem:', 'test-slice(', 'offset='),
      maxLength: 30,
    });
    fc.assert(
      fc.property(noise, (text) => {
        try {
          parseSpec(text);
        } catch (error) {
          if (!(error instanceof SpecError)) throw error;
        }
      }),
      { seed, numRuns: 3000 },
    );
  });
});
