import { ECANCELED, IOSQE_ASYNC, IoBuffer, prepareRead, RequestChain, Ring, RingFile, ThreadRing } from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { openKinds } from './support/descriptors.js';
import { finish, nop, Pipe, type Probe, prepared } from './support/requests.js';
import { until } from './support/until.js';
import { refusal, WithheldMemory } from './support/withheld-memory.js';

if (refusal !== null) console.warn(`tests of requests that cannot be stopped are skipped: ${refusal}`);

const LIMIT_MS = 30_000;
const busy = expect.objectContaining({ name: 'SystemError', code: 'EBUSY', syscall: 'close' });

// A read that the kernel has begun and cannot stop: its memory is missing.
describe.skipIf(refusal !== null)('closing with a request that cannot be stopped', () => {
  describeRing('in a ring', () => {
    const file = RingFile.open(process.execPath);
    const pipe = new Pipe();
    const letter = IoBuffer.allocate(1);
    afterAll(async () => {
      await file.close();
      pipe.close();
    });

    function stuckRead(withheld: WithheldMemory): Probe {
      const request = prepared((self) => prepareRead(self, file, withheld.memory, 0, 4096, 0));
      // By a thread of the kernel: this one would be stuck itself.
      request.flags |= IOSQE_ASYNC;
      return request;
    }

    function pipeRead(): Probe {
      return prepared((request) => prepareRead(request, pipe.input, letter, 0, 1, -1));
    }

    it('has closeSync give up with EBUSY, as often as it is called, until it can', async () => {
      for (const eventLoop of [true, false]) {
        const withheld = new WithheldMemory();
        const ring = new ThreadRing({ sqEntries: 4, cqEntries: 4, eventLoop });
        const read = stuckRead(withheld);
        const others = Array.from({ length: 6 }, pipeRead);
        for (const request of [read, ...others]) ring.start(request);
        ring.flush();
        await withheld.stuck();
        for (const timeoutMs of [0, 0.5, 30, 0]) {
          const start = performance.now();
          expect(() => ring.closeSync(timeoutMs)).toThrow(busy);
          expect(performance.now() - start).toBeGreaterThanOrEqual(timeoutMs);
          expect([ring.inFlight, ring.ring.closed]).toEqual([1, false]);
        }
        expect(others.map(({ results }) => results)).toEqual(others.map(() => [-ECANCELED]));
        // It is closing, also between the attempts.
        const late = [nop(), pipeRead(), nop(), nop()] as const;
        ring.start(late[0]);
        ring.start(late[1]);
        ring.startChain(new RequestChain([late[2], late[3]]));
        expect(() => ring.closeSync(0)).toThrow('1 requests are in flight');
        expect(late.map(({ results }) => results)).toEqual(late.map(() => [-ECANCELED]));
        expect(read.results).toEqual([]);
        withheld.provide();
        ring.closeSync(LIMIT_MS);
        // It was not stopped, and so it says what it has come to.
        expect(read.results).toEqual([4096]);
        expect(Buffer.from(withheld.memory.bytes.subarray(1, 4)).toString()).toBe('ELF');
        expect(ring.ring.closed).toBe(true);
        withheld.close();
      }
    });

    it('has Ring.close give up with EBUSY, and the ring goes on', async () => {
      const before = openKinds();
      const withheld = new WithheldMemory();
      const ring = new Ring({ sqEntries: 4, cqEntries: 4 });
      const [read, other] = [stuckRead(withheld), pipeRead()];
      ring.prepare(read);
      ring.prepare(other);
      ring.submit();
      await withheld.stuck();
      for (const timeoutMs of [0, 10]) expect(() => ring.close(timeoutMs)).toThrow(busy);
      expect([other.results, ring.closed, ring.inFlight]).toEqual([[-ECANCELED], false, 1]);
      const next = nop();
      expect(ring.prepare(next)).toBe(true);
      expect(ring.wait(1, LIMIT_MS)).toBe(null);
      ring.reap(1);
      expect(next.results).toEqual([0]);
      withheld.provide();
      finish(ring);
      expect(read.results).toEqual([4096]);
      ring.close(0);
      withheld.close();
      expect(openKinds()).toEqual(before);
    });

    it('has close wait for it by the event loop, also after closeSync has given up', async () => {
      const withheld = new WithheldMemory();
      const ring = new ThreadRing({ sqEntries: 4, cqEntries: 4 });
      const [read, other] = [stuckRead(withheld), pipeRead()];
      ring.start(read);
      ring.start(other);
      ring.flush();
      await withheld.stuck();
      let ends = 0;
      const closing = [ring.close(), ring.close()].map((end) => end.then(() => (ends += 1)));
      await until('the cancel of the other request', () => !other.started);
      expect(() => ring.closeSync(0)).toThrow(busy);
      let turns = 0;
      await until('some turns of the event loop', () => ++turns > 100);
      expect([other.results, read.results, ends, ring.ring.closed]).toEqual([[-ECANCELED], [], 0, false]);
      withheld.provide();
      await Promise.all(closing);
      expect([read.results, ends, ring.ring.closed]).toEqual([[4096], 2, true]);
      withheld.close();
    });
  });
});
