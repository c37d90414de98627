import { BLOCK_READ, BLOCK_WRITE, type BlockDevice, type BlockIo, openCache, openMem } from '@biodone/blockdev';
import { type ManualDevice, openManual, readRequest, run, turn, VirtualTime, writeRequest } from '@biodone/testkit';
import { expect, it } from 'vitest';

const LINE = 4096;
const LINES = 16;
const WRITE_BACK_DELAY_MS = 10;
/** Which line is dirty in the middle of what is read ahead, lines 3 to 6, as lines 0 to 2 are read one after the other. */
const DIRTY = 5;

const caches = [
  ['in memory', (below: ManualDevice, timers: VirtualTime) => openCache(below, { cacheBytes: LINES * LINE, ...options(timers) })],
  [
    'on a device',
    (below: ManualDevice, timers: VirtualTime) =>
      openCache(below, { cacheDevice: openMem(65_536 + LINES * LINE), create: true, ...options(timers) }),
  ],
] as const;

const options = (timers: VirtualTime) => ({ lineBytes: LINE, writeBackDelayMs: WRITE_BACK_DELAY_MS, timers });

it.each(caches)('what is read ahead does not come over what is written meanwhile, in a cache %s', async (_, open) => {
  const time = new VirtualTime();
  const below = openManual(2 ** 20);
  const isAhead = (io: BlockIo): boolean => io.operation === BLOCK_READ && io.offset >= 3 * LINE && io.offset < 7 * LINE;
  const device = await drive(below, open(below, time));
  expect((await drive(below, run(device, writeRequest(DIRTY * LINE, new Uint8Array(LINE).fill(9))))).error).toBe(0);

  for (const line of [0, 1, 2]) await drive(below, readLine(device, line), (io) => !isAhead(io));
  const ahead = below.started.filter(isAhead);
  expect(ahead.length).toBeGreaterThan(0);

  // The line is written back, and displaced by others, while that is under way.
  time.advance(2 * WRITE_BACK_DELAY_MS);
  while (below.contents[DIRTY * LINE] !== 9) {
    await turn();
    for (const io of below.started.filter(({ operation }) => operation === BLOCK_WRITE)) below.complete(io);
  }
  for (let line = 20; line < 20 + 4 * LINES; line += 2) await drive(below, readLine(device, line), (io) => !isAhead(io));

  // It had found the line as it was before.
  const written = below.contents.slice(DIRTY * LINE, (DIRTY + 1) * LINE);
  below.contents.fill(0, DIRTY * LINE, (DIRTY + 1) * LINE);
  for (const io of ahead) below.complete(io);
  below.contents.set(written, DIRTY * LINE);
  await turn();

  expect(await drive(below, readLine(device, DIRTY))).toBe(9);
  await drive(below, device.close());
});

/** The first byte of a line. */
async function readLine(device: BlockDevice, line: number): Promise<number | undefined> {
  const io = readRequest(line * LINE, LINE);
  expect((await run(device, io)).error).toBe(0);
  return io.buffer?.bytes[0];
}

/** Completes what is asked of the device below, as far as it may be, until something has come true. */
async function drive<T>(below: ManualDevice, promise: Promise<T>, may: (io: BlockIo) => boolean = () => true): Promise<T> {
  let isDone = false;
  const done = promise.finally(() => {
    isDone = true;
  });
  done.catch(() => {});
  for (let turns = 0; !isDone; turns++) {
    expect(turns).toBeLessThan(10_000);
    for (const io of below.started.filter(may)) below.complete(io);
    await turn();
  }
  return done;
}
