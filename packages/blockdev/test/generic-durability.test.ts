import { constants } from 'node:os';
import { BLOCK_DISCARD, BLOCK_FLUSH, BLOCK_FUA, BLOCK_WRITE, BLOCK_WRITE_ZEROES, type BlockIo } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { flush, makeIo, runSync, start, write } from './support/requests.js';
import { Scripted, turn } from './support/scripted-device.js';

const { EIO, ECANCELED, ENOSPC, EOPNOTSUPP: ENOTSUP } = constants.errno;
const atOnce = (): number => 0;
const stable = (operation: number, lengthBytes = 512): BlockIo =>
  Object.assign(makeIo({ operation, lengthBytes, ...(operation === BLOCK_WRITE ? {} : { buffer: null }) }), { flags: BLOCK_FUA });

describe('what is to be stable', () => {
  it('is written, and only then flushed', async () => {
    const script = new Scripted();
    const ended = start(script.device, stable(BLOCK_WRITE));
    expect(script.log).toEqual(['write 0+512']);
    script.end(script.started[0]);
    await turn();
    expect(script.log).toEqual(['write 0+512', 'fsync']);
    script.end(script.started[0]);
    expect(await ended).toEqual({ error: 0, transferredBytes: 512 });
  });

  it('is not flushed if the write has failed, and has moved everything if the flush has', async () => {
    const script = new Scripted({ answer: (io) => (io.operation === BLOCK_WRITE ? ENOSPC : 0) });
    expect(await start(script.device, stable(BLOCK_WRITE))).toEqual({ error: ENOSPC, transferredBytes: 0 });
    expect(script.log).toEqual(['write 0+512']);
    const other = new Scripted({ answer: (io) => (io.operation === BLOCK_FLUSH ? EIO : 0) });
    expect(await start(other.device, stable(BLOCK_WRITE))).toEqual({ error: EIO, transferredBytes: 512 });
  });

  it.each([BLOCK_WRITE, BLOCK_WRITE_ZEROES, BLOCK_DISCARD])(
    'the driver never sees the flag unless it knows it: operation %i',
    async (operation) => {
      for (const run of [
        (script: Scripted, io: BlockIo) => start(script.device, io),
        (script: Scripted, io: BlockIo) => runSync(script.device, io),
      ]) {
        const capabilities = { discard: true, zeroes: 'native' } as const;
        const emulating = new Scripted({ capabilities, answer: atOnce });
        expect(await run(emulating, stable(operation))).toEqual({ error: 0, transferredBytes: 512 });
        expect(emulating.log.map((line) => line.replace(/^[a-z-]+ 0/, '0'))).toEqual(['0+512', 'fsync']);
        const native = new Scripted({ capabilities: { ...capabilities, fua: 'native' }, answer: atOnce });
        expect(await run(native, stable(operation))).toEqual({ error: 0, transferredBytes: 512 });
        expect(native.log.map((line) => line.replace(/^[a-z-]+ 0/, '0'))).toEqual(['0+512 flags 1']);
        const none = new Scripted({ capabilities: { ...capabilities, fua: 'none' }, answer: atOnce });
        expect((await run(none, stable(operation))).error).toBe(ENOTSUP);
      }
    },
  );
});

describe('after a flush has failed', () => {
  it('all later ones fail with the same errno, however they come', async () => {
    const script = new Scripted({ answer: (io) => (io.operation === BLOCK_FLUSH ? EIO : 0) });
    expect((await flush(script.device)).error).toBe(EIO);
    script.answer = (io) => (io.operation === BLOCK_FLUSH ? ENOSPC : 0);
    expect((await flush(script.device)).error).toBe(EIO);
    expect(runSync(script.device, makeIo({ operation: BLOCK_FLUSH, buffer: null })).error).toBe(EIO);
    expect((await start(script.device, stable(BLOCK_WRITE))).error).toBe(EIO);
    expect((await write(script.device, 'x', 0)).error).toBe(0);
  });

  it('one that was under way beside it fails too: it may have found nothing left to write', async () => {
    const script = new Scripted();
    const both = [flush(script.device), flush(script.device)];
    const [first, second] = [...script.started];
    script.end(first, EIO);
    script.end(second);
    expect((await Promise.all(both)).map(({ error }) => error)).toEqual([EIO, EIO]);
  });

  it('a write that was to be stable and had begun before fails too', async () => {
    const script = new Scripted();
    const ended = start(script.device, stable(BLOCK_WRITE));
    const other = flush(script.device);
    const [piece, failing] = [...script.started];
    script.end(failing, EIO);
    script.end(piece);
    await script.endAll();
    expect((await other).error).toBe(EIO);
    expect((await ended).error).toBe(EIO);
  });

  it('one that waited while the device was quiesced fails too', async () => {
    const script = new Scripted();
    const failing = flush(script.device);
    const quiet = script.device.quiesce();
    const held = flush(script.device);
    await script.endAll(EIO);
    await quiet;
    expect((await failing).error).toBe(EIO);
    script.device.resume();
    expect((await held).error).toBe(EIO);
    expect(script.log).toEqual(['fsync']);
  });

  it('a flush that was only cancelled has not failed', async () => {
    const script = new Scripted({ limits: { maxInFlight: 1 }, abortable: true });
    const ios = [0, 1].map(() => makeIo({ operation: BLOCK_FLUSH, buffer: null }));
    const both = ios.map((io) => start(script.device, io));
    for (const io of [...ios].reverse()) expect(script.device.abort(io)).toBe('cancelled');
    expect((await Promise.all(both)).map(({ error }) => error)).toEqual([ECANCELED, ECANCELED]);
    script.answer = atOnce;
    expect((await flush(script.device)).error).toBe(0);
  });
});
