import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { EBADF, prepareMessage, probe, ThreadRing } from '@biodone/uring';
import { expect, it } from 'vitest';
import { answerOf } from './support/answer.js';
import { describeRing } from './support/available.js';
import { Pipe, prepared } from './support/requests.js';
import { until } from './support/until.js';

const COUNT = 500;
const EBADFD = 77;

// Linux 5.18 has messages, 6.5 rings in workers, which is the newer one.
const possible = probe().ownMemory;
if (probe().available && !possible) console.warn(`tests of messages to workers are skipped: Linux ${probe().kernel} is too old`);

describeRing("messages to another thread's ring", () => {
  const cases = [];
  for (const hears of ['event loop', 'wait', 'ring']) {
    for (const taskRun of ['interrupt', 'cooperative', 'deferred']) cases.push({ hears, options: { taskRun } });
    cases.push({ hears, options: { sqPoll: { idleMs: 1 } } });
    // They do not fit in there.
    cases.push({ hears, options: { sqEntries: 2, cqEntries: 4 } });
  }

  it.skipIf(!possible).each(cases)('are heard there, all and in order: %o', async (workerData) => {
    // They name a bare descriptor: beyond the room of the ring they would fail.
    const ring = new ThreadRing({ sqEntries: 8, cqEntries: COUNT });
    const worker = new Worker(new URL('./support/message-worker.mjs', import.meta.url), {
      workerData: { ...workerData, count: COUNT },
    });
    const target = (await answerOf(worker)) as number;
    const ended = once(worker, 'exit');
    const heard = answerOf(worker);
    const messages = Array.from({ length: COUNT }, (_, index) =>
      prepared((request) => prepareMessage(request, target, 2 ** 32 - 1 - index, index - 100)),
    );
    // One alone, for a thread that has gone to sleep by then or not, and the rest together.
    for (const message of messages.slice(0, 10)) {
      ring.start(message);
      await until('the answer to the message', () => ring.inFlight === 0);
    }
    for (const message of messages.slice(10)) ring.start(message);
    expect(await heard).toEqual(messages.map((_, index) => [2 ** 32 - 1 - index, index - 100]));
    await until('the answer to all messages', () => ring.inFlight === 0);
    expect(messages.map(({ results }) => results)).toEqual(messages.map(() => [0]));
    expect(await ended).toEqual([0]);
    await ring.close();
  });

  it('fail for what is no ring, and for what is not open', async () => {
    const ring = new ThreadRing();
    const pipe = new Pipe();
    const toPipe = prepared((request) => prepareMessage(request, pipe.readEnd, 1));
    const toNothing = prepared((request) => prepareMessage(request, 1_000_000, 1));
    ring.start(toPipe);
    ring.start(toNothing);
    await until('the answer to the messages', () => ring.inFlight === 0);
    expect([toPipe.result, toNothing.result]).toEqual([-EBADFD, -EBADF]);
    await ring.close();
    pipe.close();
  });
});
