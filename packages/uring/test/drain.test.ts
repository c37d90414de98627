import { writeSync } from 'node:fs';
import { ECANCELED, IOSQE_IO_DRAIN, IoBuffer, prepareRead, Ring, RingFile, ThreadRing } from '@biodone/uring';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { finish, nop, Pipe, type Probe, prepared, settle } from './support/requests.js';

const buffer = IoBuffer.allocate(64);

function drain(then?: () => void): Probe {
  const request = nop(then);
  request.flags |= IOSQE_IO_DRAIN;
  return request;
}

describeRing('a request that drains', () => {
  it('starts after all earlier ones, and before all later ones', () => {
    const ring = new ThreadRing({ eventLoop: false });
    const pipe = new Pipe();
    const order: string[] = [];
    const read = prepared(
      (request) => prepareRead(request, pipe.input, buffer, 0, 1, -1),
      () => order.push('earlier'),
    );
    const between = drain(() => order.push('drain'));
    const later = nop(() => order.push('later'));
    for (const request of [read, between, later]) ring.start(request);
    expect(ring.ring.draining).toBe(true);
    expect(ring.wait(0)).toBe('ETIME');
    expect(order).toEqual([]);
    writeSync(pipe.writeEnd, 'x');
    settle(ring);
    expect(order).toEqual(['earlier', 'drain', 'later']);
    expect(ring.ring.draining).toBe(false);
    ring.closeSync();
    pipe.close();
  });

  it('lets later ones be quick once it has completed', () => {
    const ring = new Ring({ sqEntries: 8, cqEntries: 8 });
    const pipe = new Pipe();
    ring.prepare(drain());
    finish(ring);
    const read = prepared((request) => prepareRead(request, pipe.input, buffer, 0, 1, -1));
    const other = nop();
    ring.prepare(read);
    ring.prepare(other);
    expect(ring.wait(1, 10_000)).toBe(null);
    expect(ring.reap(10)).toBe(1);
    expect([read.results, other.results]).toEqual([[], [0]]);
    ring.close();
    expect(read.result).toBe(-ECANCELED);
    pipe.close();
  });

  it('does not keep a request before it from being cancelled', () => {
    const ring = new ThreadRing({ eventLoop: false });
    const pipe = new Pipe();
    const read = prepared((request) => prepareRead(request, pipe.input, buffer, 0, 1, -1));
    const between = drain();
    ring.start(read);
    ring.start(between);
    ring.flush();
    ring.cancel(read);
    settle(ring);
    expect([read.result, between.result]).toEqual([-ECANCELED, 0]);
    ring.closeSync();
    pipe.close();
  });

  it('keeps the file of a bare descriptor for the requests behind it', () => {
    const ring = new ThreadRing({ eventLoop: false });
    const pipe = new Pipe();
    const read = prepared((request) => prepareRead(request, pipe.input, buffer, 0, 1, -1));
    ring.start(read);
    ring.start(drain());
    const file = RingFile.open(process.execPath);
    const late = prepared((request) => prepareRead(request, file.fd, buffer, 0, 4, 0));
    ring.start(late);
    const { fd } = file;
    void file.close();
    const other = RingFile.open('/dev/null');
    expect(other.fd).toBe(fd);
    writeSync(pipe.writeEnd, 'x');
    settle(ring);
    expect(late.result).toBe(4);
    expect(Buffer.from(buffer.bytes.subarray(1, 4)).toString()).toBe('ELF');
    void other.close();
    ring.closeSync();
    pipe.close();
  });
});
