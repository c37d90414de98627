import { constants } from 'node:os';
import {
  BLOCK_ATOMIC,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_NOWAIT,
  BLOCK_READ,
  BLOCK_SYNC,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  openConcat,
  openDevice,
  openMem,
  openMirror,
  openNull,
  openSlice,
  openStripe,
} from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { ask, modes } from './support/ask.js';
import { makeIo, runSync, start } from './support/requests.js';
import { Scripted, turn } from './support/scripted-device.js';

const { EAGAIN, EBUSY, EINVAL, EOPNOTSUPP: ENOTSUP } = constants.errno;
const atOnce = (): number => 0;
const answering = { start, runSync };

describe.each(Object.entries(answering))('BLOCK_NOWAIT, %s', (_name, run) => {
  it('is for reads and writes of devices that know it', async () => {
    const knows = new Scripted({ capabilities: { nowait: true, discard: true }, answer: atOnce });
    const errors = [];
    for (const operation of [BLOCK_READ, BLOCK_WRITE, BLOCK_DISCARD, BLOCK_WRITE_ZEROES, BLOCK_COMPARE_AND_WRITE, BLOCK_FLUSH]) {
      errors.push((await run(knows.device, makeIo({ operation, flags: BLOCK_NOWAIT }))).error);
    }
    expect(errors).toEqual([0, 0, ENOTSUP, ENOTSUP, ENOTSUP, ENOTSUP]);
    expect(knows.log).toEqual(['read 0+4096 flags 8', 'write 0+4096 flags 8']);
    const other = new Scripted({ answer: atOnce });
    for (const operation of [BLOCK_READ, BLOCK_WRITE]) {
      expect((await run(other.device, makeIo({ operation, flags: BLOCK_NOWAIT }))).error).toBe(ENOTSUP);
    }
    expect(other.log).toEqual([]);
  });

  it('EAGAIN of the driver is the answer, and is not tried again', async () => {
    const script = new Scripted({ capabilities: { nowait: true }, answer: () => EAGAIN });
    expect(await run(script.device, makeIo({ flags: BLOCK_NOWAIT }))).toEqual({ error: EAGAIN, transferredBytes: 0 });
    expect([script.log.length, script.device.statistics().retries]).toEqual([1, 0]);
  });

  it('goes to all pieces of a request, and what was moved before EAGAIN counts', async () => {
    const limits = { maxTransferBytes: 1024 };
    const answer = (io: { offset: number }): number => (io.offset < 2048 ? 0 : EAGAIN);
    const script = new Scripted({ limits, capabilities: { nowait: true }, answer });
    expect(await run(script.device, makeIo({ flags: BLOCK_NOWAIT }))).toEqual({ error: EAGAIN, transferredBytes: 2048 });
    expect(script.log.every((line) => line.endsWith('flags 8'))).toBe(true);
  });

  it('goes to the reads of what is copied, and of a unit that is changed in part', async () => {
    const limits = { transferUnitBytes: 512 };
    const script = new Scripted({ limits, capabilities: { nowait: true }, answer: atOnce });
    expect((await run(script.device, makeIo({ flags: BLOCK_NOWAIT, offset: 1, lengthBytes: 10 }))).error).toBe(0);
    const part = makeIo({ operation: BLOCK_WRITE, flags: BLOCK_NOWAIT | BLOCK_FUA, offset: 1, lengthBytes: 10 });
    expect((await run(script.device, part)).error).toBe(0);
    expect(script.log).toEqual(['read 0+512 flags 8', 'read 0+512 flags 8', 'write 0+512 flags 8', 'fsync']);
  });

  it('does not wait for the end of a quiesce, nor for another request’s range', async () => {
    const script = new Scripted({ capabilities: { nowait: true } });
    void script.device.quiesce();
    expect((await run(script.device, makeIo({ flags: BLOCK_NOWAIT }))).error).toBe(EAGAIN);
    expect(runSync(script.device, makeIo()).error).toBe(EBUSY);
    script.device.resume();
    const compare = Object.assign(makeIo({ operation: BLOCK_COMPARE_AND_WRITE }), { compare: IoBuffer.allocate(4096) });
    const compared = start(script.device, compare);
    expect((await run(script.device, makeIo({ operation: BLOCK_WRITE, flags: BLOCK_NOWAIT }))).error).toBe(EAGAIN);
    await script.endAll();
    expect((await compared).error).toBe(0);
  });
});

it('BLOCK_NOWAIT does not wait for room at the driver', async () => {
  const script = new Scripted({ limits: { maxInFlight: 1 }, capabilities: { nowait: true } });
  const first = start(script.device, makeIo());
  expect(await start(script.device, makeIo({ flags: BLOCK_NOWAIT }))).toEqual({ error: EAGAIN, transferredBytes: 0 });
  script.end(script.started[0]);
  expect((await first).error).toBe(0);
  const again = start(script.device, makeIo({ flags: BLOCK_NOWAIT }));
  script.end(script.started[0]);
  expect((await again).error).toBe(0);
});

describe.each(Object.entries(answering))('BLOCK_SYNC, %s', (_name, run) => {
  it('is told to the driver, by writes and flushes of its own and by flushes behind writes', async () => {
    const native = new Scripted({ capabilities: { fua: 'native' }, answer: atOnce });
    const emulating = new Scripted({ answer: atOnce });
    for (const { device } of [native, emulating]) {
      for (const flags of [BLOCK_FUA, BLOCK_SYNC]) {
        expect((await run(device, makeIo({ operation: BLOCK_WRITE, flags }))).error).toBe(0);
      }
      for (const flags of [0, BLOCK_SYNC]) {
        expect((await run(device, makeIo({ operation: BLOCK_FLUSH, flags, buffer: null }))).error).toBe(0);
      }
    }
    expect(native.log).toEqual(['write 0+4096 flags 1', 'write 0+4096 flags 33', 'fsync', 'fsync flags 33']);
    expect(emulating.log).toEqual(['write 0+4096', 'fsync', 'write 0+4096', 'fsync flags 33', 'fsync', 'fsync flags 33']);
  });

  it('is refused where nothing is made stable, and without BLOCK_FUA', async () => {
    const none = new Scripted({ capabilities: { fua: 'none' }, answer: atOnce });
    expect((await run(none.device, makeIo({ operation: BLOCK_WRITE, flags: BLOCK_SYNC }))).error).toBe(ENOTSUP);
    const half = BLOCK_SYNC & ~BLOCK_FUA;
    const other = new Scripted({ answer: atOnce });
    for (const operation of [BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH]) {
      expect((await run(other.device, makeIo({ operation, flags: half }))).error).toBe(ENOTSUP);
    }
    expect(other.log).toEqual([]);
  });
});

describe('BLOCK_ATOMIC', () => {
  const limits = { atomicWriteMinBytes: 512, atomicWriteMaxBytes: 4096, memoryAlignmentBytes: 512 };
  const atomic = (fields: object = {}): ReturnType<typeof makeIo> =>
    makeIo({ operation: BLOCK_WRITE, flags: BLOCK_ATOMIC, buffer: IoBuffer.allocate(65536), lengthBytes: 4096, ...fields });

  it.each(Object.entries(answering))('goes to the driver as one request: %s', async (_name, run) => {
    const script = new Scripted({ limits, answer: atOnce });
    expect(await run(script.device, atomic({ offset: 8192 }))).toEqual({ error: 0, transferredBytes: 4096 });
    expect(await run(script.device, atomic({ flags: BLOCK_ATOMIC | BLOCK_FUA, lengthBytes: 512, offset: 512 }))).toMatchObject({
      error: 0,
    });
    expect(script.log).toEqual(['write 8192+4096 flags 16', 'write 512+512 flags 16', 'fsync']);
  });

  it.each(Object.entries(answering))('is EINVAL where it could not be one: %s', async (_name, run) => {
    const script = new Scripted({ limits, answer: atOnce });
    const wrong = [
      { lengthBytes: 256 },
      { lengthBytes: 8192 },
      { lengthBytes: 1536 },
      { lengthBytes: 0 },
      { lengthBytes: 4096, offset: 512 },
      // The memory would have to be copied in pieces.
      { bufferOffset: 1 },
    ];
    for (const fields of wrong) expect([fields, (await run(script.device, atomic(fields))).error]).toEqual([fields, EINVAL]);
    const segment = (memory: IoBuffer) => ({ memory, memoryOffset: 0, lengthBytes: 512 });
    const vector = new IoVector([segment(IoBuffer.allocate(512)), segment(IoBuffer.allocate(512))]);
    const inTwo = Object.assign(atomic({ buffer: null, lengthBytes: 1024 }), { vector });
    expect((await run(script.device, inTwo)).error).toBe(EINVAL);
    expect(script.log).toEqual([]);
  });

  it('is ENOTSUP on a device that tells no limits, and for what is no write', async () => {
    expect(runSync(new Scripted({ answer: atOnce }).device, atomic()).error).toBe(ENOTSUP);
    const script = new Scripted({ limits, capabilities: { discard: true }, answer: atOnce });
    for (const operation of [BLOCK_READ, BLOCK_DISCARD, BLOCK_WRITE_ZEROES, BLOCK_FLUSH]) {
      expect(runSync(script.device, atomic({ operation })).error).toBe(ENOTSUP);
    }
  });

  it('limits that are no powers of two are refused with the device', () => {
    for (const wrong of [
      { atomicWriteMinBytes: 512 },
      { atomicWriteMinBytes: 3, atomicWriteMaxBytes: 4096 },
      { atomicWriteMinBytes: 8, atomicWriteMaxBytes: 4 },
    ]) {
      expect(() => new Scripted({ limits: wrong })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    }
  });
});

describe('memory disks, and stacks of them', () => {
  const most = (device: { limits: { atomicWriteMinBytes: number; atomicWriteMaxBytes: number } }): number[] => [
    device.limits.atomicWriteMinBytes,
    device.limits.atomicWriteMaxBytes,
  ];

  it.each(modes)('never wait, and write as a whole: %s', async (mode) => {
    for (const device of [openMem(65536, { blockSizeBytes: 512 }), openNull()]) {
      const buffer = IoBuffer.allocate(4096);
      for (const [operation, flags] of [
        [BLOCK_READ, BLOCK_NOWAIT],
        [BLOCK_WRITE, BLOCK_NOWAIT | BLOCK_ATOMIC | BLOCK_SYNC],
      ] as const) {
        const io = await ask(device, mode, { operation, flags, buffer, offset: 4096, lengthBytes: 4096 });
        expect([io.error, io.transferredBytes]).toEqual([0, 4096]);
      }
      await device.close();
    }
  });

  it('a stack takes atomic writes that lie on one of its devices, at a multiple of their length there too', async () => {
    const mem = (sizeBytes = 2 ** 20) => openMem(sizeBytes, { blockSizeBytes: 512 });
    expect(most(mem())).toEqual([512, 2 ** 30]);
    expect(most(openMem(3000, { blockSizeBytes: 1000 }))).toEqual([0, 0]);
    expect(most(openSlice(mem()))).toEqual([512, 2 ** 30]);
    expect(most(openSlice(mem(), { offsetBytes: 3 * 4096 }))).toEqual([512, 4096]);
    expect(most(openStripe([mem(), mem()], { stripeBytes: 3 * 8192 }))).toEqual([512, 8192]);
    expect(most(openConcat([mem(5 * 2048), mem()]))).toEqual([512, 2048]);
    const stripe = openStripe([mem(), mem()], { stripeBytes: 3 * 8192 });
    const buffer = IoBuffer.allocate(8192);
    for (const mode of modes) {
      const fields = { operation: BLOCK_WRITE, flags: BLOCK_ATOMIC | BLOCK_NOWAIT, buffer, lengthBytes: 8192 } as const;
      for (let offset = 0; offset < 2 ** 18; offset += 8192)
        expect((await ask(stripe, mode, { ...fields, offset })).error).toBe(0);
      expect((await ask(stripe, mode, { ...fields, offset: 4096 })).error).toBe(EINVAL);
    }
    await stripe.close();
  });

  it('a stack knows BLOCK_NOWAIT if all of its devices do, and is not tried again', async () => {
    const script = new Scripted({ capabilities: { nowait: true }, answer: () => EAGAIN });
    const known = openConcat([script.device, openMem(65536)]);
    expect(known.capabilities.nowait).toBe(true);
    expect((await ask(known, 'strategy', { flags: BLOCK_NOWAIT, buffer: IoBuffer.allocate(512), lengthBytes: 512 })).error).toBe(
      EAGAIN,
    );
    await turn();
    expect(script.log).toEqual(['read 0+512 flags 8']);
    expect(openConcat([new Scripted().device, openMem(65536)]).capabilities.nowait).toBe(false);
  });

  it.each([
    'mirror(mem:1m, mem:1m, create=1)',
    'raid(1, mem:1m, mem:1m, create=1)',
    'raid(5, 4k, mem:1m, mem:1m, mem:1m, create=1)',
    'cache(mem:1m)',
    'cow(mem:1m)',
    'snapshots(mem:1m)',
    'checksum(mem:1m, create=1)',
    'throttle(mem:1m)',
  ])('%s, where requests may wait for each other, refuses BLOCK_NOWAIT and BLOCK_ATOMIC', async (spec) => {
    const device = await openDevice(spec);
    expect(device.capabilities.nowait).toBe(false);
    for (const mode of modes) {
      for (const operation of [BLOCK_READ, BLOCK_WRITE] as const) {
        const fields = { operation, flags: BLOCK_NOWAIT, buffer: IoBuffer.allocate(4096), lengthBytes: 4096 };
        expect((await ask(device, mode, fields)).error).toBe(ENOTSUP);
      }
      const atomic = { operation: BLOCK_WRITE, flags: BLOCK_ATOMIC, buffer: IoBuffer.allocate(4096), lengthBytes: 4096 } as const;
      expect((await ask(device, mode, atomic)).error).toBe(ENOTSUP);
    }
    await device.close();
  });

  it('a half that would have to wait is not taken out of its mirror', async () => {
    const script = new Scripted({
      limits: { sizeBytes: 65536 },
      capabilities: { nowait: true },
      answer: ({ flags }) => ((flags & BLOCK_NOWAIT) !== 0 ? EAGAIN : 0),
    });
    const mirror = await openMirror([openMem(65536), script.device], { create: true, halvesAreEqual: true });
    const write = { operation: BLOCK_WRITE, flags: BLOCK_NOWAIT, buffer: IoBuffer.allocate(4096), lengthBytes: 4096 } as const;
    for (const mode of modes) expect((await ask(mirror.device, mode, write)).error).toBe(ENOTSUP);
    expect(mirror.halves().map(({ state }) => state)).toEqual(['good', 'good']);
    await mirror.close();
  });
});
