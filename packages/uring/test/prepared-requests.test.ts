import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  IOSQE_ASYNC,
  IoBuffer,
  prepareCancel,
  prepareRead,
  prepareTimeout,
  prepareWrite,
  RequestChain,
  RingFile,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { Pipe, Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const ECANCELED = -125;

describeRing('what changes between the preparation of a request and its submission', () => {
  const folder = temporaryFolder();
  const ring = new ThreadRing({ fileTableEntries: 4, eventLoop: false });
  const memory = IoBuffer.allocate(4096);
  afterAll(() => ring.close());

  function run(request: Probe): number {
    ring.start(request);
    while (request.started) ring.wait(10_000);
    return request.results.at(-1) as number;
  }

  it('is not what a registered file is: flags set afterwards do not make its place a descriptor', async () => {
    const path = join(folder, 'registered');
    writeFileSync(path, '');
    const file = RingFile.open(path, 'r+');
    // The place whose number is the standard output's.
    const fixed = ring.files.set(1, file);
    memory.bytes.set(Buffer.from('mark'));
    const write = new Probe();
    prepareWrite(write, fixed, memory, 0, 4, 0);
    write.flags = IOSQE_ASYNC;
    expect(run(write)).toBe(4);
    expect(readFileSync(path, 'utf8')).toBe('mark');
    await file.close();
  });

  it('is the name of a request that waits for room, and a cancel finds it', () => {
    const short = new ThreadRing({ sqEntries: 2, cqEntries: 2, eventLoop: false });
    const timers = Array.from({ length: 3 }, () => new Probe());
    for (const timer of timers) {
      prepareTimeout(timer, 60_000);
      short.start(timer);
    }
    const last = timers[2] as Probe;
    const cancel = new Probe();
    prepareCancel(cancel, { request: last });
    short.start(cancel);
    for (const timer of timers.slice(0, 2)) short.cancel(timer);
    while (cancel.started || last.started) short.wait(10_000);
    expect([cancel.results, last.results]).toEqual([[0], [ECANCELED]]);
    short.closeSync();
  });

  it('is not which request a cancel is for when it names a file or an operation too', async () => {
    const pipe = new Pipe();
    const [one, other] = [new Probe(), new Probe()];
    for (const read of [one, other]) {
      prepareRead(read, pipe.input, memory, 0, 8, -1);
      ring.start(read);
    }
    const timer = new Probe();
    prepareTimeout(timer, 60_000);
    ring.start(timer);
    const attempt = (match: Parameters<typeof prepareCancel>[1]): number => {
      const cancel = new Probe();
      prepareCancel(cancel, match);
      return run(cancel);
    };
    expect(attempt({ request: timer, opcode: one.opcode })).toBe(-2);
    expect(attempt({ request: timer, file: pipe.input })).toBe(-2);
    expect([one, other, timer].map(({ results }) => results)).toEqual([[], [], []]);
    expect(attempt({ request: other, file: pipe.input, opcode: other.opcode })).toBe(0);
    while (other.started) ring.wait(10_000);
    expect([one.results, other.results]).toEqual([[], [ECANCELED]]);
    for (const request of [one, timer]) ring.cancel(request);
    while (one.started || timer.started) ring.wait(10_000);
    pipe.close();
  });

  it('does not keep a request on a bare descriptor from being started again', () => {
    const path = join(folder, 'again');
    writeFileSync(path, 'again and again');
    const fd = openSync(path, 'r');
    const read = new Probe();
    prepareRead(read, fd, memory, 0, 5, 0);
    read.flags |= IOSQE_ASYNC;
    expect([run(read), run(read), run(read)]).toEqual([5, 5, 5]);
    expect([read.fd, read.file]).toEqual([fd, null]);
    closeSync(fd);
  });

  it('is not which start a cancel is for: it finds no later one', () => {
    const short = new ThreadRing({ sqEntries: 2, cqEntries: 2, eventLoop: false });
    const timers = Array.from({ length: 3 }, () => new Probe());
    for (const timer of timers) {
      prepareTimeout(timer, 60_000);
      short.start(timer);
    }
    const last = timers[2] as Probe;
    const cancel = new Probe();
    prepareCancel(cancel, { request: last });
    for (const timer of timers) short.cancel(timer);
    while (short.inFlight > 0) short.wait(10_000);
    prepareTimeout(last, 60_000);
    short.start(last);
    short.start(cancel);
    while (cancel.started) short.wait(10_000);
    expect([cancel.results, last.results]).toEqual([[-2], [ECANCELED]]);
    short.closeSync();
  });

  it('is not the ring: another one cancels nothing of it, and nothing of its own', () => {
    const other = new ThreadRing({ eventLoop: false });
    const rings = [new ThreadRing({ eventLoop: false }), other];
    const timers = rings.map((one) => {
      const timer = new Probe();
      prepareTimeout(timer, 60_000);
      one.start(timer);
      one.flush();
      return timer;
    });
    const foreign = timers[0] as Probe;
    expect(() => other.cancel(foreign)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
    const cancel = new Probe();
    prepareCancel(cancel, { request: foreign });
    other.start(cancel);
    while (cancel.started) other.wait(10_000);
    expect([cancel.results, ...timers.map(({ results }) => results)]).toEqual([[-2], [], []]);
    for (const one of rings) one.closeSync();
  });

  it('is its own descriptor again when its chain was refused', async () => {
    const path = join(folder, 'refused');
    writeFileSync(path, 'content');
    const closing = RingFile.open(path);
    const reads = [new Probe(), new Probe()] as const;
    const fd = openSync(path, 'r');
    prepareRead(reads[0], fd, memory, 0, 7, 0);
    prepareRead(reads[1], closing, memory, 0, 7, 0);
    await closing.close();
    ring.startChain(new RequestChain(reads));
    while (reads.some(({ started }) => started)) ring.wait(10_000);
    expect(reads.map(({ results }) => results)).toEqual([[ECANCELED], [-9]]);
    expect([reads[0].fd, reads[0].file]).toEqual([fd, null]);
    prepareRead(reads[0], fd, memory, 0, 7, 0);
    expect(run(reads[0])).toBe(7);
    closeSync(fd);
  });
});
