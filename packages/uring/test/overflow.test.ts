import {
  ECANCELED,
  ETIME,
  IORING_CQE_F_MORE,
  IORING_TIMEOUT_MULTISHOT,
  IoBuffer,
  prepareMessage,
  prepareRead,
  prepareTimeout,
  Ring,
  RingRequest,
  ThreadRing,
} from '@biodone/uring';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { finish, nop, Pipe, prepared } from './support/requests.js';

class Repeated extends RingRequest {
  count = 0;
  last: [result: number, more: boolean] = [0, true];

  override complete(result: number, flags: number): void {
    this.count += 1;
    this.last = [result, (flags & IORING_CQE_F_MORE) !== 0];
  }
}

describeRing('completions beyond the completion queue', () => {
  it.each([1, 2, 4])('are all delivered, from timers that go off many times, in a ring of %i', (cqEntries) => {
    const ring = new Ring({ sqEntries: 1, cqEntries });
    const timers = Array.from({ length: cqEntries }, () => new Repeated());
    for (const timer of timers) {
      prepareTimeout(timer, 1, 20, IORING_TIMEOUT_MULTISHOT);
      ring.prepare(timer);
    }
    ring.submit();
    const started = performance.now();
    // Nobody reaps while the timers go off: the kernel has to keep what they come to.
    while (ring.wait(cqEntries + 1, 50) !== 'ETIME' && performance.now() - started < 50);
    finish(ring);
    // The kernel ends a repeating request whose completion finds no room; that last one is kept.
    expect(timers.map(({ last }) => last)).toEqual(timers.map(() => [-ETIME, false]));
    const completions = timers.reduce((sum, { count }) => sum + count, 0);
    expect(completions).toBeGreaterThan(cqEntries);
    expect(ring.statistics()).toMatchObject({ delivered: completions, inFlight: 0, dropped: 0 });
    expect(ring.statistics().overflows).toBeGreaterThan(0);
    ring.close();
  });

  it.each([1, 2, 4])('are all delivered in order, from messages to a ring of %i', (cqEntries) => {
    const target = new Ring({ sqEntries: 1, cqEntries });
    const source = new Ring({ sqEntries: 64, cqEntries: 64 });
    const heard: [number, number][] = [];
    target.onMessage = (data, result) => heard.push([data, result]);
    const messages = Array.from({ length: 50 }, (_, index) =>
      prepared((request) => prepareMessage(request, target, index, 1 - index)),
    );
    for (const message of messages) source.prepare(message);
    finish(source);
    expect(messages.map(({ result }) => result)).toEqual(messages.map(() => 0));
    expect(target.ready).toBe(true);
    while (target.ready) target.reap(3);
    expect(heard).toEqual(messages.map((_, index) => [index, 1 - index]));
    expect(target.statistics().overflows).toBeGreaterThan(0);
    expect(target.statistics()).toMatchObject({ delivered: 50, dropped: 0 });
    target.close();
    source.close();
  });

  it('do not keep the ring from closing', () => {
    const ring = new Ring({ sqEntries: 1, cqEntries: 1 });
    const timer = new Repeated();
    prepareTimeout(timer, 0.1, 0, IORING_TIMEOUT_MULTISHOT);
    ring.prepare(timer);
    ring.submit();
    ring.wait(2, 5);
    ring.close();
    // It may have ended by itself, for want of room.
    expect([-ECANCELED, -ETIME]).toContain(timer.last[0]);
    expect(timer.last[1]).toBe(false);
  });
});

describeRing('messages', () => {
  it('reach a ring with nothing in flight, by the event loop and by polling', async () => {
    const source = new ThreadRing();
    const target = new ThreadRing();
    const quiet = new ThreadRing({ eventLoop: false });
    const polled: number[] = [];
    quiet.ring.onMessage = (data) => polled.push(data);
    const heard = new Promise<[number, number]>((resolve) => {
      target.ring.onMessage = (data, result) => resolve([data, result]);
    });
    // What a door held open would do: without it the promise alone does not keep the process.
    const alive = setInterval(() => {}, 1000);
    source.start(prepared((request) => prepareMessage(request, target.ring, 0xffff_ffff, -7)));
    for (const data of [1, 2, 3]) source.start(prepared((request) => prepareMessage(request, quiet.ring, data)));
    expect(await heard).toEqual([0xffff_ffff, -7]);
    clearInterval(alive);
    expect(quiet.poll()).toBe(3);
    expect(polled).toEqual([1, 2, 3]);
    for (const ring of [source, target, quiet]) await ring.close();
  });

  it('nobody wants to hear are dropped, and bad ones are refused', () => {
    const ring = new Ring({ sqEntries: 4, cqEntries: 4 });
    const other = new Ring({ sqEntries: 4, cqEntries: 4 });
    ring.prepare(prepared((request) => prepareMessage(request, other, 1)));
    finish(ring);
    expect(other.reap(10)).toBe(1);
    const range = expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' });
    for (const data of [-1, 2 ** 32, 0.5]) expect(() => prepareMessage(nop(), other, data)).toThrow(range);
    for (const result of [2 ** 31, 0.5, Number.NaN]) expect(() => prepareMessage(nop(), other, 0, result)).toThrow(range);
    ring.close();
    other.close();
  });
});

describeRing('the statistics of a ring', () => {
  it('count requests, completions, calls and waits', () => {
    const ring = new Ring({ sqEntries: 4, cqEntries: 8 });
    const zero = {
      submitted: 0,
      delivered: 0,
      inFlight: 0,
      inFlightMax: 0,
      calls: 0,
      waits: 0,
      overflows: 0,
      refusals: 0,
      dropped: 0,
    };
    expect(ring.statistics()).toEqual(zero);
    for (let count = 0; count < 6; count++) ring.prepare(nop());
    // The first four were submitted to make room.
    expect(ring.statistics()).toEqual({ ...zero, submitted: 4, inFlight: 6, inFlightMax: 6, calls: 1 });
    expect(ring.wait(1, 1000)).toBe(null);
    expect(ring.statistics()).toEqual({ ...zero, submitted: 6, inFlight: 6, inFlightMax: 6, calls: 2, waits: 1 });
    ring.reap(2);
    expect(ring.statistics()).toMatchObject({ delivered: 2, inFlight: 4, inFlightMax: 6 });
    ring.reap(10);
    expect(ring.statistics()).toEqual({ ...zero, submitted: 6, delivered: 6, inFlightMax: 6, calls: 2, waits: 1 });
    ring.close();
  });

  it('never show more in flight than the completion queue holds', () => {
    const ring = new ThreadRing({ sqEntries: 2, cqEntries: 4, eventLoop: false });
    const pipe = new Pipe();
    const buffer = IoBuffer.allocate(16);
    for (let count = 0; count < 50; count++)
      ring.start(prepared((request) => prepareRead(request, pipe.input, buffer, 0, 1, -1)));
    ring.poll();
    expect([ring.inFlight, ring.ring.inFlight]).toEqual([50, 4]);
    ring.closeSync();
    expect(ring.ring.statistics()).toMatchObject({ inFlight: 0, inFlightMax: 4, delivered: 50 });
    pipe.close();
  });
});
