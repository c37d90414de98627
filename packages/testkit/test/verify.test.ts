import { constants } from 'node:os';
import { BLOCK_READ, BLOCK_WRITE, openMem } from '@biodone/blockdev';
import {
  blockDeviceConformance,
  checkPattern,
  fillPattern,
  type Mismatch,
  memoryOf,
  openFault,
  openManual,
  openPattern,
  openVerify,
  readRequest,
  request,
  run,
  runSync,
  withProgress,
  writeRequest,
} from '@biodone/testkit';
import { describe, expect, it } from 'vitest';

const { EILSEQ } = constants.errno;

describe('a device that verifies', () => {
  it.each([
    ['corrupt', { operations: [BLOCK_READ], action: { kind: 'corrupt', position: 5, mask: 1 } }],
    ['lost', { operations: [BLOCK_WRITE], skip: 1, action: { kind: 'lost' } }],
    ['torn', { operations: [BLOCK_WRITE], skip: 1, action: { kind: 'torn', sectors: 0 } }],
  ] as const)('tells of the first byte that is wrong: %s', async (_name, rule) => {
    const told: Mismatch[] = [];
    const device = openVerify(openFault(openMem(4096), { rules: [rule] }), {
      contents: 'zeros',
      onMismatch: (mismatch) => told.push(mismatch),
    });
    await run(device, writeRequest(100, Buffer.from('abcdefgh')));
    await run(device, writeRequest(100, Buffer.from('abcdeXgh')));
    const outcome = await run(device, readRequest(100, 8));
    expect(outcome).toEqual({ error: EILSEQ, transferredBytes: 5 });
    expect(told).toHaveLength(1);
    expect(device.firstMismatch).toMatchObject({ offset: 105, expected: 88, readOffset: 100, readLengthBytes: 8 });
    expect(told[0]?.found).toBe(rule.action.kind === 'corrupt' ? 89 : 102);
  });

  it('does not judge what writes in flight have fought over', async () => {
    const below = openManual(4096);
    const device = openVerify(below, { contents: 'zeros' });
    const writes = [1, 2].map((tag) => run(device, writeRequest(0, new Uint8Array(512).fill(tag))));
    const early = run(device, readRequest(0, 512));
    for (const io of [...below.started].reverse()) below.complete(io);
    expect((await Promise.all([...writes, early])).map(({ error }) => error)).toEqual([0, 0, 0]);
    expect(runSync(device, readRequest(0, 512)).error).toBe(0);
    below.contents.fill(7, 0, 1);
    expect(runSync(device, readRequest(0, 512)).error).toBe(EILSEQ);
  });
});

describe('a pattern', () => {
  it('is its own proof: of the place and of the generation', async () => {
    const bytes = new Uint8Array(1000);
    fillPattern(bytes, 12345, 3);
    expect(checkPattern(bytes, 12345, 3)).toBe(-1);
    expect(checkPattern(bytes, 12353, 3)).toBeGreaterThanOrEqual(0);
    expect(checkPattern(bytes, 12345, 4)).toBeGreaterThanOrEqual(0);
    bytes[500] = (bytes[500] as number) ^ 1;
    expect(checkPattern(bytes, 12345, 3)).toBe(500);
    const device = openPattern(2 ** 45, { generation: 3 });
    expect(await run(device, writeRequest(12345, bytes))).toEqual({ error: EILSEQ, transferredBytes: 500 });
    const io = readRequest(2 ** 45 - 512, 512);
    expect((await run(device, io)).error).toBe(0);
    expect(checkPattern(io.buffer?.bytes.subarray(0, 512) ?? new Uint8Array(), 2 ** 45 - 512, 3)).toBe(-1);
    expect(() => device.handle()).toThrow(/ENOTSUP.*one thread/);
  });
});

describe('what waits for progress', () => {
  it('fails with a picture of the device', async () => {
    const device = openManual(4096);
    const io = request(BLOCK_READ, { buffer: memoryOf(new Uint8Array(64)), lengthBytes: 64, offset: 640 });
    await expect(withProgress(device, 'a read', run(device, io), [io], 5)).rejects.toThrow(
      /no progress for 5 ms: a read[\s\S]*read 640\+64/,
    );
  });
});

describe('the conformance suite', () => {
  // The canaries: each of these devices breaks the contract, and the suite has to say so.
  const canaries = {
    'loses a write': { operations: [BLOCK_WRITE], skip: 2, times: Number.POSITIVE_INFINITY, action: { kind: 'lost' } },
    'corrupts a read': { operations: [BLOCK_READ], times: Number.POSITIVE_INFINITY, action: { kind: 'corrupt', position: 300 } },
    'puts a write beside its place': {
      operations: [BLOCK_WRITE],
      fromOffset: 1,
      times: 1,
      action: { kind: 'misdirected', byBytes: -1 },
    },
    'fails now and then': { times: Number.POSITIVE_INFINITY, probability: 0.05, action: { kind: 'error', errno: 5 } },
    hangs: { skip: 1, action: { kind: 'never' } },
  } as const;

  it.each(Object.entries(canaries))(
    'finds a device that %s',
    async (_name, rule) => {
      const tests: [string, () => Promise<void>][] = [];
      const runner = {
        describe: (_: string, define: () => void) => define(),
        it: (name: string, test: () => Promise<void>) => tests.push([name, test]),
      };
      blockDeviceConformance(runner, {
        name: 'canary',
        seed: 1,
        watchdogMs: 50,
        rounds: 50,
        open: () => openFault(openMem(2 ** 20), { rules: [rule] }),
      });
      const failed: string[] = [];
      for (const [name, test] of tests) await test().catch(() => failed.push(name));
      expect(failed.length).toBeGreaterThan(1);
    },
    60_000,
  );
});
