import { constants } from 'node:os';
import { BLOCK_COMPARE_AND_WRITE, BLOCK_FLUSH, BLOCK_FUA, BLOCK_READ, BLOCK_WRITE, type BlockIo } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { bufferOf, makeIo, runSync, start } from './support/requests.js';
import { Scripted, turn } from './support/scripted-device.js';
import { VirtualTime } from './support/virtual-time.js';

const { EINVAL, EIO, ENOTSUP } = constants.errno;

const stableWrite = (): BlockIo => makeIo({ operation: BLOCK_WRITE, buffer: bufferOf('x'), flags: BLOCK_FUA });
const flush = (): BlockIo => makeIo({ operation: BLOCK_FLUSH, buffer: null });

describe('a stable write that fails', () => {
  it.each([false, true])('lets no later flush say that all is well (synchronous: %s)', async (sync) => {
    const script = new Scripted({ capabilities: { fua: 'native' } });
    const run = (io: BlockIo): unknown => (sync ? runSync(script.device, io) : start(script.device, io));
    script.answer = (io) => (io.operation === BLOCK_WRITE ? EIO : 0);
    expect(await run(stableWrite())).toMatchObject({ error: EIO });
    expect(await run(flush())).toMatchObject({ error: EIO });
  });

  it.each([EINVAL, ENOTSUP])('because it was refused says nothing of others: errno %s', async (errno) => {
    const script = new Scripted({ capabilities: { fua: 'native' } });
    script.answer = (io) => (io.operation === BLOCK_WRITE ? errno : 0);
    expect(await start(script.device, stableWrite())).toMatchObject({ error: errno });
    expect(await start(script.device, flush())).toMatchObject({ error: 0 });
  });
});

describe('a read of what is compared and written', () => {
  it('sees all of it or nothing', async () => {
    const script = new Scripted({ limits: { maxTransferBytes: 512 } });
    const written = IoBuffer.allocate(1024);
    written.bytes.fill(7);
    const change = makeIo({ operation: BLOCK_COMPARE_AND_WRITE, buffer: written });
    change.compare = IoBuffer.allocate(1024);
    const changed = start(script.device, change);
    await turn();
    for (const io of [...script.started]) script.end(io);
    await turn();
    // Both parts of the write are with the driver; one of them ends.
    script.end(script.started[0]);
    const seen = IoBuffer.allocate(1024);
    const read = start(script.device, makeIo({ operation: BLOCK_READ, buffer: seen }));
    await script.endAll();
    expect(await changed).toMatchObject({ error: 0, transferredBytes: 1024 });
    await script.endAll();
    expect(await read).toMatchObject({ error: 0 });
    expect(new Set(seen.bytes)).toEqual(new Set([7]));
  });
});

describe('a long write', () => {
  it('ends where its device has ended meanwhile', async () => {
    const script = new Scripted({ limits: { maxTransferBytes: 1024 } });
    const done = start(script.device, makeIo({ operation: BLOCK_WRITE, buffer: IoBuffer.allocate(65_536) }));
    await turn();
    script.events?.resized(16_384);
    await script.endAll();
    expect(await done).toEqual({ error: EINVAL, transferredBytes: 16_384 });
    expect(script.log.every((entry) => Number(entry.match(/ (\d+)\+/)?.[1]) < 16_384)).toBe(true);
  });
});

describe('a report that throws', () => {
  it('keeps nobody else from being reported', async () => {
    const timers = new VirtualTime();
    const reported: number[] = [];
    const thrown: unknown[] = [];
    const onError = (error: unknown): void => void thrown.push(error);
    process.prependOnceListener('uncaughtException', onError);
    const onTimeout = ({ offset }: BlockIo): void => {
      reported.push(offset);
      if (offset === 1) throw new Error('from the report');
    };
    const script = new Scripted({ options: { timers, timeoutMs: 100, onTimeout } });
    const all = [1, 2].map((offset) => start(script.device, makeIo({ operation: BLOCK_WRITE, buffer: bufferOf('x'), offset })));
    await turn();
    const others = process.listeners('uncaughtException').filter((listener) => listener !== onError);
    for (const listener of others) process.off('uncaughtException', listener);
    timers.advance(400);
    await turn();
    for (const listener of others) process.on('uncaughtException', listener);
    expect(reported).toEqual([1, 2]);
    expect(thrown).toHaveLength(1);
    await script.endAll();
    await Promise.all(all);
  });
});
