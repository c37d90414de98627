import { closeSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
  BLOCK_WRITE,
  type BlockDevice,
  BlockIo,
  biowait,
  IO_STARTED,
  openFile,
  openMem,
  openNull,
  wrapDescriptor,
} from '@biodone/blockdev';
import { IoBuffer, libc } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { bufferOf, makeIo } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
const path = join(folder, 'file');
writeFileSync(path, 'the contents of the file');

function waitFor(device: BlockDevice, io: BlockIo): string {
  device.strategy(io);
  biowait(io);
  expect([io.error, io.state === IO_STARTED, device.inFlight]).toEqual([0, false, 0]);
  return Buffer.from(io.buffer?.bytes ?? []).toString('utf8', 0, io.transferredBytes);
}

describe('biowait', () => {
  it('returns at once where the request is done when strategy returns', () => {
    const mem = openMem(100);
    waitFor(mem, makeIo({ operation: BLOCK_WRITE, buffer: bufferOf('memory'), offset: 10 }));
    expect(waitFor(mem, makeIo({ buffer: IoBuffer.allocate(6), offset: 10 }))).toBe('memory');
    const done = makeIo();
    waitFor(openNull(), done);
    biowait(done, 0);
  });

  it('says that a request was never started', () => {
    expect(() => biowait(new BlockIo())).toThrow(expect.objectContaining({ code: 'EINVAL', syscall: 'biowait' }));
  });

  it('leaves the error of a request in the request', () => {
    const io = makeIo({ offset: -1 });
    openNull().strategy(io);
    biowait(io);
    expect(io.error).toBe(22);
  });

  it('refuses to wait for what only the event loop can complete', async () => {
    const device = openFile(path, { engine: 'fs' });
    const io = makeIo({ buffer: IoBuffer.allocate(12) });
    device.strategy(io);
    expect(() => biowait(io)).toThrow(expect.objectContaining({ code: 'EDEADLK', errno: -35, syscall: 'biowait' }));
    expect(() => device.wait(1)).toThrow(expect.objectContaining({ code: 'EDEADLK', syscall: 'wait' }));
    expect(io.state).toBe(IO_STARTED);
    await device.close();
    expect([io.error, io.transferredBytes]).toEqual([0, 12]);
    // It is done, so there is nothing to wait for.
    biowait(io);
    expect(device.wait(Number.POSITIVE_INFINITY)).toBe(0);
  });
});

describeRing('biowait on io_uring', () => {
  it('waits for the request', async () => {
    const device = openFile(path, { engine: 'uring' });
    expect(waitFor(device, makeIo({ buffer: IoBuffer.allocate(12), offset: 4 }))).toBe('contents of ');
    const several = [0, 4, 13].map((offset) => makeIo({ buffer: IoBuffer.allocate(3), offset }));
    for (const io of several) device.strategy(io);
    for (const io of several.reverse()) biowait(io);
    expect(several.map(({ buffer }) => Buffer.from(buffer?.bytes ?? []).toString())).toEqual(['of ', 'con', 'the']);
    await device.close();
  });

  it('ends at its deadline with ETIMEDOUT, and the request goes on', async () => {
    const ends = new Int32Array(2);
    libc().pipe2(ends, 0x80000);
    const [readEnd, writeEnd] = ends as unknown as [number, number];
    const device = wrapDescriptor(readEnd);
    const io = makeIo({ buffer: IoBuffer.allocate(10) });
    const callback = makeIo({ offset: -1 });
    let calls = 0;
    callback.iodone = () => {
      calls += 1;
    };
    device.strategy(io);
    const timedOut = expect.objectContaining({ code: 'ETIMEDOUT', syscall: 'read' });
    for (const timeoutMs of [0, -1, 12]) {
      device.strategy(callback);
      const begin = performance.now();
      expect(() => biowait(io, timeoutMs)).toThrow(timedOut);
      expect(performance.now() - begin).toBeGreaterThanOrEqual(timeoutMs);
      expect([io.state, io.error, device.inFlight]).toEqual([IO_STARTED, 0, 1]);
    }
    // The callbacks of other requests run meanwhile.
    expect(calls).toBe(3);
    writeSync(writeEnd, 'data');
    biowait(io, 10_000);
    expect([io.error, io.transferredBytes]).toEqual([0, 4]);
    await device.close();
    closeSync(readEnd);
    closeSync(writeEnd);
  });
});
