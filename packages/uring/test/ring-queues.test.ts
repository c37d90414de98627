import { writeSync } from 'node:fs';
import { IoBuffer, prepareRead, Ring } from '@biodone/uring';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { seededRandom } from './support/random.js';
import { finish, nop, Pipe, Probe } from './support/requests.js';

describeRing("Ring's queues", () => {
  it('take no more requests than the completion queue has room for', () => {
    const ring = new Ring({ sqEntries: 4, cqEntries: 8 });
    const requests = Array.from({ length: 8 }, () => nop());
    for (const request of requests) expect(ring.prepare(request)).toBe(true);
    const refused = nop();
    expect(ring.prepare(refused)).toBe(false);
    expect(ring.inFlight).toBe(8);
    finish(ring);
    expect(requests.map(({ results }) => results)).toEqual(requests.map(() => [0]));
    expect(ring.prepare(refused)).toBe(true);
    finish(ring);
    expect(refused.results).toEqual([0]);
    ring.close();
  });

  it('submit by themselves when the submission queue is full', () => {
    const ring = new Ring({ sqEntries: 4, cqEntries: 64 });
    for (let count = 1; count <= 10; count++) {
      ring.prepare(nop());
      expect(ring.queued).toBe(((count - 1) % 4) + 1);
      expect(ring.inFlight).toBe(count);
    }
    // The first eight are with the kernel, and done: two submissions of four.
    expect(ring.reap(100)).toBe(8);
    expect(ring.submit()).toBe(2);
    expect(ring.submit()).toBe(0);
    expect(ring.reap(100)).toBe(2);
    ring.close();
  });

  it('reap as many as they are told, in the order of completion', () => {
    const ring = new Ring({ sqEntries: 8, cqEntries: 8 });
    const order: number[] = [];
    for (let index = 0; index < 6; index++) ring.prepare(nop(() => order.push(index)));
    ring.submit();
    expect(ring.ready).toBe(true);
    expect(ring.reap(0)).toBe(0);
    expect(ring.reap(2)).toBe(2);
    expect(ring.inFlight).toBe(4);
    expect(ring.reap(100)).toBe(4);
    expect(ring.ready).toBe(false);
    expect(order).toEqual([0, 1, 2, 3, 4, 5]);
    ring.close();
  });

  it('go round many thousands of times, and every request completes once', () => {
    const random = seededRandom('ring-queues');
    const ring = new Ring({ sqEntries: 8, cqEntries: 16 });
    const before = ring.delivered;
    let started = 0;
    let completed = 0;
    const requests = Array.from({ length: 16 }, () => nop(() => completed++));
    const free = [...requests];
    while (started < 100_000) {
      for (let count = random(17); count > 0 && free.length > 0; count--) {
        const request = free.pop() as Probe;
        request.results.length = 0;
        if (ring.prepare(request)) started += 1;
      }
      if (random(2) === 0) ring.submit();
      ring.reap(random(17));
      for (const request of requests) if (request.result === 0 && !free.includes(request)) free.push(request);
      expect(ring.inFlight).toBe(started - completed);
    }
    finish(ring);
    expect(completed).toBe(started);
    expect((ring.delivered - before) | 0).toBe(started);
    ring.close();
  });

  it('lose nothing and repeat nothing when completions throw', () => {
    const ring = new Ring({ sqEntries: 16, cqEntries: 16 });
    const requests = Array.from({ length: 10 }, (_, index) =>
      nop(() => {
        if (index === 0 || index === 4 || index === 9) throw new Error(`completion ${index}`);
      }),
    );
    for (const request of requests) ring.prepare(request);
    ring.submit();
    expect(() => ring.reap(100)).toThrow('completion 0');
    expect(() => ring.reap(100)).toThrow('completion 4');
    expect(requests.map(({ results }) => results.length)).toEqual([1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
    expect(() => ring.reap(100)).toThrow('completion 9');
    expect(ring.reap(100)).toBe(0);
    expect(requests.map(({ results }) => results)).toEqual(requests.map(() => [0]));
    ring.close();
  });

  it('let a completion reap the others, and prepare more', () => {
    const ring = new Ring({ sqEntries: 8, cqEntries: 8 });
    const order: string[] = [];
    const again = nop(() => order.push('again'));
    ring.prepare(
      nop(() => {
        order.push('first');
        // A whole queue goes through in here, so the outer reap finds its entries overwritten.
        ring.prepare(again);
        expect(ring.submit()).toBe(1);
        expect(ring.reap(100)).toBe(8);
      }),
    );
    for (let index = 1; index < 8; index++) ring.prepare(nop(() => order.push(`${index}`)));
    ring.submit();
    expect(ring.reap(100)).toBe(1);
    expect(order).toEqual(['first', '1', '2', '3', '4', '5', '6', '7', 'again']);
    expect(ring.inFlight).toBe(0);
    ring.close();
  });

  it('can be closed by the last completion', () => {
    const ring = new Ring({ sqEntries: 2, cqEntries: 2 });
    ring.prepare(nop());
    ring.prepare(nop(() => ring.close()));
    ring.submit();
    expect(ring.reap(100)).toBe(2);
    expect(ring.ready).toBe(false);
    expect(ring.reap(100)).toBe(0);
  });
});

describeRing("Ring's waits", () => {
  it('end with a completion, or at the deadline, also if they submit', () => {
    const ring = new Ring({ sqEntries: 4, cqEntries: 4 });
    const pipe = new Pipe();
    const buffer = IoBuffer.allocate(16);
    expect(ring.wait(1, 0)).toBe('ETIME');
    const request = new Probe();
    prepareRead(request, pipe.readEnd, buffer, 0, 16, -1);
    ring.prepare(request);
    const start = performance.now();
    expect(ring.wait(1, 20.5)).toBe('ETIME');
    expect(performance.now() - start).toBeGreaterThanOrEqual(20);
    expect(ring.queued).toBe(0);
    writeSync(pipe.writeEnd, 'data');
    expect(ring.wait(1, Number.POSITIVE_INFINITY)).toBe(null);
    // One is there, so the end of the time for two is no failure.
    expect(ring.wait(2, 1)).toBe(null);
    expect(ring.reap(1)).toBe(1);
    expect(request.results).toEqual([4]);
    // No limit was the limit of the wait before last, and of that one alone.
    expect(ring.wait(1, 1)).toBe('ETIME');
    ring.close();
    pipe.close();
  });
});

describeRing('a ring that is closed', () => {
  it('stays closed, and touches no descriptor that has its number now', () => {
    const ring = new Ring({ sqEntries: 2, cqEntries: 4 });
    ring.prepare(nop());
    finish(ring);
    const { fd } = ring;
    ring.close();
    ring.close();
    const next = new Ring({ sqEntries: 2, cqEntries: 4 });
    expect([ring.fd, next.fd]).toEqual([-1, fd]);
    const closed = expect.objectContaining({ code: 'EBADF' });
    expect(() => ring.prepare(nop())).toThrow(closed);
    expect(() => ring.wait(1, 0)).toThrow(closed);
    expect(() => ring.registerEventFd(0)).toThrow(closed);
    expect(ring.submit()).toBe(0);
    expect(ring.reap(10)).toBe(0);
    expect([ring.ready, ring.inFlight, ring.queued]).toEqual([false, 0, 0]);
    next.close();
  });
});

describeRing("Ring's options", () => {
  it('are rounded up by the kernel, and fit each other', () => {
    for (const [options, sqEntries, cqEntries] of [
      [{}, 256, 4096],
      [{ cqEntries: 10 }, 16, 16],
      [{ sqEntries: 3, cqEntries: 5 }, 4, 8],
      [{ sqEntries: 1, cqEntries: 1 }, 1, 1],
    ] as const) {
      const ring = new Ring(options);
      expect([ring.sqEntries, ring.cqEntries]).toEqual([sqEntries, cqEntries]);
      ring.close();
    }
  });

  it.each([
    { sqEntries: 0 },
    { sqEntries: -1 },
    { sqEntries: 1.5 },
    { cqEntries: 0 },
    { cqEntries: Number.NaN },
    { sqEntries: 64, cqEntries: 32 },
  ])('are refused: %o', (options) => {
    expect(() => new Ring(options)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });
});
