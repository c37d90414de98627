import { readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import {
  EBADF,
  ECANCELED,
  EINVAL,
  ETIME,
  IOSQE_IO_HARDLINK,
  IOSQE_IO_LINK,
  IoBuffer,
  prepareFdatasync,
  prepareLinkTimeout,
  prepareNop,
  prepareRead,
  prepareTimeout,
  prepareWrite,
  RequestChain,
  Ring,
  RingFile,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { nop, Pipe, type Probe, prepared, settle } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

/** A request that the kernel refuses before it starts. */
function bad(): Probe {
  const request = nop();
  request.opcode = 200;
  return request;
}

function hard<Request extends Probe>(request: Request): Request {
  request.flags |= IOSQE_IO_HARDLINK;
  return request;
}

describe('RequestChain', () => {
  it('has at least two requests, and none twice', () => {
    const invalid = expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
    const one = nop();
    expect(() => new RequestChain([])).toThrow(invalid);
    expect(() => new RequestChain([one])).toThrow(invalid);
    expect(() => new RequestChain([one, nop(), one])).toThrow(invalid);
  });
});

describeRing('a chain', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  writeFileSync(path, Buffer.alloc(4096, 'a'));
  const file = RingFile.open(path, 'r+');
  const buffer = IoBuffer.allocate(8192);
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16, eventLoop: false });
  afterAll(async () => {
    ring.closeSync();
    await file.close();
  });

  function resultsOf(...requests: Probe[]): (number | undefined)[] {
    ring.startChain(new RequestChain(requests));
    settle(ring);
    return requests.map(({ result }) => result);
  }

  it('runs its requests one after the other', () => {
    const order: string[] = [];
    buffer.bytes.fill('b'.charCodeAt(0), 0, 100);
    const write = prepared(
      (request) => prepareWrite(request, file, buffer, 0, 100, 0),
      () => order.push('write'),
    );
    const sync = prepared(
      (request) => prepareFdatasync(request, file),
      () => order.push('sync'),
    );
    const read = prepared(
      (request) => prepareRead(request, file, buffer, 4096, 100, 0),
      () => order.push('read'),
    );
    expect(resultsOf(write, sync, read)).toEqual([100, 0, 100]);
    expect(order).toEqual(['write', 'sync', 'read']);
    expect(Buffer.from(buffer.bytes.subarray(4096, 4196)).toString()).toBe('b'.repeat(100));
    expect(readFileSync(path, 'latin1').slice(0, 101)).toBe(`${'b'.repeat(100)}a`);
  });

  it('ends at a member that fails: the others are cancelled', () => {
    const broken = prepared((request) => prepareRead(request, -1, buffer, 0, 10, 0));
    expect(resultsOf(nop(), broken, nop(), nop())).toEqual([0, -EBADF, -ECANCELED, -ECANCELED]);
  });

  it('goes on after a hard link that fails', () => {
    const broken = hard(prepared((request) => prepareRead(request, -1, buffer, 0, 10, 0)));
    expect(resultsOf(broken, nop(), nop())).toEqual([-EBADF, 0, 0]);
    const timer = hard(prepared((request) => prepareTimeout(request, 1)));
    expect(resultsOf(timer, hard(nop()), nop())).toEqual([-ETIME, 0, 0]);
  });

  it('ends at a short read, and with a hard link does not', () => {
    const short = (): Probe => prepared((request) => prepareRead(request, file, buffer, 0, 8192, 0));
    expect(resultsOf(short(), nop())).toEqual([4096, -ECANCELED]);
    expect(resultsOf(hard(short()), nop())).toEqual([4096, 0]);
  });

  it('cancels the member before a link timeout that goes off, and lets it be otherwise', () => {
    const pipe = new Pipe();
    const blocked = prepared((request) => prepareRead(request, pipe.input, buffer, 0, 1, -1));
    const limit = prepared((request) => prepareLinkTimeout(request, 5));
    expect(resultsOf(blocked, limit)).toEqual([-ECANCELED, -ETIME]);
    const fast = prepared((request) => prepareRead(request, file, buffer, 0, 10, 0));
    const unused = prepared((request) => prepareLinkTimeout(request, 60_000));
    expect(resultsOf(fast, unused)).toEqual([10, -ECANCELED]);
    pipe.close();
  });

  it('with a request that the kernel refuses fails as a whole', () => {
    expect(resultsOf(bad(), nop(), nop())).toEqual([-EINVAL, -ECANCELED, -ECANCELED]);
    expect(resultsOf(nop(), bad(), nop())).toEqual([-ECANCELED, -EINVAL, -ECANCELED]);
    expect(resultsOf(nop(), nop(), bad())).toEqual([-ECANCELED, -ECANCELED, -EINVAL]);
  });

  it('on a file that is closing fails without the kernel, and names the member that is to blame', async () => {
    const closing = RingFile.open(path);
    await closing.close();
    const submitted = ring.ring.statistics().submitted;
    const write = prepared((request) => prepareWrite(request, file, buffer, 0, 10, 0));
    const read = prepared((request) => prepareRead(request, closing, buffer, 0, 10, 0));
    const { references } = file;
    expect(resultsOf(write, read, nop())).toEqual([-ECANCELED, -EBADF, -ECANCELED]);
    expect(ring.ring.statistics().submitted).toBe(submitted);
    expect(file.references).toBe(references);
    // It is still aimed at the same file, and not at the number that this had.
    for (const request of [write, read]) request.results.length = 0;
    read.flags = 0;
    expect(resultsOf(read, write)).toEqual([-EBADF, -ECANCELED]);
  });

  it('can be started again, with its members alone in between', () => {
    const members = [nop(), nop(), nop()];
    const chain = new RequestChain(members);
    for (let round = 0; round < 100; round++) {
      ring.startChain(chain);
      expect(() => ring.startChain(chain)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_STATE' }));
      settle(ring);
    }
    expect(members.map(({ results }) => results)).toEqual(members.map(() => Array.from({ length: 100 }, () => 0)));
    for (const member of members) {
      member.results.length = 0;
      prepareNop(member);
      ring.start(member);
    }
    settle(ring);
    expect(members.map(({ result }) => result)).toEqual([0, 0, 0]);
  });

  it('is refused if one submission cannot hold it', () => {
    const long = Array.from({ length: 9 }, () => nop());
    expect(() => ring.startChain(new RequestChain(long))).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    expect(long.every(({ started }) => !started)).toBe(true);
    expect(ring.inFlight).toBe(0);
    expect(resultsOf(...long.slice(1))).toEqual(Array.from({ length: 8 }, () => 0));
  });

  it('is the only place for link flags', () => {
    for (const flag of [IOSQE_IO_LINK, IOSQE_IO_HARDLINK]) {
      const alone = nop();
      alone.flags |= flag;
      expect(() => ring.start(alone)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
      expect(() => ring.ring.prepare(alone)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
    }
    expect(ring.inFlight).toBe(0);
  });

  it('keeps the descriptors of bare files open until it has run', () => {
    const pipe = new Pipe();
    const own = RingFile.open(path);
    const first = prepared((request) => prepareRead(request, pipe.input, buffer, 0, 1, -1));
    const second = prepared((request) => prepareRead(request, own.fd, buffer, 0, 10, 0));
    ring.startChain(new RequestChain([first, second]));
    ring.flush();
    void own.close();
    writeSync(pipe.writeEnd, 'x');
    settle(ring);
    expect([first.result, second.result]).toEqual([1, 10]);
    pipe.close();
  });
});

describeRing('a chain in a ring that is full', () => {
  const buffer = IoBuffer.allocate(64);

  it('waits, and is admitted as a whole', async () => {
    const ring = new ThreadRing({ sqEntries: 4, cqEntries: 4 });
    const pipe = new Pipe();
    const blocked = Array.from({ length: 3 }, () => prepared((request) => prepareRead(request, pipe.input, buffer, 0, 1, -1)));
    for (const request of blocked) ring.start(request);
    const members = [nop(), nop(), nop()];
    ring.startChain(new RequestChain(members));
    for (let count = 0; count < 3; count++) await turn();
    expect([ring.ring.inFlight, ring.inFlight]).toEqual([3, 6]);
    writeSync(pipe.writeEnd, 'x');
    while (ring.inFlight > 5) await turn();
    for (let count = 0; count < 3; count++) await turn();
    // Two places are free, and the chain has three members.
    expect([ring.ring.inFlight, ring.inFlight]).toEqual([2, 5]);
    expect(members.every(({ results }) => results.length === 0)).toBe(true);
    writeSync(pipe.writeEnd, 'x');
    while (ring.inFlight > 1) await turn();
    expect(members.map(({ result }) => result)).toEqual([0, 0, 0]);
    writeSync(pipe.writeEnd, 'x');
    await ring.close();
    pipe.close();
  });

  it('can be cancelled while it waits', () => {
    const ring = new ThreadRing({ sqEntries: 2, cqEntries: 2, eventLoop: false });
    const pipe = new Pipe();
    const blocked = prepared((request) => prepareRead(request, pipe.input, buffer, 0, 1, -1));
    ring.start(blocked);
    const members = [nop(), nop()] as const;
    ring.startChain(new RequestChain(members));
    const after = nop();
    ring.start(after);
    ring.cancel(members[1]);
    expect(members.map(({ results }) => results)).toEqual([[], []]);
    while (ring.inFlight > 1) expect(ring.wait(10_000)).toBeGreaterThan(0);
    expect(members.map(({ result }) => result)).toEqual([-ECANCELED, -ECANCELED]);
    expect([after.result, blocked.results]).toEqual([0, []]);
    ring.closeSync();
    expect(blocked.result).toBe(-ECANCELED);
    pipe.close();
  });

  it('is not prepared in part on a bare ring', () => {
    const ring = new Ring({ sqEntries: 4, cqEntries: 4 });
    ring.prepare(nop());
    ring.prepare(nop());
    const members = [nop(), nop(), nop()];
    expect(ring.prepareChain(new RequestChain(members))).toBe(false);
    expect(members.every(({ started, chain }) => !started && chain === null)).toBe(true);
    expect(ring.inFlight).toBe(2);
    ring.close();
  });
});
