import {
  ECANCELED,
  EINVAL,
  ENOENT,
  ETIME,
  IORING_CQE_F_MORE,
  IORING_TIMEOUT_ABS,
  IORING_TIMEOUT_BOOTTIME,
  IORING_TIMEOUT_ETIME_SUCCESS,
  IORING_TIMEOUT_MULTISHOT,
  IORING_TIMEOUT_REALTIME,
  IoBuffer,
  prepareLinkTimeout,
  prepareRead,
  prepareTimeout,
  prepareTimeoutRemove,
  prepareTimeoutUpdate,
  RequestChain,
  RingRequest,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { nop, Pipe, prepared, settle } from './support/requests.js';

/** A request that completes more than once. */
class Repeated extends RingRequest {
  readonly completions: [result: number, more: boolean][] = [];

  override complete(result: number, flags: number): void {
    this.completions.push([result, (flags & IORING_CQE_F_MORE) !== 0]);
  }
}

const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;
const LONG_MS = 1_000_000;

describeRing('a timer', () => {
  const ring = new ThreadRing({ eventLoop: false });
  const buffer = IoBuffer.allocate(64);
  afterAll(() => ring.closeSync());

  it('goes off after its time, and not before', () => {
    for (const timeoutMs of [0, 0.3, 12.5]) {
      const before = monotonicMs();
      const timer = prepared((request) => prepareTimeout(request, timeoutMs));
      ring.start(timer);
      settle(ring);
      expect(timer.result).toBe(-ETIME);
      expect(monotonicMs() - before).toBeGreaterThanOrEqual(timeoutMs);
    }
  });

  it.each([
    ['CLOCK_MONOTONIC', 0, monotonicMs],
    ['CLOCK_REALTIME', IORING_TIMEOUT_REALTIME, Date.now],
  ] as const)('goes off at a point of %s', (_, clock, now) => {
    const pointMs = now() + 10;
    const timer = prepared((request) => prepareTimeout(request, pointMs, 0, IORING_TIMEOUT_ABS | clock));
    ring.start(timer);
    settle(ring);
    expect(timer.result).toBe(-ETIME);
    expect(now()).toBeGreaterThanOrEqual(pointMs);
    const past = prepared((request) => prepareTimeout(request, now() - 10_000, 0, IORING_TIMEOUT_ABS | clock));
    ring.start(past);
    settle(ring);
    expect(past.result).toBe(-ETIME);
  });

  it('runs by the clock that goes on while the machine sleeps', () => {
    const timer = prepared((request) => prepareTimeout(request, 1, 0, IORING_TIMEOUT_BOOTTIME));
    ring.start(timer);
    settle(ring);
    expect(timer.result).toBe(-ETIME);
  });

  it('ends early after as many other completions as it was told', () => {
    const timer = prepared((request) => prepareTimeout(request, LONG_MS, 3));
    ring.start(timer);
    for (let count = 1; count <= 3; count++) {
      expect(timer.results).toEqual([]);
      ring.start(nop());
      expect(ring.wait(10_000)).toBeGreaterThan(0);
    }
    settle(ring);
    expect(timer.result).toBe(0);
  });

  it('goes off several times, as often as it was told', () => {
    const timer = new Repeated();
    prepareTimeout(timer, 1, 4, IORING_TIMEOUT_MULTISHOT);
    ring.start(timer);
    settle(ring);
    expect(timer.completions).toEqual([
      [-ETIME, true],
      [-ETIME, true],
      [-ETIME, true],
      [-ETIME, false],
    ]);
  });

  it('goes off again and again until it is cancelled', () => {
    const timer = new Repeated();
    prepareTimeout(timer, 1, 0, IORING_TIMEOUT_MULTISHOT);
    ring.start(timer);
    while (timer.completions.length < 5) expect(ring.wait(10_000)).toBeGreaterThan(0);
    expect(ring.inFlight).toBe(1);
    // A cancel that comes just when the timer goes off finds none: it is armed again afterwards.
    while (ring.inFlight > 0) {
      ring.cancel(timer);
      ring.wait(10_000);
    }
    expect(timer.completions.at(-1)).toEqual([-ECANCELED, false]);
    expect(timer.completions.slice(0, -1).every(([result, more]) => result === -ETIME && more)).toBe(true);
  });

  it('can be given another time', () => {
    const timer = prepared((request) => prepareTimeout(request, LONG_MS));
    ring.start(timer);
    ring.flush();
    const update = prepared((request) => prepareTimeoutUpdate(request, timer, 3));
    ring.start(update);
    settle(ring);
    expect([timer.result, update.result]).toEqual([-ETIME, 0]);
    const late = prepared((request) => prepareTimeoutUpdate(request, timer, 3));
    ring.start(late);
    settle(ring);
    expect(late.result).toBe(-ENOENT);
  });

  it('can be given another point of the clock', () => {
    const timer = prepared((request) => prepareTimeout(request, LONG_MS));
    ring.start(timer);
    ring.flush();
    const update = prepared((request) => prepareTimeoutUpdate(request, timer, monotonicMs(), IORING_TIMEOUT_ABS));
    ring.start(update);
    settle(ring);
    expect([timer.result, update.result]).toEqual([-ETIME, 0]);
  });

  it('can be given another time as the limit of a chain', () => {
    const pipe = new Pipe();
    const read = prepared((request) => prepareRead(request, pipe.input, buffer, 0, 1, -1));
    const limit = prepared((request) => prepareLinkTimeout(request, LONG_MS));
    ring.startChain(new RequestChain([read, limit]));
    ring.flush();
    const update = prepared((request) => prepareTimeoutUpdate(request, limit, 3));
    ring.start(update);
    settle(ring);
    expect([read.result, limit.result, update.result]).toEqual([-ECANCELED, -ETIME, 0]);
    pipe.close();
  });

  it('can be removed, once', () => {
    const timer = prepared((request) => prepareTimeout(request, LONG_MS));
    ring.start(timer);
    ring.flush();
    const [remove, again] = [1, 2].map(() => prepared((request) => prepareTimeoutRemove(request, timer)));
    ring.start(remove as RingRequest);
    ring.start(again as RingRequest);
    settle(ring);
    expect([timer.result, remove?.result, again?.result]).toEqual([-ECANCELED, 0, -ENOENT]);
  });

  it('that has not been started is not found', () => {
    const idle = prepared((request) => prepareTimeout(request, LONG_MS));
    const remove = prepared((request) => prepareTimeoutRemove(request, idle));
    ring.start(remove);
    settle(ring);
    expect(remove.result).toBe(-ENOENT);
  });

  it('breaks a chain, or does not, as it is told', () => {
    const chainOf = (flags: number): (number | undefined)[] => {
      const members = [prepared((request) => prepareTimeout(request, 1, 0, flags)), nop()];
      ring.startChain(new RequestChain(members));
      settle(ring);
      return members.map(({ result }) => result);
    };
    expect(chainOf(0)).toEqual([-ETIME, -ECANCELED]);
    expect(chainOf(IORING_TIMEOUT_ETIME_SUCCESS)).toEqual([-ETIME, 0]);
  });

  it.each([
    [0, 0n, 0n],
    [0.000_001, 0n, 1n],
    [1500.25, 1n, 500_250_000n],
    [999.999_999_9, 0n, 999_999_999n],
    [2 ** 32 * 1000 + 1, 2n ** 32n, 1_000_000n],
    [Number.MAX_SAFE_INTEGER, 9_007_199_254_740n, 991_000_000n],
  ])('gives the kernel seconds and nanoseconds: %s ms', (timeoutMs, seconds, nanoseconds) => {
    const request = nop();
    // What was there before is not a part of it.
    prepareTimeout(request, Number.MAX_SAFE_INTEGER);
    prepareTimeout(request, timeoutMs);
    const bytes = Buffer.from(request.argument?.bytes.subarray(0, 16) as Uint8Array);
    expect([bytes.readBigInt64LE(0), bytes.readBigInt64LE(8)]).toEqual([seconds, nanoseconds]);
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('refuses the time %s', (timeoutMs) => {
    const range = expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    const request = nop();
    expect(() => prepareTimeout(request, timeoutMs)).toThrow(range);
    expect(() => prepareLinkTimeout(request, timeoutMs)).toThrow(range);
    expect(() => prepareTimeoutUpdate(request, nop(), timeoutMs)).toThrow(range);
  });

  it.each([-1, 1.5, 2 ** 32, Number.NaN])('refuses the count %s', (count) => {
    const range = expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    expect(() => prepareTimeout(nop(), 1, count)).toThrow(range);
  });

  it('fails with flags that contradict each other', () => {
    const timer = prepared((request) =>
      prepareTimeout(request, 1, 0, IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME | IORING_TIMEOUT_ABS),
    );
    ring.start(timer);
    settle(ring);
    expect(timer.result).toBe(-EINVAL);
  });
});
