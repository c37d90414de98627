import {
  BLOCK_DISCARD,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  openMem,
  openSnapshots,
  type SnapshotDevice,
} from '@biodone/blockdev';
import { openFault, openManual, readRequest, request, run, runSync, SeededRandom, turn, writeRequest } from '@biodone/testkit';
import { describe, expect, it } from 'vitest';

const BLOCK = 4096;
const BLOCKS = 32;
const SIZE_BYTES = BLOCKS * BLOCK;
const EIO = 5;
const ENODEV = 19;
const ECANCELED = 125;
const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const small = { blockBytes: BLOCK };

async function bytesOf(device: BlockDevice): Promise<Uint8Array> {
  const io = readRequest(0, SIZE_BYTES);
  expect((await run(device, io)).error).toBe(0);
  return Uint8Array.from(io.buffer?.bytes.subarray(0, SIZE_BYTES) ?? []);
}

async function write(device: BlockDevice, offset: number, tag: number, lengthBytes = BLOCK): Promise<void> {
  expect((await run(device, writeRequest(offset, new Uint8Array(lengthBytes).fill(tag)))).error).toBe(0);
}

describe('a snapshot', () => {
  it('reads as the device was, whatever is written, zeroed and discarded since, as do many of them', async () => {
    console.log(`snapshots: BIODONE_SEED=${seed}`);
    const random = new SeededRandom(seed);
    const device = openSnapshots(openMem(SIZE_BYTES), small);
    const taken: { snapshot: SnapshotDevice; bytes: Uint8Array }[] = [];
    for (let round = 0; round < 200; round++) {
      const offset = random.below(SIZE_BYTES);
      const lengthBytes = 1 + random.below(Math.min(3 * BLOCK, SIZE_BYTES - offset));
      const kind = random.below(6);
      if (kind === 0) await run(device, request(BLOCK_WRITE_ZEROES, { offset, lengthBytes }));
      else if (kind === 1) await run(device, request(BLOCK_DISCARD, { offset, lengthBytes }));
      else if (kind === 2) runSync(device, writeRequest(offset, new Uint8Array(lengthBytes).fill(round)));
      else await write(device, offset, round % 256, lengthBytes);
      if (random.chance(0.1)) taken.push({ snapshot: await device.snapshot(), bytes: await bytesOf(device) });
      if (random.chance(0.03)) await taken.splice(random.below(taken.length), 1)[0]?.snapshot.close();
      const some = taken.length > 0 ? random.pick(taken) : undefined;
      if (some !== undefined) expect(Buffer.compare(await bytesOf(some.snapshot), some.bytes), `round ${round}`).toBe(0);
    }
    expect(device.snapshots().length).toBe(taken.length);
    for (const { snapshot, bytes } of taken) expect(Buffer.compare(await bytesOf(snapshot), bytes)).toBe(0);
    await device.close();
  });

  it('is of a moment between writes: each of those that were under way is in it, those that come later are not', async () => {
    const below = openManual(SIZE_BYTES);
    const device = openSnapshots(below, small);
    const before = [
      run(device, writeRequest(0, new Uint8Array(BLOCK).fill(1))),
      run(device, writeRequest(BLOCK, new Uint8Array(BLOCK).fill(1))),
    ];
    const taking = device.snapshot();
    const after = run(device, writeRequest(0, new Uint8Array(BLOCK).fill(2)));
    await turn();
    expect(below.started.length).toBe(2);
    const finish = async (promise: Promise<unknown>): Promise<void> => {
      let ended = false;
      void promise.finally(() => {
        ended = true;
      });
      for (; !ended; await turn()) below.completeAll();
    };
    await finish(Promise.all([...before, taking, after]));
    const snapshot = await taking;
    const io = readRequest(0, 2 * BLOCK);
    await finish(run(snapshot, io));
    expect([io.buffer?.bytes[0], io.buffer?.bytes[BLOCK], below.contents[0]]).toEqual([1, 1, 2]);
    await finish(device.close());
  });

  it('lets no write change a block while it is being read from the device', async () => {
    const below = openManual(SIZE_BYTES);
    const device = openSnapshots(below, small);
    const snapshot = await device.snapshot();
    const io = readRequest(0, BLOCK);
    const reading = run(snapshot, io);
    const writing = run(device, writeRequest(0, new Uint8Array(BLOCK).fill(9)));
    await turn();
    // The newest first: nothing may rely on the order.
    for (let turns = 0; turns < 10; turns++) {
      const newest = below.started.at(-1);
      if (newest !== undefined) below.complete(newest);
      await turn();
    }
    expect([(await reading).error, (await writing).error, io.buffer?.bytes[0]]).toEqual([0, 0, 0]);
    await device.close();
  });

  it('stays valid when a write is cancelled that copies a block for it', async () => {
    for (const step of ['the read', 'the copy']) {
      const below = openManual(SIZE_BYTES, { abortable: true });
      const store = openManual(SIZE_BYTES, { abortable: true });
      const device = openSnapshots(below, small);
      const snapshot = await device.snapshot({ store });
      const io = writeRequest(0, new Uint8Array(BLOCK).fill(9));
      const writing = run(device, io);
      if (step === 'the copy') below.complete();
      await turn();
      device.abort(io);
      expect((await writing).error, step).toBe(ECANCELED);
      expect([below.contents[0], snapshot.invalid], step).toEqual([0, null]);
      const again = run(device, writeRequest(0, new Uint8Array(BLOCK).fill(9)));
      for (let turns = 0; turns < 10; turns++) {
        below.completeAll();
        store.completeAll();
        await turn();
      }
      expect([(await again).error, below.contents[0], snapshot.keptBytes], step).toEqual([0, 9, BLOCK]);
      await device.close();
    }
  });

  it('that finds no room is not valid any more, and says so; the device and other snapshots go on', async () => {
    const device = openSnapshots(openMem(SIZE_BYTES), small);
    const [small1, large] = [await device.snapshot({ maxBytes: 2 * BLOCK }), await device.snapshot()];
    for (let index = 0; index < 2; index++) await write(device, index * BLOCK, 1);
    expect([small1.invalid, small1.keptBytes]).toEqual([null, 2 * BLOCK]);
    await write(device, 2 * BLOCK, 1);
    expect(small1.invalid).toMatch(/full/);
    expect((await run(small1, readRequest(0, BLOCK))).error).toBe(EIO);
    expect(runSync(small1, readRequest(0, BLOCK)).error).toBe(EIO);
    expect(small1.describe()).toMatchObject({ driver: 'snapshot', invalid: expect.stringMatching(/full/) });
    expect((await bytesOf(large)).every((byte) => byte === 0)).toBe(true);
    expect((await bytesOf(device))[2 * BLOCK]).toBe(1);
    await device.close();
  });

  it('is not valid any more when its store fails, or what it needs cannot be read; the write is done', async () => {
    const fault = openFault(openMem(SIZE_BYTES));
    const device = openSnapshots(fault, small);
    const store = openFault(openMem(SIZE_BYTES));
    const [first, second] = [await device.snapshot({ store }), await device.snapshot()];
    store.addFault({ action: { kind: 'error', errno: EIO }, times: 1 });
    await write(device, 0, 1);
    expect([first.invalid, second.invalid]).toEqual([expect.stringMatching(/could not be written/), null]);
    fault.addFault({ action: { kind: 'error', errno: EIO }, times: 1 });
    await write(device, BLOCK, 1);
    expect(second.invalid).toMatch(/could not be read/);
    expect((await bytesOf(device))[BLOCK]).toBe(1);
    await device.close();
  });

  it('cannot be written, and ends with the device that it is of', async () => {
    const device = openSnapshots(openMem(SIZE_BYTES), small);
    const snapshot = await device.snapshot();
    expect((await run(snapshot, writeRequest(0, new Uint8Array(BLOCK)))).error).toBe(30);
    let gone = false;
    snapshot.on('remove', () => {
      gone = true;
    });
    await device.close();
    expect(gone).toBe(true);
    expect([ENODEV, 9]).toContain((await run(snapshot, readRequest(0, BLOCK))).error);
    await expect(device.snapshot()).rejects.toMatchObject({ code: 'EBADF' });
  });

  it('costs the device nothing as long as there is none, and nothing when it is dropped', async () => {
    const fault = openFault(openMem(SIZE_BYTES));
    const device = openSnapshots(fault, small);
    await write(device, 0, 1);
    expect(fault.seen).toBe(1);
    const snapshot = await device.snapshot();
    await write(device, 0, 2);
    expect(fault.seen).toBe(3);
    await write(device, 0, 3);
    expect(fault.seen).toBe(4);
    await snapshot.close();
    await write(device, BLOCK, 3);
    expect(fault.seen).toBe(5);
    await device.close();
  });
});
