import { constants } from 'node:os';
import { type BlockDevice, openRaid, type RaidLevel } from '@biodone/blockdev';
import {
  type FaultDevice,
  flushRequest,
  openFault,
  openManual,
  readRequest,
  run,
  SeededRandom,
  writeRequest,
} from '@biodone/testkit';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { raid } from './support/raid-media.js';

const { ENODEV, EIO } = constants.errno;
const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const BLOCK = 512;
const STRIPE_BYTES = 2048;
const COMPONENT_BYTES = 16 * STRIPE_BYTES + 8192;
const REQUESTS = 24;
const AT_ONCE = 4;
/** So few that there is always room for one more. */
const BLOCKS_MAX = 16;
/** A place for each of those that are under way, in memory in which parity can be made: whole rows are written from there. */
const places = IoBuffer.inWebAssembly(AT_ONCE * BLOCKS_MAX * BLOCK);

/** A device in memory whose requests end later, in an order that a seed decides. */
function openShuffled(random: SeededRandom): BlockDevice {
  let scheduled = false;
  const device = openManual(COMPONENT_BYTES, {
    limits: { blockSizeBytes: BLOCK },
    onStarted: () => {
      if (!scheduled) setImmediate(completeSome);
      scheduled = true;
    },
  });
  const completeSome = (): void => {
    scheduled = false;
    for (const io of random.shuffled(device.started)) if (device.started.includes(io)) device.complete(io);
  };
  return device;
}

/** Devices of which one is pulled out in the middle of something. */
class Shelf {
  readonly faults: FaultDevice[];
  seen = 0;

  constructor(count: number, random: SeededRandom) {
    this.faults = Array.from({ length: count }, () => {
      const fault = openFault(openShuffled(random));
      const when = (): boolean => {
        this.seen += 1;
        return false;
      };
      fault.addFault({ action: { kind: 'error', errno: EIO }, when, times: Number.POSITIVE_INFINITY });
      return fault;
    });
  }

  /** From the n-th request of all on, or at once, whatever this device is asked for fails. */
  pull(index: number, at = 0): void {
    const action = { kind: 'error', errno: ENODEV } as const;
    this.faults[index]?.addFault({ action, when: () => this.seen >= at, times: Number.POSITIVE_INFINITY });
  }
}

/** Random requests, some at a time, that touch no block twice at the same time; and what the device has to hold. */
class Work {
  readonly content: Uint8Array;
  readonly #device: BlockDevice;
  readonly #random: SeededRandom;
  readonly #busy = new Set<number>();
  #tag = 0;

  constructor(device: BlockDevice, random: SeededRandom) {
    this.#device = device;
    this.#random = random;
    this.content = new Uint8Array(device.limits.sizeBytes ?? 0);
  }

  async run(requests: number): Promise<void> {
    let left = requests;
    const one = async (place: number): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await this.#request(place);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, (_, place) => one(place)));
  }

  /** Reads everything. */
  async verify(what: string): Promise<void> {
    const io = readRequest(0, this.content.length);
    expect((await run(this.#device, io)).error, `everything cannot be read ${what}`).toBe(0);
    const bytes = io.buffer?.bytes.subarray(0, this.content.length) ?? new Uint8Array();
    const wrong = bytes.findIndex((byte, index) => byte !== this.content[index]);
    expect(wrong, `byte ${wrong} is ${bytes[wrong]} and not ${this.content[wrong]} ${what}`).toBe(-1);
  }

  async #request(place: number): Promise<void> {
    const [first, count] = this.#range();
    const [begin, end] = [first * BLOCK, (first + count) * BLOCK];
    for (let block = first; block < first + count; block++) this.#busy.add(block);
    if (this.#random.chance(0.1)) {
      expect((await run(this.#device, flushRequest())).error, 'a flush').toBe(0);
    } else if (this.#random.chance(0.3)) {
      const io = readRequest(begin, end - begin);
      expect((await run(this.#device, io)).error, 'a read').toBe(0);
      expect(
        Buffer.compare(io.buffer?.bytes.subarray(0, end - begin) ?? Buffer.alloc(0), this.content.subarray(begin, end)),
      ).toBe(0);
    } else {
      this.#tag = (this.#tag % 255) + 1;
      this.content.fill(this.#tag, begin, end);
      const io = writeRequest(begin, this.content.slice(begin, end));
      if (this.#random.chance(0.5)) {
        io.bufferOffset = place * BLOCKS_MAX * BLOCK;
        places.bytes.set(this.content.subarray(begin, end), io.bufferOffset);
        io.buffer = places;
      }
      expect((await run(this.#device, io)).error, 'a write').toBe(0);
    }
    for (let block = first; block < first + count; block++) this.#busy.delete(block);
  }

  #range(): [first: number, count: number] {
    const blocks = this.content.length / BLOCK;
    while (true) {
      const first = this.#random.below(blocks);
      const count = Math.min(blocks - first, 1 + this.#random.below(this.#random.chance(0.3) ? BLOCKS_MAX : 4));
      let isFree = true;
      for (let block = first; block < first + count; block++) if (this.#busy.has(block)) isFree = false;
      if (isFree) return [first, count];
    }
  }
}

async function pullOne(level: RaidLevel, count: number, at: number, pulled: number): Promise<number> {
  const random = new SeededRandom(seed);
  const shelf = new Shelf(count + 1, random);
  const spares = shelf.faults.slice(count);
  const options = { create: true, assumeClean: true, level, stripeBytes: STRIPE_BYTES, regionBytes: STRIPE_BYTES, spares };
  const device = await openRaid(shelf.faults.slice(0, count), options);
  const begun = shelf.seen;
  if (at < Number.POSITIVE_INFINITY) shelf.pull(pulled, begun + at);
  const work = new Work(device, random);
  await work.run(REQUESTS);
  const seen = shelf.seen - begun;
  await work.verify('when one is pulled');
  await raid(device).settled();
  expect(raid(device).state).toBe('optimal');
  await work.verify('when it is rebuilt');
  expect(await raid(device).scrub()).toMatchObject({ mismatches: 0, unreadable: 0 });
  // Another one than the one that is out already.
  shelf.pull((pulled + 1) % count);
  await work.run(REQUESTS / 2);
  await work.verify('when another one is pulled');
  await device.close();
  return seen;
}

const levels: readonly (readonly [RaidLevel, number])[] = [
  [5, 3],
  [5, 4],
  [1, 2],
];

describe.each(levels)('a raid of level %i with %i components', (level, count) => {
  it('loses nothing when any of them is pulled at any moment, and another one when it is rebuilt', async () => {
    console.log(`pulled: BIODONE_SEED=${seed}`);
    const total = await pullOne(level, count, Number.POSITIVE_INFINITY, 0);
    expect(total).toBeGreaterThan(REQUESTS);
    for (let at = 0; at <= total; at += 3) {
      const pulled = Math.floor(at / 3) % count;
      await pullOne(level, count, at, pulled).catch((error: Error) => {
        error.message += `\n(component ${pulled} is pulled at request ${at} of ${total}, BIODONE_SEED=${seed})`;
        throw error;
      });
    }
  }, 120_000);
});
