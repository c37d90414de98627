import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readlinkSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { IoBuffer, prepareNop, prepareRead, ThreadRing, threadRing } from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { answerOf } from './support/answer.js';
import { describeRing } from './support/available.js';
import { seededRandom } from './support/random.js';
import { Pipe, Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

function nop(then?: (result: number) => void): Probe {
  const request = new Probe(then);
  prepareNop(request);
  return request;
}

describeRing('ThreadRing', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  writeFileSync(path, Buffer.alloc(65_536, 'abcdefgh'));
  const fd = openSync(path, 'r');
  const buffer = IoBuffer.allocate(65_536);
  readSync(fd, buffer.bytes);
  afterAll(() => closeSync(fd));

  it('delivers a batch in a microtask after the script, and nothing inside start', async () => {
    const ring = new ThreadRing();
    const requests = Array.from({ length: 32 }, () => nop());
    for (const request of requests) {
      ring.start(request);
      expect(request.results).toEqual([]);
    }
    expect(ring.inFlight).toBe(32);
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    await undefined;
    expect(requests.map(({ results }) => results)).toEqual(requests.map(() => [0]));
    expect(turned).toBe(false);
    expect(ring.inFlight).toBe(0);
    ring.close();
  });

  it('delivers nothing inside start when the submission queue overflows, and nothing in flush', async () => {
    const ring = new ThreadRing({ sqEntries: 4, cqEntries: 64 });
    const requests = Array.from({ length: 30 }, () => nop());
    for (const request of requests) ring.start(request);
    ring.flush();
    expect(ring.ring.queued).toBe(0);
    expect(requests.every(({ results }) => results.length === 0)).toBe(true);
    await undefined;
    expect(requests.every(({ result }) => result === 0)).toBe(true);
    ring.close();
  });

  it('starts a request at once where the kernel has room, and says so where it has none', async () => {
    const ring = new ThreadRing({ sqEntries: 1, cqEntries: 2 });
    const requests = [nop(), nop()];
    expect(requests.map((request) => ring.startNow(request))).toEqual([true, true]);
    expect(ring.ring.queued).toBe(0);
    const late = nop();
    expect(ring.startNow(late)).toBe(false);
    await undefined;
    expect(requests.map(({ results }) => results)).toEqual([[0], [0]]);
    expect(late.results).toEqual([]);
    expect(ring.startNow(late)).toBe(true);
    ring.poll();
    expect(late.results).toEqual([0]);
    ring.close();
  });

  it('is given back when a worker ends', async () => {
    const rings = (): number =>
      readdirSync('/proc/self/fd').filter((name) => {
        try {
          return readlinkSync(`/proc/self/fd/${name}`).includes('io_uring');
        } catch {
          return false;
        }
      }).length;
    const before = rings();
    const script = `import('@biodone/uring').then(async ({ prepareNop, RingRequest, threadRing }) => {
      const request = new (class extends RingRequest { complete() {} })();
      prepareNop(request);
      threadRing().start(request);
      await null;
      threadRing().poll();
    });`;
    for (let count = 0; count < 3; count++) await once(new Worker(script, { eval: true }), 'exit');
    expect(rings()).toBe(before);
  });

  it('admits more requests than the kernel takes, in the order of their start', async () => {
    const ring = new ThreadRing({ sqEntries: 4, cqEntries: 8 });
    const order: number[] = [];
    for (let index = 0; index < 5000; index++) ring.start(nop(() => order.push(index)));
    expect(ring.inFlight).toBe(5000);
    expect(ring.ring.inFlight).toBe(8);
    while (ring.inFlight > 0) await turn();
    expect(order).toEqual(Array.from({ length: 5000 }, (_, index) => index));
    ring.close();
  });

  it('keeps the order when a completion starts a request while others wait', async () => {
    const ring = new ThreadRing({ sqEntries: 2, cqEntries: 2 });
    const order: string[] = [];
    ring.start(
      nop(() => {
        order.push('a');
        ring.start(nop(() => order.push('late')));
      }),
    );
    for (const name of ['b', 'c', 'd', 'e']) ring.start(nop(() => order.push(name)));
    while (ring.inFlight > 0) await turn();
    expect(order).toEqual(['a', 'b', 'c', 'd', 'e', 'late']);
    ring.close();
  });

  it('admits a request that waits as soon as there is room, though another stays in flight', () => {
    const ring = new ThreadRing({ sqEntries: 2, cqEntries: 2 });
    const pipe = new Pipe();
    const read = new Probe();
    prepareRead(read, pipe.readEnd, buffer.address, 1, -1);
    ring.start(read);
    const others = Array.from({ length: 10 }, () => nop());
    for (const request of others) ring.start(request);
    while (ring.inFlight > 1) expect(ring.wait(10_000)).toBeGreaterThan(0);
    expect(others.every(({ result }) => result === 0)).toBe(true);
    writeSync(pipe.writeEnd, 'x');
    expect(ring.wait(10_000)).toBe(1);
    ring.close();
    pipe.close();
  });

  it('delivers by poll, and by wait, in a thread that does not return to its event loop', () => {
    const ring = new ThreadRing();
    const pipe = new Pipe();
    const [read, other] = [new Probe(), nop()];
    prepareRead(read, pipe.readEnd, buffer.address, 8, -1);
    ring.start(read);
    expect(ring.poll()).toBe(0);
    ring.start(other);
    expect(ring.wait(10_000)).toBe(1);
    expect([read.results, other.results]).toEqual([[], [0]]);
    expect(ring.wait(0)).toBe('ETIME');
    const start = performance.now();
    expect(ring.wait(15)).toBe('ETIME');
    expect(performance.now() - start).toBeGreaterThanOrEqual(15);
    writeSync(pipe.writeEnd, '1234');
    expect(ring.wait(Number.POSITIVE_INFINITY)).toBe(1);
    expect(read.results).toEqual([4]);
    expect(ring.wait(Number.POSITIVE_INFINITY)).toBe(0);
    expect(ring.poll()).toBe(0);
    ring.close();
    pipe.close();
  });

  it('sleeps in wait until another thread brings the completion', async () => {
    const ring = new ThreadRing({ eventLoop: false });
    const pipe = new Pipe();
    const go = new Int32Array(new SharedArrayBuffer(4));
    const workerData = { go, fd: pipe.writeEnd };
    const worker = new Worker(new URL('./support/pipe-writer.mjs', import.meta.url), { workerData });
    await answerOf(worker);
    const read = new Probe();
    prepareRead(read, pipe.readEnd, buffer.address, 8, -1);
    ring.start(read);
    expect(ring.wait(0)).toBe('ETIME');
    Atomics.store(go, 0, 1);
    Atomics.notify(go, 0);
    // The limit of the wait before is not the limit of this one.
    expect(ring.wait(Number.POSITIVE_INFINITY)).toBe(1);
    expect(read.result).toBe(1);
    ring.close();
    pipe.close();
  });

  it('can be polled inside a completion', async () => {
    const ring = new ThreadRing();
    const order: string[] = [];
    ring.start(
      nop(() => {
        order.push('outer');
        ring.start(nop(() => order.push('inner')));
        expect(ring.poll()).toBe(2);
        order.push('polled');
      }),
    );
    ring.start(nop(() => order.push('second')));
    await undefined;
    expect(order).toEqual(['outer', 'second', 'inner', 'polled']);
    expect(ring.inFlight).toBe(0);
    ring.close();
  });

  it('refuses to close while requests are in flight or wait, and to start when closed', async () => {
    const ring = new ThreadRing({ sqEntries: 2, cqEntries: 2 });
    for (let count = 0; count < 5; count++) ring.start(nop());
    expect(() => ring.close()).toThrow(expect.objectContaining({ code: 'EBUSY' }));
    while (ring.inFlight > 0) await turn();
    ring.close();
    ring.close();
    expect(() => ring.start(nop())).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(ring.poll()).toBe(0);
    expect(ring.wait(Number.POSITIVE_INFINITY)).toBe(0);
  });

  it('sees a completion that comes right before it asks to be told of completions', async () => {
    const ring = new ThreadRing();
    const pipe = new Pipe();
    const setNotification = ring.ring.setNotification.bind(ring.ring);
    ring.ring.setNotification = (on) => {
      if (on) writeSync(pipe.writeEnd, 'x');
      setNotification(on);
    };
    const result = await new Promise((resolve) => {
      const read = new Probe(resolve);
      prepareRead(read, pipe.readEnd, buffer.address, 1, -1);
      ring.start(read);
    });
    expect(result).toBe(1);
    ring.close();
    pipe.close();
  });

  it('wakes the event loop for every completion of a long conversation', async () => {
    const ring = new ThreadRing();
    const [there, back] = [new Pipe(), new Pipe()];
    const workerData = { input: there.readEnd, output: back.writeEnd };
    const worker = new Worker(new URL('./support/pipe-echo.mjs', import.meta.url), { workerData });
    await answerOf(worker);
    let rounds = 0;
    await new Promise<void>((resolve) => {
      const ask = (): void => {
        prepareRead(read, back.readEnd, buffer.address, 1, -1);
        ring.start(read);
        // Now before the ring goes to sleep, now after.
        if (rounds % 2 === 0) writeSync(there.writeEnd, 'x');
        else queueMicrotask(() => writeSync(there.writeEnd, 'x'));
      };
      const read = new Probe(() => {
        read.results.length = 0;
        rounds += 1;
        if (rounds < 10_000) ask();
        else resolve();
      });
      ask();
    });
    expect(rounds).toBe(10_000);
    closeSync(there.writeEnd);
    await answerOf(worker);
    closeSync(there.readEnd);
    back.close();
    ring.close();
  });

  it('forgets nothing in a random mixture of requests, flushes, polls and turns', async () => {
    const random = seededRandom('thread-ring');
    const ring = new ThreadRing({ sqEntries: 4, cqEntries: 16 });
    const pipes = Array.from({ length: 4 }, () => new Pipe());
    const idle = new Set(pipes);
    let started = 0;
    let completed = 0;
    while (started < 20_000) {
      const choice = random(10);
      if (choice < 4) {
        started += 1;
        ring.start(nop(() => completed++));
      } else if (choice < 6) {
        const request = new Probe((result) => {
          expect(result).toBe(4096);
          completed += 1;
        });
        prepareRead(request, fd, buffer.address, 4096, random(15) * 4096);
        started += 1;
        ring.start(request);
      } else if (choice === 6) {
        const pipe = pipes[random(4)] as Pipe;
        if (!idle.delete(pipe)) continue;
        const request = new Probe(() => {
          idle.add(pipe);
          completed += 1;
        });
        prepareRead(request, pipe.readEnd, buffer.address, 1, -1);
        started += 1;
        ring.start(request);
        if (random(2) === 0) writeSync(pipe.writeEnd, 'x');
        else setImmediate(() => writeSync(pipe.writeEnd, 'x'));
      } else if (choice === 7) ring.flush();
      else if (choice === 8) ring.poll();
      else if (random(8) === 0) await turn();
    }
    while (completed < started) await turn();
    expect(ring.inFlight).toBe(0);
    ring.close();
    for (const pipe of pipes) pipe.close();
  });

  it('works in a worker, which ends by itself', async () => {
    const workerData = { path, requests: 2000, depth: 32 };
    const worker = new Worker(new URL('./support/ring-worker.mjs', import.meta.url), { workerData });
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    expect(await answerOf(worker)).toEqual({ completed: 2000, bytes: 2000 * 4096 });
    expect(await ended).toBe(0);
  });

  it('is one for all users of a thread', () => {
    expect(threadRing()).toBe(threadRing({ sqEntries: 1 }));
  });
});
