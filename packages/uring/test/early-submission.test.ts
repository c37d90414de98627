import { writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { IoBuffer, prepareNop, prepareRead, type RingRequest, ThreadRing } from '@biodone/uring';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Pipe, prepared } from './support/requests.js';

const COUNT = 32;
const memory = IoBuffer.allocate(COUNT);
let ring: ThreadRing;
let pipes: Pipe[];

/** Starts requests, each once more when it has completed, and returns how many had been submitted at each completion. */
async function submittedAtCompletions(
  prepare: (request: RingRequest, index: number) => void,
  wake: () => void,
): Promise<number[]> {
  const seen: number[] = [];
  for (let index = 0; index < COUNT; index++) {
    const request = prepared(
      (self) => prepare(self, index),
      () => {
        seen.push(ring.ring.statistics().submitted);
        if (seen.length > COUNT) return;
        prepare(request, index);
        ring.start(request);
      },
    );
    ring.start(request);
  }
  await turn();
  wake();
  while (seen.length < COUNT) await turn();
  return seen.slice(0, COUNT);
}

beforeEach(() => {
  ring = new ThreadRing();
  pipes = Array.from({ length: COUNT }, () => new Pipe());
});

afterEach(async () => {
  await ring.close();
  for (const pipe of pipes) pipe.close();
});

describe('what the first completions of a batch start', () => {
  it('is submitted before the others are delivered where the kernel had to wait', async () => {
    const read = (request: RingRequest, index: number): void =>
      prepareRead(request, (pipes[index] as Pipe).input, memory, index, 1, -1);
    const seen = await submittedAtCompletions(read, () => {
      for (const { writeEnd } of pipes) writeSync(writeEnd, 'x');
    });
    expect(seen[0]).toBe(COUNT);
    expect(seen[COUNT - 1]).toBeGreaterThan(COUNT);
    expect(seen[COUNT - 1]).toBeLessThan(2 * COUNT);
  });

  it('or nothing, keeps a poll from none of the others', () => {
    const polled = new ThreadRing({ eventLoop: false });
    for (const [index, { input }] of pipes.entries()) {
      polled.start(prepared((request) => prepareRead(request, input, memory, index, 1, -1)));
    }
    expect(polled.poll()).toBe(0);
    for (const { writeEnd } of pipes) writeSync(writeEnd, 'x');
    expect(polled.poll()).toBe(COUNT);
    polled.closeSync();
  });

  it('is submitted with what the others start where the kernel completes at once', async () => {
    const seen = await submittedAtCompletions(prepareNop, () => {});
    expect(new Set(seen)).toEqual(new Set([COUNT]));
  });
});
