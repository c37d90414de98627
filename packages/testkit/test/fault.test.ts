import { constants } from 'node:os';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockDevice, biowait, openMem } from '@biodone/blockdev';
import {
  type FaultAction,
  openFault,
  openManual,
  readRequest,
  run,
  runSync,
  turn,
  VirtualTime,
  writeRequest,
} from '@biodone/testkit';
import { IoVector } from '@biodone/uring';
import { describe, expect, it } from 'vitest';

const { EAGAIN, ECANCELED, EIO, ETIMEDOUT } = constants.errno;
const text = async (device: BlockDevice, length: number, offset = 0): Promise<string> => {
  const io = readRequest(offset, length);
  await run(device, io);
  return Buffer.from(io.buffer?.bytes.subarray(0, length) ?? []).toString();
};
const put = (device: BlockDevice, bytes: string, offset = 0) => run(device, writeRequest(offset, Buffer.from(bytes)));

describe('a rule', () => {
  it('strikes by operation, range, n-th and number, and counts', async () => {
    const device = openFault(openMem(8192));
    const action: FaultAction = { kind: 'error', errno: EIO };
    const fault = device.addFault({ action, operations: [BLOCK_READ], fromOffset: 100, beforeOffset: 200, skip: 1, times: 2 });
    const errors: number[] = [];
    for (const offset of [0, 100, 199, 50, 200, 150, 150]) errors.push((await run(device, readRequest(offset, 51))).error);
    expect(errors).toEqual([0, 0, EIO, EIO, 0, 0, 0]);
    expect((await put(device, 'x', 150)).error).toBe(0);
    expect([fault.matched, fault.fired, device.seen]).toEqual([5, 2, 8]);
    device.addFault({ action, operations: [BLOCK_FLUSH], times: Number.POSITIVE_INFINITY });
    device.clearFaults();
    expect(device.faults).toEqual([]);
    expect((await run(device, readRequest(100, 1))).error).toBe(0);
  });

  it('with a probability strikes the same requests for the same seed', async () => {
    const pattern = async (seed: number): Promise<string> => {
      const rules = [{ action: { kind: 'error', errno: EIO }, probability: 0.3, times: Number.POSITIVE_INFINITY } as const];
      const device = openFault(openMem(512), { seed, rules });
      let errors = '';
      for (let index = 0; index < 200; index++) errors += (await run(device, readRequest(0, 1))).error === 0 ? '.' : 'x';
      return errors;
    };
    const first = await pattern(7);
    expect(await pattern(7)).toBe(first);
    expect(await pattern(8)).not.toBe(first);
    expect(first.replaceAll('.', '').length).toBeGreaterThan(30);
    expect(first.replaceAll('.', '').length).toBeLessThan(90);
  });
});

describe('a fault', () => {
  it('of EAGAIN is tried again by the layer', async () => {
    const timers = new VirtualTime();
    const device = openFault(openMem(512), { timers, rules: [{ action: { kind: 'error', errno: EAGAIN }, times: 3 }] });
    const ended = put(device, 'x');
    for (let index = 0; index < 3; index++) timers.advance(10);
    expect((await ended).error).toBe(0);
    expect(device.statistics().retries).toBe(3);
  });

  it('of a delay takes as long as it says, in both ways, and can be aborted', async () => {
    const timers = new VirtualTime();
    const action: FaultAction = { kind: 'delay', delayMs: 100 };
    const device = openFault(openMem(512), { timers, rules: [{ action, times: Number.POSITIVE_INFINITY }] });
    let done = false;
    const ended = put(device, 'x').then(() => {
      done = true;
    });
    timers.advance(99);
    await turn();
    expect(done).toBe(false);
    timers.advance(1);
    await ended;
    expect(runSync(device, readRequest(0, 1)).error).toBe(0);
    expect(timers.now()).toBe(200);
    const waited = readRequest(0, 1);
    device.strategy(waited);
    biowait(waited);
    expect([waited.error, timers.now()]).toEqual([0, 300]);
    const aborted = readRequest(0, 1);
    const outcome = run(device, aborted);
    expect(device.abort(aborted)).toBe('cancelled');
    expect((await outcome).error).toBe(ECANCELED);
    expect(timers.pending).toBe(0);
  });

  it('of never ends by abort alone', async () => {
    const device = openFault(openMem(512), { rules: [{ action: { kind: 'never' }, times: 4 }] });
    const [one, two, three] = [readRequest(0, 1), readRequest(0, 1), readRequest(0, 1)];
    const ended = run(device, one);
    await turn();
    expect(device.stuck).toBe(1);
    expect(device.abort(one)).toBe('cancelled');
    expect((await ended).error).toBe(ECANCELED);
    expect(runSync(device, two).error).toBe(ETIMEDOUT);
    device.strategy(three);
    expect(() => biowait(three)).toThrow(/EDEADLK/);
    device.endStuck(EIO);
    expect(three.error).toBe(EIO);
  });

  it('of corruption flips what is read, or written, and never the caller’s own bytes', async () => {
    const device = openFault(openMem(512));
    await put(device, 'abcdef');
    device.addFault({ operations: [BLOCK_READ], action: { kind: 'corrupt', position: 2, lengthBytes: 2, mask: 1 } });
    expect(await text(device, 6)).toBe('abbeef');
    expect(await text(device, 6)).toBe('abcdef');
    device.addFault({ operations: [BLOCK_WRITE], action: { kind: 'corrupt', mask: 1 } });
    const write = writeRequest(0, Buffer.from('abcdef'));
    expect(runSync(device, write).error).toBe(0);
    expect(write.buffer?.bytes[0]).toBe(97);
    expect(await text(device, 6)).toBe('`bcdef');
    // Whether the device below takes both parts at once or one after the other, each byte is within the first six.
    device.addFault({ operations: [BLOCK_READ], times: 2, action: { kind: 'corrupt', lengthBytes: 6, mask: 1 } });
    const parts = [readRequest(0, 1), readRequest(0, 5)].map(({ buffer, lengthBytes }) => ({ memory: buffer, lengthBytes }));
    const io = Object.assign(readRequest(0, 6), {
      buffer: null,
      vector: new IoVector(parts as ConstructorParameters<typeof IoVector>[0]),
    });
    await run(device, io);
    expect(parts[1]?.memory?.bytes[0]).toBe(99);
  });

  it('of a torn write leaves whole sectors, with an error or silently', async () => {
    for (const errno of [EIO, undefined]) {
      for (const way of ['strategy', 'strategySync']) {
        const below = openMem(4096);
        const device = openFault(below);
        device.addFault({ action: { kind: 'torn', sectors: 2, ...(errno === undefined ? {} : { errno }) } });
        const io = writeRequest(0, new Uint8Array(2048).fill(1));
        const outcome = way === 'strategy' ? await run(device, io) : runSync(device, io);
        expect(outcome).toEqual(
          errno === undefined ? { error: 0, transferredBytes: 2048 } : { error: EIO, transferredBytes: 1024 },
        );
        const seen = readRequest(0, 2048);
        runSync(device, seen);
        expect(seen.buffer?.bytes.indexOf(0)).toBe(1024);
        await device.close();
      }
    }
  });

  it('of a wrong place, or of none', async () => {
    const device = openFault(openMem(512));
    device.addFault({ action: { kind: 'misdirected', byBytes: 10 } });
    await put(device, 'there');
    expect(await text(device, 15)).toBe(`${'\0'.repeat(10)}there`);
    device.addFault({ action: { kind: 'lost' } });
    expect(await put(device, 'lost')).toEqual({ error: 0, transferredBytes: 4 });
    expect(await text(device, 4)).toBe('\0\0\0\0');
  });

  it('leaves abort to the device below where it has the request', async () => {
    const below = openManual(512, { abortable: true });
    const device = openFault(below);
    const io = readRequest(0, 1);
    const ended = run(device, io);
    expect(device.abort(io)).toBe('cancelled');
    expect((await ended).error).toBe(ECANCELED);
  });
});
