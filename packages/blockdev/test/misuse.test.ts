import { pathToFileURL } from 'node:url';
import {
  attachDevice,
  BLOCK_ABORT,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_EXTENTS,
  BLOCK_WRITE,
  BlockDevice,
  BlockIo,
  type DeviceHandle,
  formatCrypt,
  LatencyHistogram,
  mirrorOf,
  openConcat,
  openCrypt,
  openDevice,
  openFile,
  openMem,
  openMirror,
  openNull,
  openSlice,
  openStripe,
  openThrottle,
  registerDriver,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { programPath, run } from './support/child.js';
import { bufferOf, makeIo, type Order, runSync, start } from './support/requests.js';
import { Scripted } from './support/scripted-device.js';

const EIO = 5;
const EPERM = 1;
const EAGAIN = 11;
const EINVAL = 22;
const coded = (code: string, message = /./): unknown =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });
/** What a caller without a compiler can pass. */
const untyped = (value: unknown): never => value as never;

describe('a request with something of a wrong type in it', () => {
  const wrong: [string, Record<string, unknown>][] = [
    ['a Buffer', { buffer: Buffer.alloc(4) }],
    ['no buffer at all', { buffer: undefined }],
    ['a text', { buffer: 'text' }],
    ['a Buffer to compare with', { operation: BLOCK_COMPARE_AND_WRITE, compare: Buffer.alloc(4) }],
    ['an array for extents', { operation: BLOCK_EXTENTS, extents: [] }],
    ['an array of buffers for a vector', { buffer: null, vector: [IoBuffer.allocate(4)] }],
    ['a buffer for a vector', { buffer: null, vector: IoBuffer.allocate(4) }],
    ['no vector at all', { buffer: null, vector: undefined }],
    ['a number to abort', { operation: BLOCK_ABORT, target: 5 }],
  ];
  it.each(wrong)('ends with EINVAL: %s', async (_, fields) => {
    for (const device of [openMem(4096), openSlice(openMem(4096))]) {
      const io = (): BlockIo => Object.assign(makeIo({ buffer: IoBuffer.allocate(4) }), fields);
      expect((await start(device, io())).error).toBe(EINVAL);
      expect(runSync(device, io()).error).toBe(EINVAL);
      expect(device.inFlight).toBe(0);
      await device.close();
    }
  });
});

describe('a driver that throws', () => {
  it('ends the request with EIO, and the exception is an uncaught one', async () => {
    const { status, stdout, stderr } = await run(process.execPath, [programPath('throwing-driver.mjs')]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      errors: { strategy: EIO, split: EIO, sync: EIO, splitSync: EIO },
      inFlight: 0,
      // The second one is split, and its parts start together.
      uncaught: ['start', 'start', 'start', 'startSync', 'startSync'],
    });
  });
});

describe('options', () => {
  const mem = (): BlockDevice => openMem(65536);
  const cases: [string, () => unknown, unknown][] = [
    [
      'openFile readonly',
      () => openFile('/a', untyped({ readonly: true })),
      coded('ERR_INVALID_ARG_VALUE', /openFile .*'readonly'.*'readOnly'/),
    ],
    ['openFile create', () => openFile('/a', untyped({ create: 'yes' })), coded('ERR_INVALID_ARG_TYPE', /options\.create/)],
    ['openFile engine', () => openFile('/a', untyped({ engine: 'libaio' })), coded('ERR_INVALID_ARG_VALUE', /engine.*'uring'/)],
    ['openFile URL', () => openFile(untyped(pathToFileURL('/a'))), coded('ERR_INVALID_ARG_TYPE', /fileURLToPath/)],
    ['openFile number', () => openFile(untyped(3)), coded('ERR_INVALID_ARG_TYPE', /path/)],
    ['openFile null', () => openFile('/a', untyped(null)), coded('ERR_INVALID_ARG_TYPE', /options/)],
    ['openMem timeoutMs', () => openMem(1, untyped({ timeoutMs: '5' })), coded('ERR_INVALID_ARG_TYPE', /timeoutMs/)],
    ['openMem negative timeoutMs', () => openMem(1, { timeoutMs: -5 }), coded('ERR_OUT_OF_RANGE', /timeoutMs/)],
    ['openMem onTimeout', () => openMem(1, untyped({ onTimeout: 1 })), coded('ERR_INVALID_ARG_TYPE', /onTimeout/)],
    ['openMem blockSize', () => openMem(1, untyped({ blockSize: 1 })), coded('ERR_INVALID_ARG_VALUE', /'blockSizeBytes'/)],
    ['openNull', () => openNull(1, untyped({ pieceMax: 1 })), coded('ERR_INVALID_ARG_VALUE', /'piecesMax'/)],
    ['openNull size', () => openNull(untyped('1')), coded('ERR_OUT_OF_RANGE', /sizeBytes/)],
    ['new BlockDevice', () => new BlockDevice(new Scripted().driver, untyped({ timeoutMs: '5' })), coded('ERR_INVALID_ARG_TYPE')],
    ['openSlice', () => openSlice(mem(), untyped({ offset: 1 })), coded('ERR_INVALID_ARG_VALUE', /'offsetBytes'/)],
    ['openSlice device', () => openSlice(untyped('/a')), coded('ERR_INVALID_ARG_TYPE', /device/)],
    [
      'openConcat',
      () => openConcat([mem()], untyped({ requestsMax: 1 })),
      coded('ERR_INVALID_ARG_VALUE', /requestsMax.*childrenMax/),
    ],
    ['openStripe', () => openStripe([mem()], untyped({ stripBytes: 1 })), coded('ERR_INVALID_ARG_VALUE', /'stripeBytes'/)],
    ['openStripe device', () => openStripe(untyped(mem())), coded('ERR_INVALID_ARG_TYPE', /devices/)],
    ['openStripe paths', () => openStripe(untyped([mem(), '/a'])), coded('ERR_INVALID_ARG_TYPE', /devices\[1\]/)],
    ['openMirror', () => openMirror([mem()], untyped({ degrade: true })), coded('ERR_INVALID_ARG_VALUE', /'degraded'/)],
    ['openMirror paths', () => openMirror(untyped(['/a'])), coded('ERR_INVALID_ARG_TYPE', /devices\[0\]/)],
    ['openCrypt', () => openCrypt(mem(), untyped({ passPhrase: 'x' })), coded('ERR_INVALID_ARG_VALUE', /'passphrase'/)],
    ['formatCrypt', () => formatCrypt(mem(), untyped({ passphrase: 'x', force: 1 })), coded('ERR_INVALID_ARG_TYPE', /force/)],
    ['formatCrypt device', () => formatCrypt(untyped('/a'), { passphrase: 'x' }), coded('ERR_INVALID_ARG_TYPE', /device/)],
    ['openThrottle', () => openThrottle(mem(), {}, untyped({ burstms: 1 })), coded('ERR_INVALID_ARG_VALUE', /'burstMs'/)],
    ['openThrottle limits', () => openThrottle(mem(), untyped({ iop: 1 })), coded('ERR_OUT_OF_RANGE', /iops/)],
    ['openDevice', () => openDevice('mem:1k', untyped({ timeoutms: 1 })), coded('ERR_INVALID_ARG_VALUE', /'timeoutMs'/)],
    ['percentileUs', () => new LatencyHistogram().percentileUs(99), coded('ERR_OUT_OF_RANGE', /share/)],
    ['percentileUs NaN', () => new LatencyHistogram().percentileUs(Number.NaN), coded('ERR_OUT_OF_RANGE', /share/)],
    ['attachDevice', () => attachDevice(untyped(undefined)), coded('ERR_INVALID_ARG_TYPE', /handle/)],
    [
      'attachDevice JSON',
      () => attachDevice(JSON.parse(JSON.stringify(openMem(10).handle())) as DeviceHandle),
      coded('ERR_INVALID_ARG_TYPE', /JSON/),
    ],
  ];
  it.each(cases)('are refused: %s', async (_, call, error) => {
    await expect((async () => call())()).rejects.toEqual(error);
  });

  it('that are undefined are not given', async () => {
    await openMem(512, untyped({ readOnly: undefined, timeoutMs: undefined })).close();
  });

  it('of replace are devices', async () => {
    const mirror = await openMirror([openMem(65536), openMem(65536)], { create: true, halvesAreEqual: true });
    await expect(mirror.replace(0, untyped('/x'))).rejects.toEqual(coded('ERR_INVALID_ARG_TYPE', /device/));
    expect(mirrorOf(mirror.device)).toBe(mirror);
    expect(mirrorOf(openSlice(mirror.device))).toBe(null);
    await mirror.close();
  });

  it('of a spec name a limit for child requests, and find the mirror', async () => {
    const device = await openDevice(
      'mirror(slice(mem:64k,childrenMax=2),concat(mem:64k,childrenMax=3),create=1,halvesAreEqual=1,childrenMax=5)',
    );
    expect(device.limits.maxInFlight).toBe(5);
    expect(
      mirrorOf(device)
        ?.halves()
        .map(({ state }) => state),
    ).toEqual(['good', 'good']);
    await device.close();
  });

  it('a driver that opens nothing is named', async () => {
    const remove = registerDriver({ name: 'empty', summary: 'nothing', options: {}, open: () => untyped(undefined) });
    await expect(openDevice('empty')).rejects.toEqual(coded('ERR_INVALID_ARG_TYPE', /'empty'/));
    remove();
  });
});

describe('a request that a device was not given', () => {
  it('cannot be aborted there', async () => {
    const [one, other] = [new Scripted(), openMem(512)];
    const io = makeIo({ lengthBytes: 512 });
    const ended = start(one.device, io);
    expect(() => other.abort(io)).toThrow(coded('ERR_INVALID_ARG_VALUE') as Error);
    expect(() => other.abort(new BlockIo())).toThrow(coded('ERR_INVALID_ARG_VALUE') as Error);
    const abort = (): BlockIo => Object.assign(makeIo({ operation: BLOCK_ABORT, buffer: null }), { target: io });
    expect((await start(other, abort())).error).toBe(EINVAL);
    expect(runSync(other, abort()).error).toBe(EINVAL);
    expect((await start(one.device, abort())).error).toBe(0);
    await one.endAll();
    expect((await ended).error).toBe(0);
    expect(one.device.abort(io)).toBe('done');
  });
});

describe('a closed device', () => {
  it('is not claimed, made quiet or built on', async () => {
    const device = openMem(65536);
    const readOnly = openMem(65536, { readOnly: true });
    await Promise.all([device.close(), readOnly.close()]);
    expect(() => device.claim('exclusive')).toThrow(coded('EBADF') as Error);
    await expect(device.quiesce()).rejects.toEqual(coded('EBADF'));
    for (const below of [device, readOnly]) {
      expect(() => openSlice(below)).toThrow(coded('EBADF') as Error);
      expect(() => openStripe([below])).toThrow(coded('EBADF') as Error);
      expect(() => openConcat([below])).toThrow(coded('EBADF') as Error);
      expect(() => openThrottle(below, {})).toThrow(coded('EBADF') as Error);
      await expect(openMirror([below])).rejects.toEqual(coded('EBADF'));
      await expect(openCrypt(below, { passphrase: 'x' })).rejects.toEqual(coded('EBADF'));
    }
  });
});

describe('a claim', () => {
  it('gives no right once it is released, also while another holder has it', async () => {
    const device = openMem(512);
    const [one, other] = [device.claim('read-many-write-shared', 'key'), device.claim('read-many-write-shared', 'key')];
    const write = (claim: typeof one): BlockIo => Object.assign(makeIo({ operation: BLOCK_WRITE, lengthBytes: 512 }), { claim });
    expect((await start(device, write(one))).error).toBe(0);
    one.release();
    expect((await start(device, write(one))).error).toBe(EPERM);
    expect((await start(device, write(other))).error).toBe(0);
    expect(() => device.claim('exclusive')).toThrow(coded('EBUSY', /release\(\)/) as Error);
    expect(() => device.claim('read-many-write-shared')).toThrow(coded('ERR_INVALID_ARG_VALUE', /needs a key/) as Error);
    other.release();
    expect(() => device.claim('exclusive', 'key')).toThrow(coded('ERR_INVALID_ARG_VALUE', /no key/) as Error);
    await device.close();
  });
});

describe('a unit that is larger than a block', () => {
  const limits = { blockSizeBytes: 1, transferUnitBytes: 512 };

  it('divides the size', () => {
    expect(() => new Scripted({ limits: { ...limits, sizeBytes: 1000 } })).toThrow(
      coded('ERR_OUT_OF_RANGE', /transferUnitBytes/) as Error,
    );
  });

  it('is written in part by all channels, one after the other', async () => {
    const remove = registerDriver({
      name: 'unit-test',
      summary: 'units',
      options: {},
      open: () => new Scripted({ limits, answer: () => 0 }).device,
      attach: (handle) => new BlockDevice(new Scripted({ limits, answer: () => 0 }).driver, {}, handle),
    });
    const device = await openDevice('unit-test');
    const channel = attachDevice({ ...device.handle(), driver: 'unit-test' });
    const part: Order = { operation: BLOCK_WRITE, buffer: bufferOf('part'), offset: 3 };
    for (const each of [device, channel]) {
      expect((await start(each, makeIo(part))).error).toBe(0);
      expect(runSync(each, makeIo(part)).error).toBe(0);
    }
    await channel.close();
    expect(runSync(device, makeIo(part)).error).toBe(0);
    await device.close();
    remove();
  });
});

describe('strategySync', () => {
  it('does not try again for ever', () => {
    const slept: number[] = [];
    const timers = { now: () => 0, after: () => () => {}, sleep: (delayMs: number) => void slept.push(delayMs) };
    for (const [retryDelayMs, times] of [
      [10, 1000],
      [30_000, 2],
    ] as const) {
      slept.length = 0;
      const { device } = new Scripted({ answer: () => EAGAIN, options: { timers, retryDelayMs } });
      expect(runSync(device, makeIo()).error).toBe(EAGAIN);
      expect(slept.length).toBe(times);
    }
  });
});
