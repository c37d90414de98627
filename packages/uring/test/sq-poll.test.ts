import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ECANCELED,
  IORING_TIMEOUT_ETIME_SUCCESS,
  IOSQE_ASYNC,
  IoBuffer,
  prepareNop,
  prepareRead,
  prepareTimeout,
  RequestChain,
  Ring,
  ThreadRing,
} from '@biodone/uring';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { seededRandom } from './support/random.js';
import { finish, nop, Pipe, Probe, prepared, settle } from './support/requests.js';
import { ringInfo } from './support/ring-info.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { until } from './support/until.js';

const SQPOLL = 1 << 1;
const SQ_AFF = 1 << 2;
const LONG_MS = 1_000_000;

/** The kernel's thread that polls for a ring, by its id; it tells that itself, when it has started. */
function pollerOf(ring: Ring): number {
  const request = nop();
  ring.prepare(request);
  finish(ring);
  expect(request.result).toBe(0);
  return ringInfo(ring, 'SqThread');
}

function isAsleep(thread: number): boolean {
  return /^State:\s+S/m.test(readFileSync(`/proc/self/task/${thread}/status`, 'utf8'));
}

function isThere(thread: number): boolean {
  return readdirSync('/proc/self/task').includes(`${thread}`);
}

describeRing('the polling thread of a ring', () => {
  it('is there on request only', () => {
    const [plain, polled] = [new Ring(), new Ring({ sqPoll: { idleMs: LONG_MS } })];
    expect([plain.setupFlags & SQPOLL, polled.setupFlags & SQPOLL]).toEqual([0, SQPOLL]);
    expect(pollerOf(plain)).toBe(-1);
    expect(isThere(pollerOf(polled))).toBe(true);
    plain.close();
    polled.close();
  });

  it('takes requests without a system call', async () => {
    const ring = new Ring({ sqPoll: { idleMs: LONG_MS }, sqEntries: 8, cqEntries: 8 });
    pollerOf(ring);
    const { calls } = ring.statistics();
    const requests = Array.from({ length: 8 }, () => nop());
    for (const request of requests) ring.prepare(request);
    expect(ring.submit()).toBe(8);
    await until('the completion of all requests', () => ring.reap(8) > 0 && ring.inFlight === 0);
    expect(requests.map(({ results }) => results)).toEqual(requests.map(() => [0]));
    expect(ring.statistics()).toMatchObject({ calls, submitted: 9, delivered: 9 });
    ring.close();
  });

  it('is woken when it has gone to sleep', async () => {
    const ring = new Ring({ sqPoll: { idleMs: 1 } });
    const poller = pollerOf(ring);
    let wakes = 0;
    for (let round = 0; wakes < 5; round++) {
      // It may have fallen asleep a moment ago, and not have said yet that it has to be woken.
      if (round === 1000) throw new Error(`it had to be woken only ${wakes} times`);
      await until('the sleep of the polling thread', () => isAsleep(poller));
      const request = nop();
      ring.prepare(request);
      const { calls } = ring.statistics();
      ring.submit();
      wakes += ring.statistics().calls - calls;
      finish(ring);
      expect(request.results).toEqual([0]);
    }
    ring.close();
  });

  it('is woken by a ThreadRing, with an event loop and without', async () => {
    for (const eventLoop of [true, false]) {
      const ring = new ThreadRing({ sqPoll: { idleMs: 1 }, eventLoop });
      const poller = pollerOf(ring.ring);
      for (let round = 0; round < 5; round++) {
        await until('the sleep of the polling thread', () => isAsleep(poller));
        const request = nop();
        ring.start(request);
        if (eventLoop) await until('the completion of the request', () => ring.inFlight === 0);
        else settle(ring);
        expect(request.results).toEqual([0]);
      }
      await ring.close();
    }
  });

  it('is bound to a CPU, and ends with the ring', async () => {
    const ring = new Ring({ sqPoll: { idleMs: 1, cpu: 0 } });
    const poller = pollerOf(ring);
    expect(ring.setupFlags & SQ_AFF).toBe(SQ_AFF);
    expect(readFileSync(`/proc/self/task/${poller}/status`, 'utf8')).toMatch(/^Cpus_allowed_list:\s+0$/m);
    ring.close();
    await until('the end of the polling thread', () => !isThere(poller));
    const noCpu = expect.objectContaining({ code: 'EINVAL', syscall: 'io_uring_setup' });
    expect(() => new Ring({ sqPoll: { cpu: 1_000_000 } })).toThrow(noCpu);
  });

  it('is shared by rings that are attached to each other, until the last one is closed', async () => {
    const [first, other] = [new Ring({ sqPoll: { idleMs: 1 } }), new Ring()];
    const second = new Ring({ sqPoll: { idleMs: 1 }, attachTo: first });
    const poller = pollerOf(first);
    expect(pollerOf(second)).toBe(poller);
    first.close();
    expect(pollerOf(second)).toBe(poller);
    second.close();
    await until('the end of the polling thread', () => !isThere(poller));
    const noThread = expect.objectContaining({ code: 'EINVAL', syscall: 'io_uring_setup' });
    expect(() => new Ring({ sqPoll: {}, attachTo: other })).toThrow(noThread);
    other.close();
  });
});

describeRing('a ring with a polling thread', () => {
  const folder = temporaryFolder();
  const letters = ['A', 'B', 'C'];
  const paths = letters.map((letter) => join(folder, letter));
  for (const [index, path] of paths.entries()) writeFileSync(path, (letters[index] as string).repeat(512));

  it('has nothing refused for want of room while less than cqEntries are in flight', () => {
    for (const sqEntries of [1, 2, 8]) {
      const ring = new Ring({ sqPoll: { idleMs: 1 }, sqEntries, cqEntries: 512 });
      for (let round = 0; round < 200; round++) {
        const requests = Array.from({ length: 512 }, () => nop());
        expect(requests.filter((request) => !ring.prepare(request)).length).toBe(0);
        expect(ring.prepare(nop())).toBe(false);
        finish(ring);
        expect(requests.every(({ result }) => result === 0)).toBe(true);
      }
      ring.close();
    }
  }, 60_000);

  it('runs a chain that is as long as its submission queue, behind requests that do not complete', async () => {
    for (const eventLoop of [true, false]) {
      const ring = new ThreadRing({ sqPoll: { idleMs: 1 }, sqEntries: 4, cqEntries: 16, eventLoop });
      const pipe = new Pipe();
      const buffer = IoBuffer.allocate(16);
      const reads = [1, 2, 3].map(() => prepared((request) => prepareRead(request, pipe.input, buffer, 0, 1, -1)));
      for (const read of reads) ring.start(read);
      const chain = [nop(), nop(), nop(), nop()];
      ring.startChain(new RequestChain(chain));
      if (eventLoop) await until('the end of the chain', () => ring.inFlight === 3);
      else while (ring.inFlight > 3) expect(ring.wait(30_000)).toBeGreaterThan(0);
      expect(chain.map(({ results }) => results)).toEqual([[0], [0], [0], [0]]);
      await ring.close();
      expect(reads.every(({ results }) => results.length === 1)).toBe(true);
      pipe.close();
    }
  });

  it('reads the file that a bare descriptor was at the start, however soon that is closed', async () => {
    const random = seededRandom('sq-poll');
    const ring = new ThreadRing({ sqPoll: { idleMs: 1 }, sqEntries: 4, cqEntries: 64 });
    const poller = pollerOf(ring.ring);
    const memory = IoBuffer.allocate(16 * 512);
    let reused = 0;
    for (let round = 0; round < 1000; round++) {
      const index = random(letters.length);
      const fd = openSync(paths[index] as string, 'r');
      const reads = Array.from({ length: 1 + random(16) }, (_, place) => {
        const read = prepared((request) => prepareRead(request, fd, memory, place * 512, 512, 0));
        if (random(4) === 0) read.flags |= IOSQE_ASYNC;
        return read;
      });
      memory.bytes.fill(0);
      // Now it polls, now it sleeps.
      if (round % 100 === 0) await until('the sleep of the polling thread', () => isAsleep(poller));
      if (random(2) === 0) ring.startAll(reads);
      else for (const read of reads) ring.start(read);
      closeSync(fd);
      const other = openSync(paths[(index + 1) % letters.length] as string, 'r');
      if (other === fd) reused += 1;
      settle(ring);
      expect(reads.map(({ results }) => results)).toEqual(reads.map(() => [512]));
      const read = Buffer.from(memory.bytes.subarray(0, reads.length * 512)).toString();
      expect(read === (letters[index] as string).repeat(read.length)).toBe(true);
      closeSync(other);
    }
    expect(reused).toBeGreaterThan(500);
    await ring.close();
  }, 60_000);

  it('closes with requests in flight that complete once', async () => {
    for (const sync of [true, false]) {
      const ring = new ThreadRing({ sqPoll: { idleMs: 1 }, sqEntries: 4, cqEntries: 8 });
      const pipe = new Pipe();
      const buffer = IoBuffer.allocate(16);
      const reads = Array.from({ length: 20 }, () => new Probe());
      for (const read of reads) {
        prepareRead(read, pipe.input, buffer, 0, 1, -1);
        ring.start(read);
      }
      if (sync) ring.closeSync(30_000);
      else await ring.close();
      expect(reads.map(({ results }) => results)).toEqual(reads.map(() => [-ECANCELED]));
      pipe.close();
    }
  });

  it('refuses a chain that its thread could cut, if it served others too', () => {
    const ring = new ThreadRing({ sqPoll: {}, eventLoop: false });
    const members = (count: number): Probe[] => Array.from({ length: count }, () => nop());
    expect(() => ring.startChain(new RequestChain(members(9)))).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    const other = new ThreadRing({ sqPoll: {}, attachTo: ring.ring, eventLoop: false });
    for (let round = 0; round < 50; round++) {
      const order: number[] = [];
      const chain = Array.from({ length: 8 }, (_, index) => new Probe(() => order.push(index)));
      for (const [index, member] of chain.entries()) {
        if (index === 0) prepareTimeout(member, 1, 0, IORING_TIMEOUT_ETIME_SUCCESS);
        else prepareNop(member);
      }
      // What goes before it must not make the thread stop inside it.
      for (const request of members(5)) other.start(request);
      other.startChain(new RequestChain(chain));
      while (other.inFlight > 0) other.wait(10_000);
      expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    }
    other.closeSync();
    ring.closeSync();
  });
});
