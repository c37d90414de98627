import {
  IOSQE_ASYNC,
  IOSQE_IO_DRAIN,
  prepareMessage,
  prepareNop,
  prepareTimeout,
  RequestChain,
  Ring,
  ThreadRing,
} from '@biodone/uring';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { invalidValue } from './support/failure.js';
import { Probe } from './support/requests.js';

describeRing('messages', () => {
  it('are not sent to a ring that is closed, nor to the one that has its number now', () => {
    const sender = new Ring();
    const closed = new Ring();
    closed.close();
    const next = new Ring();
    expect(() => prepareMessage(new Probe(), closed, 1)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(() => new Ring({ attachTo: closed })).toThrow(expect.objectContaining({ code: 'EBADF' }));
    for (const ring of [sender, next]) ring.close();
  });

  it('that are there are heard when the ring is closed, also by a completion', () => {
    const sender = new ThreadRing({ eventLoop: false });
    for (const byCompletion of [false, true]) {
      const ring = new Ring();
      const heard: number[] = [];
      ring.onMessage = (data) => heard.push(data);
      const last = new Probe(() => byCompletion && ring.close());
      prepareNop(last);
      ring.prepare(last);
      ring.submit();
      for (const data of [7, 8]) {
        const message = new Probe();
        prepareMessage(message, ring, data);
        sender.start(message);
        while (message.started) sender.wait(10_000);
        expect(message.results).toEqual([0]);
      }
      if (byCompletion) ring.reap(10);
      else ring.close();
      expect([ring.closed, heard, last.results]).toEqual([true, [7, 8], [0]]);
    }
    sender.closeSync();
  });

  it('are refused where the kernel would look for their ring later', () => {
    const ring = new ThreadRing({ eventLoop: false });
    const target = new Ring();
    const message = new Probe();
    for (const flags of [IOSQE_ASYNC, IOSQE_IO_DRAIN]) {
      prepareMessage(message, target, 1);
      message.flags |= flags;
      expect(() => ring.start(message)).toThrow(expect.objectContaining(invalidValue));
    }
    prepareMessage(message, target, 1);
    const nop = new Probe();
    prepareNop(nop);
    expect(() => ring.startChain(new RequestChain([nop, message]))).toThrow(expect.objectContaining(invalidValue));
    // Behind a drain that waits for something else.
    const timer = new Probe();
    prepareTimeout(timer, 60_000);
    ring.start(timer);
    prepareNop(nop);
    nop.flags |= IOSQE_IO_DRAIN;
    ring.start(nop);
    ring.start(message);
    expect(ring.wait(10_000)).toBe(1);
    expect(message.results).toEqual([-11]);
    ring.closeSync();
    target.close();
  });
});
