import { constants } from 'node:os';
import {
  BLOCK_DISCARD,
  BLOCK_FUA,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type BlockIo,
  type BlockOperation,
  openMem,
} from '@biodone/blockdev';
import {
  failEveryNth,
  flushRequest,
  openCrash,
  openFault,
  openLogWrites,
  readRequest,
  request,
  run,
  runSync,
  SeededRandom,
  turn,
  writeRequest,
} from '@biodone/testkit';
import { describe, expect, it } from 'vitest';
import { Expected } from './support/expected-after-crash.js';

const { EIO, ENOSPC } = constants.errno;
const BLOCK = 512;
const BLOCKS = 16;
const SCHEDULES = 2000;
const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));

function block(device: BlockDevice, index: number): number[] {
  const io = readRequest(index * BLOCK, BLOCK);
  expect(runSync(device, io).error).toBe(0);
  return [...new Set(io.buffer?.bytes.subarray(0, BLOCK))];
}

/** A change of `count` blocks, to `tag` or to zeros. */
function change(operation: BlockOperation, first: number, count: number, tag: number, flags = 0): BlockIo {
  const [offset, lengthBytes] = [first * BLOCK, count * BLOCK];
  if (operation === BLOCK_WRITE) return writeRequest(offset, new Uint8Array(lengthBytes).fill(tag), flags);
  return request(operation, { offset, lengthBytes, flags });
}

function bytesOf({ buffer, lengthBytes }: BlockIo): Uint8Array {
  return Uint8Array.from(buffer?.bytes.subarray(0, lengthBytes) ?? []);
}

describe.each(['native', 'emulate'] as const)('a device with a volatile cache, BLOCK_FUA %s', (fua) => {
  it('never loses what was flushed or written with BLOCK_FUA', async () => {
    console.log(`crashes: BIODONE_SEED=${seed}`);
    let lost = 0;
    for (let schedule = 0; schedule < SCHEDULES; schedule++) {
      const random = new SeededRandom(seed + schedule);
      const device = openCrash(openMem(BLOCK * BLOCKS), { fua });
      const expected = new Expected(BLOCKS);
      const latest = new Uint8Array(BLOCKS);
      for (let step = 1 + random.below(20), tag = 1; step > 0; step--, tag++) {
        const first = random.below(BLOCKS);
        const count = 1 + random.below(Math.min(4, BLOCKS - first));
        const kind = random.below(5);
        // Zeros of both kinds are writes of the tag 0.
        const operation = random.pick([BLOCK_WRITE, BLOCK_WRITE, BLOCK_WRITE_ZEROES, BLOCK_DISCARD]);
        if (kind === 0) {
          expect((await run(device, flushRequest())).error).toBe(0);
          for (let index = 0; index < BLOCKS; index++) expected.flushed(index, latest[index] as number);
          continue;
        }
        const io = change(operation, first, count, tag, kind === 1 ? BLOCK_FUA : 0);
        expect((kind === 2 ? runSync(device, io) : await run(device, io)).error).toBe(0);
        for (let index = first; index < first + count; index++) {
          const now = operation === BLOCK_WRITE ? tag : 0;
          latest[index] = now;
          expected.written(index, now);
          if (kind === 1) expected.flushed(index, now);
        }
      }
      lost += device.unflushed;
      device.crash({ survive: random.pick([0, 0.2, 0.5, 1]), random });
      for (let index = 0; index < BLOCKS; index++) {
        const tags = block(device, index);
        expect(expected.allows(index, tags), `schedule ${schedule}, block ${index}: ${tags}, BIODONE_SEED=${seed}`).toBe(true);
      }
    }
    expect(lost).toBeGreaterThan(SCHEDULES);
  }, 120_000);

  it('shows what it has until it crashes, and then what was stable', async () => {
    const device = openCrash(openMem(4096), { fua });
    await run(device, writeRequest(0, new Uint8Array(BLOCK).fill(1)));
    await run(device, flushRequest());
    await run(device, writeRequest(0, new Uint8Array(BLOCK).fill(2)));
    expect(block(device, 0)).toEqual([2]);
    device.crash();
    expect(block(device, 0)).toEqual([1]);
    expect(device.unflushed).toBe(0);
  });
});

describe.each([
  ['a write', BLOCK_WRITE],
  ['zeros', BLOCK_WRITE_ZEROES],
  ['a discard', BLOCK_DISCARD],
] as const)('%s on a device that knows BLOCK_FUA', (_name, operation) => {
  it('with it makes its own range stable, and nothing else', async () => {
    const device = openCrash(openMem(8 * BLOCK));
    const after = operation === BLOCK_WRITE ? 3 : 0;
    await run(device, change(BLOCK_WRITE, 0, 8, 1));
    await run(device, flushRequest());
    // Around the range, over its edges and in its middle.
    for (const [first, count] of [
      [0, 8],
      [1, 2],
      [4, 2],
      [3, 1],
      [7, 1],
    ] as const)
      await run(device, change(BLOCK_WRITE, first, count, 2));
    expect((await run(device, change(operation, 2, 3, 3, BLOCK_FUA))).error).toBe(0);
    const blocks = (): number[] => Array.from({ length: 8 }, (_, index) => block(device, index)).flat();
    expect(blocks()).toEqual([2, 2, after, after, after, 2, 2, 2]);
    expect(device.unflushed).toBeGreaterThan(0);
    device.crash();
    expect(blocks()).toEqual([1, 1, after, after, after, 1, 1, 1]);
  });

  it('with it is not undone by a flush of what was written before', async () => {
    const device = openCrash(openMem(8 * BLOCK));
    await run(device, change(BLOCK_WRITE, 0, 8, 1));
    await run(device, change(operation, 2, 3, 3, BLOCK_FUA));
    await run(device, flushRequest());
    device.crash();
    const after = operation === BLOCK_WRITE ? 3 : 0;
    for (let index = 0; index < 8; index++) expect(block(device, index)).toEqual([index >= 2 && index < 5 ? after : 1]);
  });

  it('without it is lost at a crash, and may survive in part', async () => {
    for (const survive of [0, 0.5, 1]) {
      const device = openCrash(openMem(8 * BLOCK));
      await run(device, change(BLOCK_WRITE, 0, 8, 1));
      await run(device, flushRequest());
      await run(device, change(operation, 0, 8, 3));
      device.crash({ survive, random: new SeededRandom(3) });
      const after = operation === BLOCK_WRITE ? 3 : 0;
      const found = new Set(Array.from({ length: 8 }, (_, index) => block(device, index)).flat());
      expect(found).toEqual(new Set(survive === 0 ? [1] : survive === 1 ? [after] : [1, after]));
    }
  });
});

describe('a crash', () => {
  it('ends what is in flight with EIO, and can leave parts of it', async () => {
    const device = openCrash(openMem(4096), { stepped: true });
    const ended = run(device, writeRequest(0, new Uint8Array(4096).fill(9)));
    await turn();
    expect(device.waiting).toBe(1);
    device.crash({ survive: 0.5, random: new SeededRandom(3) });
    expect((await ended).error).toBe(EIO);
    const sectors = Array.from({ length: 8 }, (_, index) => block(device, index));
    expect(sectors.every((tags) => tags.length === 1)).toBe(true);
    expect(new Set(sectors.flat())).toEqual(new Set([0, 9]));
  });

  it('is found by the schedules above if a flush lies', async () => {
    // The canary: a device that loses what a flush should have made stable.
    const crash = openCrash(openMem(4096));
    const device = openFault(crash);
    device.addFault({ operations: [2], action: { kind: 'lost' } });
    await run(device, writeRequest(0, new Uint8Array(BLOCK).fill(1)));
    expect((await run(device, flushRequest())).error).toBe(0);
    crash.crash();
    expect(block(device, 0)).toEqual([0]);
  });

  it('after a flush that failed: later ones fail with the same errno', async () => {
    const device = openFault(openCrash(openMem(4096)));
    device.addFault({ operations: [2], action: { kind: 'error', errno: ENOSPC } });
    expect((await run(device, flushRequest())).error).toBe(ENOSPC);
    expect((await run(device, flushRequest())).error).toBe(ENOSPC);
    expect(runSync(device, flushRequest()).error).toBe(ENOSPC);
  });
});

describe('a log of writes', () => {
  it('makes another device what this one was at each point, and what a crash there could leave', async () => {
    const random = new SeededRandom(seed);
    const device = openLogWrites(openMem(BLOCK * BLOCKS));
    const states: Uint8Array[] = [new Uint8Array(BLOCK * BLOCKS)];
    for (let tag = 1; tag < 60; tag++) {
      const io = random.chance(0.2)
        ? flushRequest()
        : writeRequest(random.below(BLOCKS) * BLOCK, new Uint8Array(BLOCK).fill(tag), random.pick([0, 0, 0, BLOCK_FUA]));
      const before = device.log.length;
      await run(device, io);
      const now = readRequest(0, BLOCK * BLOCKS);
      await run(device, now);
      for (let index = before; index < device.log.length; index++) states.push(bytesOf(now));
    }
    expect(device.flushPoints.length).toBeGreaterThan(3);
    for (let upTo = 0; upTo <= device.log.length; upTo++) {
      const target = openMem(BLOCK * BLOCKS);
      device.replay(target, upTo);
      const seen = readRequest(0, BLOCK * BLOCKS);
      runSync(target, seen);
      const last = device.log[upTo - 1];
      // A write with BLOCK_FUA that the layer flushes is in its state as two entries.
      if (last === undefined || last.kind === 'flush') expect(Buffer.compare(bytesOf(seen), states[upTo] as Uint8Array)).toBe(0);
      const kept = device.replayCrash(openMem(BLOCK * BLOCKS), upTo, random);
      const stable = Math.max(0, ...device.log.slice(0, upTo).map(({ covers }) => covers));
      for (let index = 0; index < stable; index++) expect(kept).toContain(index);
    }
  });
});

describe('each n-th I/O that fails', () => {
  it('is found if somebody lies about it', async () => {
    // The canary: reads that failed are reported as good.
    const lying = (child: BlockDevice): BlockDevice => {
      const device = openFault(child);
      device.addFault({ operations: [0], skip: 3, times: 5, action: { kind: 'corrupt' } });
      return device;
    };
    await expect(failEveryNth({ build: (fault) => lying(fault(openMem(65536))), seed: 5 })).rejects.toThrow(/reads/);
  });
});
