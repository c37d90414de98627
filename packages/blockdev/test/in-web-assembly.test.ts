import { constants } from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import {
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockDevice,
  type BlockIo,
  openChecksum,
  openMem,
  openRaid,
  type RaidDevice,
  raidOf,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { programPath, run } from './support/child.js';
import { type FaultDevice, type FaultOptions, openFaulty } from './support/fault-device.js';
import { seededRandom } from './support/random.js';
import { makeIo, runSync, start } from './support/requests.js';

const { EIO } = constants.errno;
const STRIPE = 4096;
const ROW = 3 * STRIPE;
const ROWS = 16;
const raid = (device: BlockDevice): RaidDevice => raidOf(device) as RaidDevice;

/** A raid of level 5 of four components, and whose memory the writes had that they got since. */
async function openArray(options: Partial<FaultOptions> = {}): Promise<{
  faulty: FaultDevice[];
  device: BlockDevice;
  written: Set<unknown>;
}> {
  const written = new Set<unknown>();
  const memories = Array.from({ length: 4 }, () => Buffer.alloc(ROWS * STRIPE + 8192));
  const faulty = memories.map((memory) => openFaulty({ memory, capabilities: { fua: 'native' }, ...options }));
  const device = await openRaid(
    faulty.map((each) => each.device),
    // One region, which the first write marks.
    { create: true, assumeClean: true, stripeBytes: STRIPE, regionBytes: 2 ** 20 },
  );
  expect((await start(device, rowWrite(IoBuffer.allocate(ROW), 0, 0))).error).toBe(0);
  for (const each of faulty) {
    each.fail = (io) => {
      if (io.operation === BLOCK_WRITE) written.add(io.buffer);
      return 0;
    };
  }
  return { faulty, device, written };
}

function rowWrite(buffer: IoBuffer, bufferOffset: number, row: number): BlockIo {
  return makeIo({ operation: BLOCK_WRITE, buffer, bufferOffset, offset: row * ROW, lengthBytes: ROW });
}

function randomize(buffer: IoBuffer, random: (below: number) => number): void {
  for (let at = 0; at < buffer.lengthBytes; at++) buffer.bytes[at] = random(256);
}

/** What a row says; as it is, or made of the others where a component has been taken out. */
async function rowOf(device: BlockDevice, row: number): Promise<Buffer> {
  const io = makeIo({ operation: BLOCK_READ, buffer: IoBuffer.allocate(ROW), offset: row * ROW, lengthBytes: ROW });
  expect((await start(device, io)).error).toBe(0);
  return Buffer.from((io.buffer as IoBuffer).bytes);
}

describe('a raid of level 5, from memory that WebAssembly sees', () => {
  it('writes whole rows from where they are, by callback and in the calling thread, with the parity that goes with them', async () => {
    const random = seededRandom('rows in WebAssembly');
    const { device, written } = await openArray();
    const buffer = IoBuffer.inWebAssembly(3 * ROW);
    randomize(buffer, random);
    const [first, second] = [rowWrite(buffer, 1, 3), rowWrite(buffer, ROW + 77, 9)];
    expect(await start(device, first)).toEqual({ error: 0, transferredBytes: ROW });
    expect(runSync(device, second)).toEqual({ error: 0, transferredBytes: ROW });
    expect([...written]).toEqual([buffer, buffer.scratch?.buffer]);
    expect(await raid(device).scrub()).toMatchObject({ mismatches: 0, unreadable: 0 });
    raid(device).fail(1);
    expect((await rowOf(device, 3)).equals(buffer.bytes.subarray(1, 1 + ROW))).toBe(true);
    expect((await rowOf(device, 9)).equals(buffer.bytes.subarray(ROW + 77, 2 * ROW + 77))).toBe(true);
    // Without a component, too.
    const third = rowWrite(buffer, 13, 5);
    expect((await start(device, third)).error).toBe(0);
    expect((await rowOf(device, 5)).equals(buffer.bytes.subarray(13, 13 + ROW))).toBe(true);
    await device.close();
  });

  it('copies other memory, and what is not a whole row or comes together with others', async () => {
    const { device, written } = await openArray();
    const other = IoBuffer.allocate(ROW);
    const buffer = IoBuffer.inWebAssembly(ROW);
    buffer.bytes.fill(7);
    expect((await start(device, rowWrite(other, 0, 1))).error).toBe(0);
    const half = makeIo({ operation: BLOCK_WRITE, buffer, offset: 2 * ROW, lengthBytes: ROW / 2 });
    const rest = makeIo({ operation: BLOCK_WRITE, buffer, bufferOffset: ROW / 2, offset: 2.5 * ROW, lengthBytes: ROW / 2 });
    expect((await Promise.all([start(device, half), start(device, rest)])).map(({ error }) => error)).toEqual([0, 0]);
    const alone = makeIo({ operation: BLOCK_WRITE, buffer, offset: 4 * ROW, lengthBytes: STRIPE });
    expect((await start(device, alone)).error).toBe(0);
    expect(written.has(other) || written.has(buffer) || written.has(buffer.scratch?.buffer)).toBe(false);
    expect(await raid(device).scrub()).toMatchObject({ mismatches: 0, unreadable: 0 });
    expect((await rowOf(device, 2)).every((byte) => byte === 7)).toBe(true);
    await device.close();
  });

  it('copies what there is no room for the parity of, and has room again when that is written', async () => {
    const random = seededRandom('more rows than scratch');
    const { device, written } = await openArray({ pick: random });
    const buffer = IoBuffer.inWebAssembly(8 * ROW);
    for (let round = 0; round < 3; round++) {
      randomize(buffer, random);
      written.clear();
      const writes = Array.from({ length: 8 }, (_, row) => start(device, rowWrite(buffer, row * ROW, row + 1)));
      expect((await Promise.all(writes)).map(({ error }) => error)).toEqual(new Array(8).fill(0));
      // Four are written from where they are, and four from the memory of the raid.
      expect([written.has(buffer), written.has(buffer.scratch?.buffer), written.size]).toEqual([true, true, 3]);
      for (let row = 0; row < 8; row++) {
        expect((await rowOf(device, row + 1)).equals(buffer.bytes.subarray(row * ROW, (row + 1) * ROW))).toBe(true);
      }
      expect(await raid(device).scrub()).toMatchObject({ mismatches: 0, unreadable: 0 });
    }
    await device.close();
  });

  it('takes out a component that cannot be written, and has its data in the parity', async () => {
    const { device, faulty } = await openArray();
    const buffer = IoBuffer.inWebAssembly(ROW);
    randomize(buffer, seededRandom('a component fails'));
    const broken = faulty[2] as FaultDevice;
    broken.fail = () => EIO;
    broken.moved = () => 0;
    expect((await start(device, rowWrite(buffer, 0, 6))).error).toBe(0);
    expect(raid(device).state).toBe('degraded');
    expect((await rowOf(device, 6)).equals(buffer.bytes)).toBe(true);
    await device.close();
  });

  it.each([
    ['that memory', 'no other row than this one', (lengthBytes: number) => IoBuffer.inWebAssembly(lengthBytes), 1],
    ['any other memory', 'nothing', (lengthBytes: number) => IoBuffer.allocate(lengthBytes), 0],
  ] as const)('who changes %s while it is written harms %s', async (_, __, allocate, mismatches) => {
    const { device, faulty } = await openArray({ pick: () => 0 });
    for (const each of faulty) each.device.quiesce();
    const buffer = allocate(2 * ROW);
    buffer.bytes.fill(1);
    const writes = [start(device, rowWrite(buffer, 0, 4)), start(device, rowWrite(buffer, ROW, 5))];
    await turn();
    buffer.bytes[100] = 99;
    for (const each of faulty) each.device.resume();
    expect((await Promise.all(writes)).map(({ error }) => error)).toEqual([0, 0]);
    expect((await rowOf(device, 4))[100]).toBe(mismatches === 0 ? 1 : 99);
    expect(await raid(device).scrub()).toMatchObject({ mismatches, unreadable: 0 });
    expect(await raid(device).scrub()).toMatchObject({ mismatches: 0, unreadable: 0 });
    expect((await rowOf(device, 5)).every((byte) => byte === 1)).toBe(true);
    await device.close();
  });
});

describe('checksums', () => {
  it('are of what was written when that began, whatever becomes of the memory', async () => {
    const device = await openChecksum(openMem(2 ** 20), { create: true });
    const buffer = IoBuffer.inWebAssembly(8192);
    buffer.bytes.fill(5);
    const written = start(device, makeIo({ operation: BLOCK_WRITE, buffer, offset: 4096, lengthBytes: 8192 }));
    buffer.bytes.fill(6);
    expect(await written).toEqual({ error: 0, transferredBytes: 8192 });
    const io = makeIo({ buffer: IoBuffer.inWebAssembly(8192), offset: 4096, lengthBytes: 8192 });
    expect(await start(device, io)).toEqual({ error: 0, transferredBytes: 8192 });
    expect(io.buffer?.bytes.every((byte) => byte === 5)).toBe(true);
    await device.close();
  });

  it('are refused where Node has no WebAssembly', { timeout: 60_000 }, async () => {
    const options = ['--jitless', '--no-warnings', programPath('checksum-jitless.mjs')];
    const { status, stdout } = await run(process.execPath, options, 50_000);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'ENOSYS true\n' });
  });
});
