import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  EAGAIN,
  ECANCELED,
  IORING_TIMEOUT_MULTISHOT,
  IOSQE_ASYNC,
  IOSQE_IO_DRAIN,
  IOSQE_IO_HARDLINK,
  IoBuffer,
  preparePollAdd,
  prepareRead,
  prepareTimeout,
  RequestChain,
  RingFile,
  type ThreadRing,
} from '@biodone/uring';
import { afterAll, expect } from 'vitest';
import { nop, Pipe, type Probe, prepared } from './requests.js';
import { temporaryFolder } from './temporary-folder.js';

const LONG_MS = 1_000_000;
const POLLIN = 1;
const BLOCK = 4096;
/** None of these takes so long; a ring that does not come to an end is an error then, and no test that hangs. */
export const LIMIT_MS = 30_000;

/** How a ring is closed. */
export const WAYS: [name: string, close: (ring: ThreadRing) => Promise<void> | void][] = [
  ['close', (ring) => ring.close()],
  ['closeSync', (ring) => ring.closeSync(LIMIT_MS)],
  ['Symbol.asyncDispose', (ring) => ring[Symbol.asyncDispose]()],
];

/** A request, and the results that it may come to. */
export type Started = readonly [request: Probe, results: readonly number[]];

const folder = temporaryFolder();
const path = join(folder, 'file');
writeFileSync(path, Buffer.alloc(16 * BLOCK));
export const file: RingFile = RingFile.open(path);
export const pipe: Pipe = new Pipe();
const buffer = IoBuffer.allocate(16 * BLOCK);
afterAll(async () => {
  await file.close();
  pipe.close();
});

/** A read of a pipe that nobody writes into. */
export function pipeRead(flags = 0): Probe {
  const request = prepared((self) => prepareRead(self, pipe.input, buffer, 0, 1, -1));
  request.flags |= flags;
  return request;
}

/** A read of a file that the page cache has. */
export function fileRead(flags = 0): Probe {
  const request = prepared((self) => prepareRead(self, file, buffer, 0, BLOCK, 0));
  request.flags |= flags;
  return request;
}

function chain(ring: ThreadRing, requests: Probe[], hard: boolean): void {
  if (hard) for (const request of requests) request.flags |= IOSQE_IO_HARDLINK;
  ring.startChain(new RequestChain(requests));
}

/** What can be in flight when a ring is closed. */
export const KINDS: ((ring: ThreadRing) => Started[])[] = [
  ...[
    (): Started => [pipeRead(), [-ECANCELED]],
    (): Started => [pipeRead(IOSQE_ASYNC), [-ECANCELED]],
    (): Started => [prepared((request) => prepareTimeout(request, LONG_MS)), [-ECANCELED]],
    (): Started => [prepared((request) => prepareTimeout(request, LONG_MS, 0, IORING_TIMEOUT_MULTISHOT)), [-ECANCELED]],
    (): Started => [prepared((request) => preparePollAdd(request, pipe.input, POLLIN)), [-ECANCELED]],
    (): Started => [prepared((request) => preparePollAdd(request, pipe.input, POLLIN, { multishot: true })), [-ECANCELED]],
    // What is bare has no place to wait in.
    (): Started => [prepared((request) => prepareRead(request, pipe.readEnd, buffer, 0, 1, -1)), [-ECANCELED, -EAGAIN]],
    (): Started => [nop(), [0, -ECANCELED]],
    (): Started => [fileRead(), [BLOCK, -ECANCELED]],
    (): Started => [fileRead(IOSQE_ASYNC), [BLOCK, -ECANCELED]],
    (): Started => [fileRead(IOSQE_IO_DRAIN), [BLOCK, -ECANCELED]],
    (): Started => [pipeRead(IOSQE_IO_DRAIN), [-ECANCELED]],
  ].map((make) => (ring: ThreadRing) => {
    const started = make();
    ring.start(started[0]);
    return [started];
  }),
  ...[false, true].map((hard) => (ring: ThreadRing): Started[] => {
    const requests = [nop(), pipeRead(), fileRead(), nop()];
    chain(ring, requests, hard);
    const [first, read, ...rest] = requests as [Probe, Probe, ...Probe[]];
    return [[first, [0, -ECANCELED]], [read, [-ECANCELED]], ...rest.map((one): Started => [one, [0, BLOCK, -ECANCELED]])];
  }),
];

export function expectOneEach(started: readonly Started[]): void {
  for (const [{ results }, expected] of started) {
    expect(results.length).toBe(1);
    expect(expected).toContain(results[0]);
  }
}
