import { BLOCK_FLUSH, BLOCK_WRITE, type BlockIo, openMem, openRaid, type RaidOptions } from '@biodone/blockdev';
import {
  type ManualDevice,
  openCrash,
  openManual,
  run,
  runSync,
  SeededRandom,
  turn,
  VirtualTime,
  writeRequest,
} from '@biodone/testkit';
import { describe, expect, it } from 'vitest';
import { bytesOf, deviceOf, raid } from './support/raid-media.js';

const STRIPE = 4096;
const ROWS = 8;
const DATA_BYTES = ROWS * STRIPE;
const SIZE = DATA_BYTES + 8192;
/** Behind the checksum, the uuid and the rest of a bitmap's header. */
const BITS_AT = DATA_BYTES + 16;
const options: RaidOptions = { stripeBytes: STRIPE, regionBytes: 2 * STRIPE, bitmapDelayMs: 1000 };

/** Lets everything below be done until a promise is settled. */
async function pump<T>(media: readonly ManualDevice[], promise: Promise<T>): Promise<T> {
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  promise.then(end, end);
  for (let turns = 0; !ended; turns++) {
    if (turns > 1000) throw new Error('no progress');
    for (const medium of media) medium.completeAll();
    await turn();
  }
  return promise;
}

const bits = (medium: ManualDevice): number => medium.contents[BITS_AT] as number;

describe('the bit of a region', () => {
  it('is set again before the first write that comes while it is being cleared', async () => {
    const time = new VirtualTime();
    const early: string[] = [];
    const onStarted = (io: BlockIo): void => {
      if (io.operation !== BLOCK_WRITE || io.offset >= DATA_BYTES) return;
      if (media.some((medium) => (bits(medium) & 1) === 0)) early.push(`a write at ${io.offset}`);
    };
    const media = Array.from({ length: 3 }, () => openManual(SIZE, { capabilities: { fua: 'native' }, onStarted }));
    const opening = openRaid(media, { ...options, create: true, assumeClean: true, timers: time });
    const device = await pump(media, opening);
    await pump(media, run(device, writeRequest(0, new Uint8Array(512).fill(1))));
    expect(media.map(bits)).toEqual([1, 1, 1]);
    // At the first look somebody has written since; after the second one all is flushed, and then the bit is cleared.
    time.advance(1000);
    time.advance(1000);
    for (const medium of media) {
      expect(medium.started.map(({ operation }) => operation)).toEqual([BLOCK_FLUSH]);
      medium.complete();
    }
    await turn();
    expect(media.map(({ started }) => started.map(({ offset }) => offset))).toEqual([[DATA_BYTES], [DATA_BYTES], [DATA_BYTES]]);
    const second = run(device, writeRequest(0, new Uint8Array(512).fill(2)));
    await turn();
    for (const medium of media) medium.complete();
    expect(media.map(bits)).toEqual([0, 0, 0]);
    expect((await pump(media, second)).error).toBe(0);
    expect(early).toEqual([]);
    expect(media.map(bits)).toEqual([1, 1, 1]);
    await pump(media, device.close());
  });
});

describe('a new array', () => {
  it('has zeros on all components before it has labels', async () => {
    const mems = Array.from({ length: 3 }, () => openMem(SIZE, { blockSizeBytes: 512 }));
    for (const [index, mem] of mems.entries()) {
      expect(runSync(mem, writeRequest(0, new Uint8Array(DATA_BYTES).fill(1 << index))).error).toBe(0);
    }
    const media = mems.map((mem) => openCrash(mem));
    const device = await openRaid(media, { ...options, create: true, closeChildren: false });
    // One of them has had the time to keep its zeros.
    for (const [index, medium] of media.entries()) medium.crash({ survive: index === 0 ? 1 : 0, random: new SeededRandom(1) });
    const again = await openRaid(mems.map(bytesOf).map(deviceOf));
    await raid(again).settled();
    expect(await raid(again).scrub()).toMatchObject({ mismatches: 0 });
    await again.close();
    await device.close().catch(() => {});
  });
});
