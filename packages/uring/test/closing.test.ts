import { writeSync } from 'node:fs';
import { ECANCELED, IOSQE_ASYNC, IOSQE_IO_DRAIN, IoBuffer, prepareRead, RequestChain, Ring, ThreadRing } from '@biodone/uring';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { expectOneEach, file, fileRead, KINDS, LIMIT_MS, pipe, pipeRead, type Started, WAYS } from './support/closing.js';
import { openKinds } from './support/descriptors.js';
import { seededRandom } from './support/random.js';
import { nop, Pipe, Probe, prepared } from './support/requests.js';
import { until } from './support/until.js';

const buffer = IoBuffer.allocate(16);

describeRing.each(WAYS)('ThreadRing.%s', (name, close) => {
  it('completes every request once, with its result or ECANCELED, whatever is in flight', async () => {
    const random = seededRandom(`closing by ${name}`);
    for (let round = 0; round < 200; round++) {
      // Without an event loop the others are closeSync without a limit.
      const eventLoop = name !== 'closeSync' || random(3) > 0;
      // Mostly with less room than is needed.
      const ring = new ThreadRing({ sqEntries: 4, cqEntries: 2 ** (2 + random(6)), eventLoop });
      const started: Started[] = [];
      for (let count = random(60); count > 0; count--) {
        started.push(...(KINDS[random(KINDS.length)] as (typeof KINDS)[0])(ring));
        if (random(20) === 0) ring.flush();
        if (random(20) === 0) ring.poll();
      }
      if (random(3) === 0) await undefined;
      await close(ring);
      expect([ring.inFlight, ring.ring.closed]).toEqual([0, true]);
      expectOneEach(started);
    }
  }, 60_000);

  it.each(KINDS.map((start, index) => [index, start] as const))(
    'completes every request once: kind %i alone, in a full ring',
    async (_, start) => {
      const ring = new ThreadRing({ sqEntries: 4, cqEntries: 4 });
      const started = Array.from({ length: 20 }, () => start(ring)).flat();
      ring.flush();
      await close(ring);
      expect([ring.inFlight, ring.ring.closed]).toEqual([0, true]);
      expectOneEach(started);
    },
  );

  it('cancels a request also where one of the threads of the kernel is just at it', async () => {
    const random = seededRandom(`closing by ${name}, with threads of the kernel`);
    for (let round = 0; round < 500; round++) {
      const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16, eventLoop: name !== 'closeSync' || random(4) === 0 });
      // Those that drain give the threads the next ones when they are cancelled, which is when the next cancel comes.
      const reads = Array.from({ length: 8 }, () => pipeRead(random(2) === 0 ? IOSQE_ASYNC : IOSQE_ASYNC | IOSQE_IO_DRAIN));
      for (const read of reads) ring.start(read);
      ring.flush();
      await close(ring);
      expect(reads.map(({ results }) => results)).toEqual(reads.map(() => [-ECANCELED]));
    }
  }, 120_000);

  it('cancels what completions start meanwhile', async () => {
    const ring = new ThreadRing({ sqEntries: 4, cqEntries: 8 });
    const bare = prepared((request) => prepareRead(request, pipe.readEnd, buffer, 0, 1, -1));
    const members = [nop(), nop(), nop()];
    const later = [nop(), pipeRead(), bare, nop(), fileRead(), ...members];
    const read = new Probe(() => {
      ring.start(later[0] as Probe);
      ring.startAll(later.slice(1, 5));
      ring.startChain(new RequestChain(members));
    });
    prepareRead(read, pipe.input, buffer, 0, 1, -1);
    ring.start(read);
    ring.flush();
    await close(ring);
    expect([read, ...later].map(({ results }) => results)).toEqual([read, ...later].map(() => [-ECANCELED]));
  });

  it('ends also where completions start requests ever again, until one does not', async () => {
    const ring = new ThreadRing({ sqEntries: 2, cqEntries: 2 });
    let left = 5000;
    const read = new Probe(() => {
      left -= 1;
      if (left > 0) ring.start(read);
    });
    prepareRead(read, pipe.input, buffer, 0, 1, -1);
    ring.start(read);
    ring.flush();
    await close(ring);
    expect(read.results).toEqual(Array.from({ length: 5000 }, () => -ECANCELED));
  });

  it('leaves a ring that takes nothing, and can be closed again', async () => {
    const ring = new ThreadRing();
    await close(ring);
    const closed = expect.objectContaining({ name: 'SystemError', code: 'EBADF' });
    const request = nop();
    expect(() => ring.start(request)).toThrow(closed);
    expect(() => ring.start(prepared((self) => prepareRead(self, pipe.readEnd, buffer, 0, 1, -1)))).toThrow(closed);
    expect(() => ring.startAll([request])).toThrow(closed);
    expect(() => ring.startChain(new RequestChain([nop(), nop()]))).toThrow(closed);
    expect([request.started, pipe.input.references, ring.inFlight]).toEqual([false, 0, 0]);
    ring.cancel(request);
    ring.flush();
    expect(ring.poll()).toBe(0);
    expect(() => ring.wait(LIMIT_MS)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    await close(ring);
    for (const [, again] of WAYS) await again(ring);
  });

  it('gives all descriptors back', async () => {
    const before = openKinds();
    const rings = Array.from(
      { length: 10 },
      (_, index) => new ThreadRing({ eventLoop: name !== 'closeSync' || index % 2 === 0, fileTableEntries: 2 }),
    );
    for (const ring of rings) {
      ring.ring.files.set(1, file);
      for (const start of KINDS) start(ring);
      ring.start(prepared((request) => prepareRead(request, pipe.readEnd, buffer, 0, 1, -1)));
    }
    expect(openKinds().length).toBeGreaterThanOrEqual(before.length + 15);
    for (const ring of rings) await close(ring);
    // The event loop closes its own in a later turn.
    await until('the end of all descriptors', () => openKinds().length <= before.length);
    expect(openKinds()).toEqual(before);
    expect([pipe.input.references, file.references]).toEqual([0, 0]);
  });
});

describeRing('ThreadRing.close', () => {
  it('calls nobody back before it returns, unless the ring has no event loop', async () => {
    for (const eventLoop of [true, false]) {
      const ring = new ThreadRing({ eventLoop });
      const read = pipeRead();
      ring.start(read);
      const closed = ring.close();
      expect([read.results, ring.ring.closed]).toEqual(eventLoop ? [[], false] : [[-ECANCELED], true]);
      await closed;
      expect([read.results, ring.ring.closed]).toEqual([[-ECANCELED], true]);
    }
  });

  it('has one end, however often and by whom it is called', async () => {
    const ring = new ThreadRing({ sqEntries: 2, cqEntries: 2 });
    const ends: string[] = [];
    const reads = Array.from({ length: 10 }, () => pipeRead());
    for (const read of reads) ring.start(read);
    const closing = ['first', 'second', 'third'].map(async (name) => {
      await ring.close();
      expect([ring.inFlight, ring.ring.closed]).toEqual([0, true]);
      ends.push(name);
    });
    const late = nop();
    ring.start(late);
    ring.closeSync(LIMIT_MS);
    expect([ends, late.results]).toEqual([[], [-ECANCELED]]);
    expect(reads.map(({ results }) => results)).toEqual(reads.map(() => [-ECANCELED]));
    await Promise.all(closing);
    expect(ends).toEqual(['first', 'second', 'third']);
  });

  it('may be called by completions, also the blocking one', async () => {
    for (const [, close] of WAYS) {
      const ring = new ThreadRing({ sqEntries: 4, cqEntries: 8 });
      const others = Array.from({ length: 20 }, () => pipeRead());
      const ends: (Promise<void> | void)[] = [];
      ring.start(nop(() => ends.push(close(ring))));
      for (const read of others) ring.start(read);
      await until('the end of the ring', () => ring.ring.closed);
      await Promise.all(ends);
      expect(others.map(({ results }) => results)).toEqual(others.map(() => [-ECANCELED]));
    }
  });

  it('delivers what has completed before it with its real result', async () => {
    for (const [, close] of WAYS) {
      const ring = new ThreadRing({ eventLoop: false });
      const [own, read] = [new Pipe(), new Probe()];
      writeSync(own.writeEnd, 'data');
      prepareRead(read, own.input, buffer, 0, 4, -1);
      ring.start(read);
      ring.flush();
      await close(ring);
      expect(read.results).toEqual([4]);
      own.close();
    }
  });
});

describeRing('Ring.close', () => {
  it('hands the exception of a completion on, and can be called again for the others', () => {
    const ring = new Ring({ sqEntries: 4, cqEntries: 16 });
    const requests = Array.from({ length: 12 }, (_, index) =>
      prepared(
        (request) => prepareRead(request, pipe.input, buffer, 0, 1, -1),
        () => {
          if (index % 4 === 0) throw new Error('of a completion');
        },
      ),
    );
    for (const request of requests) ring.prepare(request);
    for (let count = 0; count < 3; count++) {
      expect(() => ring.close(LIMIT_MS)).toThrow('of a completion');
      expect(ring.closed).toBe(false);
    }
    ring.close(LIMIT_MS);
    expect(requests.map(({ results }) => results)).toEqual(requests.map(() => [-ECANCELED]));
    expect(ring.closed).toBe(true);
  });

  it('comes to its end whatever the last notices throw', () => {
    const ring = new ThreadRing({ eventLoop: false, bufferTableEntries: 2 });
    const released: string[] = [];
    const errors: unknown[] = [];
    const [uncaught, rest] = [process.listeners('uncaughtException'), (error: unknown): number => errors.push(error)];
    process.removeAllListeners('uncaughtException').on('uncaughtException', rest);
    for (const index of [0, 1]) {
      const onRelease = new Probe(() => {
        released.push(`${index}`);
        throw new Error(`released ${index}`);
      });
      ring.buffers.set(index, IoBuffer.allocate(4096), onRelease);
    }
    ring.closeSync();
    expect([[...released].sort(), ring.ring.closed]).toEqual([['0', '1'], true]);
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      process.removeAllListeners('uncaughtException');
      for (const listener of uncaught) process.on('uncaughtException', listener);
      expect(errors.map((error) => (error as Error).message).sort()).toEqual(['released 0', 'released 1']);
    });
  });
});
