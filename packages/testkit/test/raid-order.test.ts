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
import { EIO } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { bytesOf } from './support/contents.js';
import { deviceOf, raid } from './support/raid-media.js';
import { pump } from './support/steps.js';

const STRIPE = 4096;
const ROWS = 8;
const DATA_BYTES = ROWS * STRIPE;
const SIZE = DATA_BYTES + 8192;
/** Behind the checksum, the uuid and the rest of a bitmap's header. */
const BITS_AT = DATA_BYTES + 16;
const options: RaidOptions = { stripeBytes: STRIPE, regionBytes: 2 * STRIPE, bitmapDelayMs: 1000 };

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

describe('the end of an array', () => {
  /** What a component is asked for: its flush, its bitmap, its label, and all else. */
  const nameOf = ({ operation, offset }: BlockIo): string => {
    if (operation === BLOCK_FLUSH) return 'flush';
    return offset === DATA_BYTES ? 'bitmap' : offset > DATA_BYTES ? 'label' : 'data';
  };
  const asked = (media: readonly ManualDevice[]): string[][] => media.map(({ started }) => started.map(nameOf));
  const each = (...names: string[]): string[][] => Array.from({ length: 3 }, () => names);

  it('has all data stable on all components before a bit is cleared, and closes none before bits and labels are stable on all', async () => {
    const media = Array.from({ length: 3 }, () => openManual(SIZE, { capabilities: { fua: 'native' } }));
    const device = await pump(media, openRaid(media, { ...options, create: true, assumeClean: true, timers: new VirtualTime() }));
    await pump(media, run(device, writeRequest(0, new Uint8Array(512).fill(1))));
    expect(media.map(bits)).toEqual([1, 1, 1]);
    let closed = false;
    const closing = device.close().then(() => {
      closed = true;
    });
    await turn();
    expect(asked(media)).toEqual(each('flush'));
    // As long as one of them may lose what it was told, the parity is in doubt on all.
    media[0]?.complete();
    media[1]?.complete();
    await turn();
    expect(asked(media)).toEqual([[], [], ['flush']]);
    media[2]?.complete();
    await turn();
    expect(asked(media)).toEqual(each('bitmap'));
    for (const medium of media) medium.complete();
    await turn();
    // A label of its own says that this was the end: who missed it is found out.
    expect(asked(media)).toEqual(each('bitmap', 'label'));
    // None is let go of while another one may fail, which those that are left have to say then.
    for (const medium of media.slice(0, 2)) medium.completeAll();
    await turn();
    expect([closed, ...media.map((medium) => medium.closed)]).toEqual([false, false, false, false]);
    media[2]?.completeAll(EIO);
    await turn();
    expect(asked(media)).toEqual([['bitmap', 'label'], ['bitmap', 'label'], []]);
    media[0]?.completeAll();
    await turn();
    expect([closed, ...media.map((medium) => medium.closed)]).toEqual([false, false, false, false]);
    media[1]?.completeAll();
    await closing;
    expect(media.map(bits)).toEqual([0, 0, 0]);
    expect(media.map((medium) => medium.closed)).toEqual([true, true, true]);
    const found = await openRaid(
      media.map(({ contents }) => deviceOf(contents)),
      { degraded: true },
    );
    expect(
      raid(found)
        .components()
        .map(({ state }) => state),
    ).toEqual(['good', 'good', 'failed']);
    await found.close();
  });

  it('waits for the writes that are under way', async () => {
    const media = Array.from({ length: 3 }, () => openManual(SIZE, { capabilities: { fua: 'native' } }));
    const device = await pump(media, openRaid(media, { ...options, create: true, assumeClean: true, timers: new VirtualTime() }));
    const written = run(device, writeRequest(0, new Uint8Array(2 * STRIPE).fill(1)));
    await turn();
    const closing = device.close();
    await turn();
    expect(asked(media)).toEqual(each('bitmap'));
    for (const medium of media) medium.complete();
    await turn();
    expect(asked(media)).toEqual(each('data'));
    for (const medium of media) medium.complete();
    expect((await written).error).toBe(0);
    await turn();
    expect(asked(media)).toEqual(each('flush'));
    await pump(media, closing);
    expect(media.map(bits)).toEqual([0, 0, 0]);
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
    const again = await openRaid(mems.map((mem) => deviceOf(bytesOf(mem))));
    await raid(again).settled();
    expect(await raid(again).scrub()).toMatchObject({ mismatches: 0 });
    await again.close();
    await device.close().catch(() => {});
  });
});
