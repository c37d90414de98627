import { readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
  ECANCELED,
  ENOENT,
  IORING_CQE_F_MORE,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  preparePollAdd,
  preparePollRemove,
  prepareSplice,
  RingFile,
  RingRequest,
  SPLICE_F_MORE,
  SPLICE_F_MOVE,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { failure, outOfRange } from './support/failure.js';
import { Pipe, Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

describeRing('prepareSplice', () => {
  const folder = temporaryFolder();
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];
  writeFileSync(from, 'from the file');
  writeFileSync(to, '..........');
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16, fileTableEntries: 4 });
  const source = RingFile.open(from);
  const target = RingFile.open(to, 'r+');
  const pipe = new Pipe();
  const output = RingFile.borrow(pipe.writeEnd, 'output');
  afterAll(async () => {
    await ring.close();
    await source.close();
    await target.close();
    pipe.close();
  });

  it('moves bytes from a file through a pipe into another', async () => {
    const flags = SPLICE_F_MOVE | SPLICE_F_MORE;
    expect(await ring.run((request) => prepareSplice(request, source, 5, output, -1, 100, flags))).toBe(8);
    expect(source.references + output.references).toBe(0);
    expect(await ring.run((request) => prepareSplice(request, pipe.input, -1, target, 2, 3))).toBe(3);
    expect(await ring.run((request) => prepareSplice(request, pipe.input, -1, target, 6, 100))).toBe(5);
    expect(readFileSync(to, 'utf8')).toBe('..the. file');
    expect(await ring.run((request) => prepareSplice(request, source, 1000, output, -1, 100))).toBe(0);
  });

  it('goes by registered files, also with different ones on both sides', async () => {
    const { files } = ring.ring;
    const [fixedSource, fixedOutput] = [files.set(3, source), files.set(1, output)];
    const readBack = (): string => {
      const bytes = Buffer.alloc(100);
      return bytes.toString('utf8', 0, readSync(pipe.readEnd, bytes));
    };
    expect(await ring.run((request) => prepareSplice(request, fixedSource, 0, fixedOutput, -1, 4))).toBe(4);
    expect(readBack()).toBe('from');
    expect(await ring.run((request) => prepareSplice(request, fixedSource, 9, output, -1, 4))).toBe(4);
    expect(readBack()).toBe('file');
    expect(await ring.run((request) => prepareSplice(request, source, 5, fixedOutput, -1, 3))).toBe(3);
    expect(readBack()).toBe('the');
    fixedSource.clear();
    const late = ring.run((request) => prepareSplice(request, fixedSource, 0, output, -1, 4));
    await expect(late).rejects.toEqual(failure('EBADF', 'splice', 'output'));
    files.clear();
  });

  it('does not take another file for the source that has left its place', () => {
    const { files } = ring.ring;
    const fixed = files.set(0, source);
    const request = new Probe();
    prepareSplice(request, fixed, 0, output, -1, 4);
    files.set(0, target);
    ring.start(request);
    ring.wait(10_000);
    expect(request.result).toBe(4);
    const bytes = Buffer.alloc(100);
    expect(bytes.toString('utf8', 0, readSync(pipe.readEnd, bytes))).toBe('from');
    files.clear();
  });

  it('fails with the error of the system call', async () => {
    await expect(ring.run((request) => prepareSplice(request, source, 0, target, 0, 4))).rejects.toEqual(
      failure('EINVAL', 'splice', to),
    );
    await expect(ring.run((request) => prepareSplice(request, source, 0, output, 0, 4))).rejects.toEqual(
      failure('ESPIPE', 'splice', 'output'),
    );
    await expect(ring.run((request) => prepareSplice(request, output, -1, target, 0, 4))).rejects.toEqual(
      failure('EBADF', 'splice', to),
    );
    const closed = RingFile.open(from);
    await closed.close();
    await expect(ring.run((request) => prepareSplice(request, closed, 0, output, -1, 4))).rejects.toEqual(
      failure('EBADF', 'splice', 'output'),
    );
    await expect(ring.run((request) => prepareSplice(request, pipe.input, -1, closed, 0, 4))).rejects.toEqual(
      failure('EBADF', 'splice', from),
    );
  });

  it('refuses wrong numbers at once', () => {
    const refused = expect.objectContaining(outOfRange);
    const request = new Probe();
    for (const wrong of [-2, 0.5, Number.NaN]) {
      expect(() => prepareSplice(request, source, wrong, output, -1, 1)).toThrow(refused);
      expect(() => prepareSplice(request, source, 0, output, wrong, 1)).toThrow(refused);
      expect(() => prepareSplice(request, source, 0, output, -1, wrong)).toThrow(refused);
    }
    expect(() => prepareSplice(request, source, 0, output, -1, 2 ** 32)).toThrow(refused);
  });
});

/** Remembers every completion, and whether more are to come. */
class Poll extends RingRequest {
  readonly events: number[] = [];
  readonly more: boolean[] = [];

  override complete(result: number, flags: number): void {
    this.events.push(result);
    this.more.push((flags & IORING_CQE_F_MORE) !== 0);
  }
}

describeRing('preparePollAdd', () => {
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16, eventLoop: false });
  afterAll(() => ring.close());

  function started(target: RingFile | number, events: number, multishot = false): Poll {
    const poll = new Poll();
    preparePollAdd(poll, target, events, { multishot });
    ring.start(poll);
    return poll;
  }

  it('tells what is there, or comes', () => {
    const pipe = new Pipe();
    const output = RingFile.borrow(pipe.writeEnd);
    const writable = started(output, POLLOUT);
    ring.wait(10_000);
    expect(writable.events).toEqual([POLLOUT]);
    const readable = started(pipe.readEnd, POLLIN);
    expect(ring.poll()).toBe(0);
    writeSync(pipe.writeEnd, 'x');
    ring.wait(10_000);
    expect([readable.events, readable.more, ring.inFlight]).toEqual([[POLLIN], [false], 0]);
    pipe.close();
  });

  it('tells of the other end that has gone, without being asked', () => {
    for (const side of ['read', 'write'] as const) {
      const pipe = new Pipe();
      const [mine, other] = side === 'read' ? [pipe.readEnd, pipe.writeEnd] : [pipe.writeEnd, pipe.readEnd];
      const poll = started(mine, 0);
      expect(ring.poll()).toBe(0);
      // Another number for it keeps Pipe's own way of closing.
      RingFile.adopt(other).close();
      ring.wait(10_000);
      expect(poll.events).toEqual([side === 'read' ? POLLHUP : POLLERR]);
      RingFile.adopt(mine).close();
    }
  });

  it('tells again and again until it is removed', () => {
    const pipe = new Pipe();
    const poll = started(pipe.input, POLLIN, true);
    for (let count = 1; count <= 5; count++) {
      writeSync(pipe.writeEnd, 'x');
      while (poll.events.length < count) expect(ring.wait(10_000)).not.toBe('ETIME');
      readSync(pipe.readEnd, Buffer.alloc(1));
    }
    expect([poll.started, pipe.input.references]).toEqual([true, 1]);
    const remove = new Probe();
    preparePollRemove(remove, poll);
    ring.start(remove);
    while (ring.inFlight > 0) ring.wait(10_000);
    expect([remove.result, poll.events.at(-1), poll.more.at(-1), poll.started]).toEqual([0, -ECANCELED, false, false]);
    expect(poll.events.slice(0, -1).every((event) => event === POLLIN)).toBe(true);
    expect(poll.more.slice(0, -1).every((more) => more)).toBe(true);
    expect(pipe.input.references).toBe(0);
    pipe.close();
  });

  it('can be removed while it waits, and not when it is done', () => {
    const pipe = new Pipe();
    const poll = started(pipe.input, POLLIN);
    const removals = [new Probe(), new Probe()];
    for (const remove of removals) {
      preparePollRemove(remove, poll);
      ring.start(remove);
      while (ring.inFlight > 0) ring.wait(10_000);
    }
    expect(poll.events).toEqual([-ECANCELED]);
    expect(removals.map(({ result }) => result)).toEqual([0, -ENOENT]);
    pipe.close();
  });

  it('fails for what cannot be polled', async () => {
    const wrong = started(-1, POLLIN);
    while (ring.inFlight > 0) ring.wait(10_000);
    expect(wrong.events).toEqual([-9]);
  });
});

describe('preparePollAdd', () => {
  it('asks for the events that it was given', () => {
    const request = new Probe();
    preparePollAdd(request, 0, POLLIN | POLLOUT);
    expect([request.operationFlags, request.lengthBytes]).toEqual([POLLIN | POLLOUT, 0]);
  });
});
