import { MpscRing, type SharedRing, SpscRing } from '@biodone/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answersOf, errorOf, newMpscRing, newSpscRing, startWorker } from './helpers.js';

describe.each([
  ['SpscRing', SpscRing, newSpscRing],
  ['MpscRing', MpscRing, newMpscRing],
] as const)('%s', (_name, Ring, make) => {
  it('takes what fits, and gives it back in order', () => {
    const ring = make(8, 4);
    const records = Int32Array.from({ length: 20 }, (_, index) => index);
    expect(ring.push(records, 10)).toBe(4);
    expect(ring.push(records, 1)).toBe(0);
    expect(ring.length()).toBe(4);
    const target = new Int32Array(20);
    expect(ring.pop(target, 3, 2)).toBe(3);
    expect(Array.from(target.subarray(4, 10))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(ring.push(records, 2, 4)).toBe(2);
    expect(ring.pop(target, 10)).toBe(3);
    expect(Array.from(target.subarray(0, 6))).toEqual([6, 7, 8, 9, 10, 11]);
    expect(ring.pop(target, 10)).toBe(0);
    expect(ring.push(records, 0)).toBe(0);
    expect(ring.pop(target, 0)).toBe(0);
  });

  it('behaves as an array does', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 3 }),
        fc.array(fc.tuple(fc.boolean(), fc.nat(10)), { maxLength: 60 }),
        (recordWords, capacityBits, operations) => {
          const ring = make(recordWords * 4, 2 ** capacityBits);
          const model: number[] = [];
          let next = 0;
          const buffer = new Int32Array(10 * recordWords);
          for (const [push, count] of operations) {
            if (push) {
              buffer.forEach((_, index) => {
                buffer[index] = next + index;
              });
              const moved = ring.push(buffer, count);
              expect(moved).toBe(Math.min(count, ring.capacity - model.length / recordWords));
              model.push(...buffer.subarray(0, moved * recordWords));
              next += moved * recordWords;
            } else {
              const moved = ring.pop(buffer, count);
              expect(moved).toBe(Math.min(count, model.length / recordWords));
              expect(Array.from(buffer.subarray(0, moved * recordWords))).toEqual(model.splice(0, moved * recordWords));
            }
            expect(ring.length()).toBe(model.length / recordWords);
          }
        },
      ),
    );
  });

  it('counts on when its counters wrap', () => {
    const ring = make(4, 2);
    const words = new Int32Array(ring.serialize().memory);
    // As after 2^31 - 1 records; the marks of an MpscRing follow from the position.
    words[16] = -2;
    words[32] = 2 ** 31 - 1;
    const target = new Int32Array(2);
    for (let round = 0; round < 5; round++) {
      expect(ring.push(Int32Array.of(round, round + 100), 2)).toBe(2);
      expect(ring.push(Int32Array.of(9))).toBe(0);
      expect(ring.pop(target, 2)).toBe(2);
      expect(Array.from(target)).toEqual([round, round + 100]);
      expect(ring.isDrained()).toBe(false);
    }
    ring.close();
    expect(ring.isDrained()).toBe(true);
  });

  it('can be drained after it was closed, but not filled', async () => {
    const ring = make();
    ring.push(Int32Array.of(1, 2), 2);
    expect(ring.isClosed()).toBe(false);
    ring.close();
    ring.close();
    expect(ring.isClosed()).toBe(true);
    expect(ring.isDrained()).toBe(false);
    expect(errorOf(() => ring.push(Int32Array.of(3)))).toMatchObject({ code: 'EPIPE', syscall: 'ring_push' });
    const target = new Int32Array(4);
    expect(ring.waitForRecords()).toBe(true);
    expect(ring.pop(target, 4)).toBe(2);
    expect(ring.isDrained()).toBe(true);
    expect(ring.pop(target, 4)).toBe(0);
    expect(ring.waitForRecords()).toBe(true);
    expect(ring.waitForSpace(4)).toBe(true);
    await ring.waitForRecordsAsync();
    await ring.waitForSpaceAsync(4);
  });

  it('ends waits when it is closed', async () => {
    const ring = make();
    const waiting = ring.waitForRecordsAsync();
    ring.push(Int32Array.of(1, 2, 3, 4), 4);
    await waiting;
    const blocked = ring.waitForSpaceAsync();
    ring.close();
    await blocked;
    expect(ring.waitForSpace()).toBe(true);
  });

  it('waits with a deadline', () => {
    const ring = make();
    expect(ring.waitForRecords(2)).toBe(false);
    ring.push(Int32Array.of(1, 2, 3), 3);
    expect(ring.waitForSpace(1, 2)).toBe(true);
    expect(ring.waitForSpace(2, 2)).toBe(false);
  });

  it('tells shapes, places and times that are none', () => {
    const shapes = [
      { recordBytes: 0, capacity: 4 },
      { recordBytes: 6, capacity: 4 },
      { recordBytes: 4, capacity: 3 },
      { recordBytes: 4, capacity: 0 },
      { recordBytes: 4, capacity: Number.NaN },
      { recordBytes: 4, capacity: 2 ** 31 },
      // Shapes of rings of 2^31 bytes and more, with the head.
      { recordBytes: 2 ** 31, capacity: 1 },
      { recordBytes: 16, capacity: 2 ** 27 },
      { recordBytes: 2 ** 20, capacity: 2 ** 30 },
    ];
    for (const shape of shapes) {
      expect(errorOf(() => Ring.bytes(shape))).toMatchObject({ code: 'EINVAL', syscall: 'ring_init' });
      expect(errorOf(() => Ring.initialize(new SharedArrayBuffer(4096), 0, shape)).code).toBe('EINVAL');
    }
    expect(Ring.bytes({ recordBytes: 16, capacity: 2 ** 26 })).toBeLessThan(2 ** 31);
    const ring = make(8, 4);
    const records = new Int32Array(4);
    expect(errorOf(() => ring.push(records, 3))).toMatchObject({ code: 'EINVAL', syscall: 'ring_push' });
    expect(errorOf(() => ring.push(records, 1, 2)).code).toBe('EINVAL');
    expect(errorOf(() => ring.pop(records, -1))).toMatchObject({ code: 'EINVAL', syscall: 'ring_pop' });
    expect(errorOf(() => ring.pop(records, 0.5)).code).toBe('EINVAL');
    expect(errorOf(() => ring.waitForSpace(5)).code).toBe('EINVAL');
    expect(errorOf(() => ring.waitForSpace(1, -1)).code).toBe('EINVAL');
    expect(errorOf(() => ring.waitForRecords(Number.NaN)).code).toBe('EINVAL');
  });

  it('moves records between threads, each once and in order', async () => {
    const shape = { recordBytes: 12, capacity: 64 };
    const producers = Ring === SpscRing ? 1 : 3;
    const memory = new SharedArrayBuffer(Ring.bytes(shape));
    const ring: SharedRing & Pick<SpscRing, 'pop'> = Ring.initialize(memory, 0, shape);
    const records = 60_000;
    const scripts = Array.from({ length: producers }, (_, number) => ({
      ring: ring.serialize(),
      number,
      records,
      way: number === 0 ? 'waitForSpace' : 'waitForSpaceAsync',
    }));
    const answers = answersOf<number>('ring-producer', scripts).then(() => ring.close());
    const last = new Array<number>(producers).fill(-1);
    const target = new Int32Array(3 * 16);
    while (!ring.isDrained()) {
      const moved = ring.pop(target, 16);
      for (let index = 0; index < moved; index++) {
        const [producer, sequence, check] = target.subarray(3 * index, 3 * index + 3) as unknown as [number, number, number];
        if (sequence !== (last[producer] as number) + 1 || check !== producer * 1_000_000 + sequence) {
          throw new Error(`record ${producer} ${sequence} ${check} after ${last[producer]}`);
        }
        last[producer] = sequence;
      }
      if (moved === 0) await ring.waitForRecordsAsync();
    }
    await answers;
    expect(last).toEqual(new Array(producers).fill(records - 1));
  }, 60_000);

  it('keeps what was pushed when another thread closes it', async () => {
    for (let round = 0; round < 20; round++) {
      const shape = { recordBytes: 12, capacity: 16 };
      const memory = new SharedArrayBuffer(Ring.bytes(shape));
      const ring: SharedRing & Pick<SpscRing, 'pop'> = Ring.initialize(memory, 0, shape);
      const worker = startWorker('ring-producer', { ring: ring.serialize(), number: 0, records: 1e9, way: 'waitForSpace' });
      const pushed = new Promise<number>((resolve) => worker.once('message', resolve));
      const target = new Int32Array(3 * 16);
      let popped = 0;
      while (popped < 50 + round) {
        await ring.waitForRecordsAsync();
        popped += ring.pop(target, 16);
      }
      ring.close();
      while (!ring.isDrained()) {
        ring.waitForRecords();
        popped += ring.pop(target, 16);
      }
      expect(popped).toBe(await pushed);
    }
  }, 60_000);
});

describe('SpscRing', () => {
  it('tells a second producer that collides with the first', () => {
    const ring = newSpscRing();
    const words = new Int32Array(ring.serialize().memory);
    const rival = Object.create(Int32Array.prototype) as Int32Array;
    // A source whose reading makes another producer push: the collision without a second thread.
    Object.defineProperty(rival, 'length', { value: 1 });
    Object.defineProperty(rival, 0, {
      get() {
        words[16] = (words[16] as number) + 2;
        return 7;
      },
    });
    expect(errorOf(() => ring.push(rival))).toMatchObject({ code: 'EBUSY', syscall: 'ring_push' });
  });
});
