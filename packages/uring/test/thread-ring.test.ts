import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readlinkSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { EAGAIN, IoBuffer, prepareRead, RingFile, ThreadRing, threadRing } from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { answerOf } from './support/answer.js';
import { describeRing } from './support/available.js';
import { seededRandom } from './support/random.js';
import { nop, Pipe, Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

describeRing('ThreadRing', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  writeFileSync(path, Buffer.alloc(65_536, 'abcdefgh'));
  const fd = openSync(path, 'r');
  const buffer = IoBuffer.allocate(65_536);
  readSync(fd, buffer.bytes);
  const file = RingFile.borrow(fd, path);
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
    await ring.close();
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
    await ring.close();
  });

  it('takes a request on a bare descriptor at once where there is room, and fails it where there is none', async () => {
    const ring = new ThreadRing({ sqEntries: 1, cqEntries: 2 });
    const own = openSync(path, 'r');
    const requests = [new Probe(), new Probe(), new Probe()] as const;
    for (const request of requests) {
      prepareRead(request, own, buffer, 0, 16, 0);
      ring.start(request);
      expect(ring.ring.queued).toBe(0);
    }
    // Another file has the number now, and must not be read.
    closeSync(own);
    const other = openSync('/dev/null', 'r');
    expect(other).toBe(own);
    expect(requests.map(({ results }) => results)).toEqual([[], [], []]);
    await undefined;
    expect(requests.map(({ result }) => result).sort()).toEqual([-EAGAIN, 16, 16].sort());
    expect(requests[2].result).toBe(-EAGAIN);
    prepareRead(requests[2], other, buffer, 0, 16, 0);
    requests[2].results.length = 0;
    ring.start(requests[2]);
    ring.poll();
    expect(requests[2].result).toBe(0);
    readSync(fd, buffer.bytes, 0, 16, 0);
    closeSync(other);
    await ring.close();
  });

  it('takes several requests on bare descriptors in one submission', () => {
    const ring = new ThreadRing({ sqEntries: 8, cqEntries: 8 });
    const requests = Array.from({ length: 8 }, () => new Probe());
    for (const request of requests) prepareRead(request, fd, buffer, 0, 16, 0);
    ring.startAll(requests);
    expect(ring.ring.statistics()).toMatchObject({ submitted: 8, calls: 1 });
    ring.poll();
    expect(requests.map(({ result }) => result)).toEqual(requests.map(() => 16));
    ring.closeSync();
  });

  it('completes what was started before one that cannot be', async () => {
    const ring = new ThreadRing();
    const [bare, good, bad] = [new Probe(), nop(), nop()];
    prepareRead(bare, fd, buffer, 0, 16, 0);
    ring.start(bad);
    const invalid = expect.objectContaining({ code: 'ERR_INVALID_STATE' });
    expect(() => ring.startAll([bare, good, bad])).toThrow(invalid);
    expect(() => ring.start(bad)).toThrow(invalid);
    await undefined;
    expect([bare.results, good.results, bad.results]).toEqual([[16], [0], [0]]);
    await ring.close();
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
    await ring.close();
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
    await ring.close();
  });

  it('admits a request that waits as soon as there is room, though another stays in flight', () => {
    const ring = new ThreadRing({ sqEntries: 2, cqEntries: 2 });
    const pipe = new Pipe();
    const read = new Probe();
    prepareRead(read, pipe.readEnd, buffer, 0, 1, -1);
    ring.start(read);
    const others = Array.from({ length: 10 }, () => nop());
    for (const request of others) ring.start(request);
    while (ring.inFlight > 1) expect(ring.wait(10_000)).toBeGreaterThan(0);
    expect(others.every(({ result }) => result === 0)).toBe(true);
    writeSync(pipe.writeEnd, 'x');
    expect(ring.wait(10_000)).toBe(1);
    ring.closeSync();
    pipe.close();
  });

  it('delivers by poll, and by wait, in a thread that does not return to its event loop', () => {
    const ring = new ThreadRing();
    const pipe = new Pipe();
    const [read, other] = [new Probe(), nop()];
    prepareRead(read, pipe.readEnd, buffer, 0, 8, -1);
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
    ring.closeSync();
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
    prepareRead(read, pipe.readEnd, buffer, 0, 8, -1);
    ring.start(read);
    expect(ring.wait(0)).toBe('ETIME');
    Atomics.store(go, 0, 1);
    Atomics.notify(go, 0);
    // The limit of the wait before is not the limit of this one.
    expect(ring.wait(Number.POSITIVE_INFINITY)).toBe(1);
    expect(read.result).toBe(1);
    await ring.close();
    pipe.close();
  });

  it('is woken by the event loop for what a turn of waiting has left in flight', async () => {
    const ring = new ThreadRing();
    const pipe = new Pipe();
    const waited = nop();
    let tell: (result: number) => void = () => {};
    const told = new Promise<number>((resolve) => {
      tell = resolve;
    });
    const left = new Probe((result) => tell(result));
    prepareRead(left, pipe.readEnd, buffer, 0, 8, -1);
    ring.start(waited);
    expect(ring.wait(10_000)).toBe(1);
    ring.start(left);
    expect(ring.poll()).toBe(0);
    await turn();
    expect(left.results).toEqual([]);
    writeSync(pipe.writeEnd, '1234');
    expect(await told).toBe(4);
    await ring.close();
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
    await ring.close();
  });

  it('completes all requests when it is closed, and refuses to start when it is', async () => {
    const ring = new ThreadRing({ sqEntries: 2, cqEntries: 2 });
    const requests = Array.from({ length: 5 }, () => nop());
    for (const request of requests) ring.start(request);
    await ring.close();
    expect(requests.every(({ results }) => results.length === 1)).toBe(true);
    expect(ring.inFlight).toBe(0);
    await ring.close();
    ring.closeSync();
    expect(() => ring.start(nop())).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(ring.poll()).toBe(0);
    // Who waits for a ring that has been closed would wait in vain, again and again.
    expect(() => ring.wait(Number.POSITIVE_INFINITY)).toThrow(expect.objectContaining({ code: 'EBADF' }));
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
      prepareRead(read, pipe.readEnd, buffer, 0, 1, -1);
      ring.start(read);
    });
    expect(result).toBe(1);
    await ring.close();
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
        prepareRead(read, back.readEnd, buffer, 0, 1, -1);
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
    await ring.close();
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
        prepareRead(request, file, buffer, 0, 4096, random(15) * 4096);
        started += 1;
        ring.start(request);
      } else if (choice === 6) {
        const pipe = pipes[random(4)] as Pipe;
        if (!idle.delete(pipe)) continue;
        const request = new Probe(() => {
          idle.add(pipe);
          completed += 1;
        });
        prepareRead(request, pipe.input, buffer, 0, 1, -1);
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
    await ring.close();
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
