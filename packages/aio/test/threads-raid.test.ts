import { AioServicePool, promises } from '@biodone/aio';
import { type BlockDevice, openMem, openRaid, type RaidDevice, raidOf } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { seededRandom } from './support/random.js';

const BLOCK = 512;
const STRIPE_BYTES = 2048;
const ROWS = 16;
const COMPONENTS = 4;
const AT_ONCE = 16;
const REQUESTS = 1500;

function openArray(): Promise<BlockDevice> {
  const disks = Array.from({ length: COMPONENTS }, () => openMem(ROWS * STRIPE_BYTES + 8192, { blockSizeBytes: BLOCK }));
  return openRaid(disks, { create: true, assumeClean: true, stripeBytes: STRIPE_BYTES, regionBytes: STRIPE_BYTES });
}

/** Random requests, some at a time and none at the same blocks as another, and what the array has to hold after them. */
class Work {
  readonly content: Uint8Array;
  readonly #pool: AioServicePool;
  readonly #below: (limit: number) => number;
  readonly #busy = new Set<number>();
  #tag = 0;

  constructor(pool: AioServicePool, sizeBytes: number, below: (limit: number) => number) {
    this.#pool = pool;
    this.#below = below;
    this.content = new Uint8Array(sizeBytes);
  }

  async run(requests: number): Promise<void> {
    let left = requests;
    const one = async (): Promise<void> => {
      for (; left > 0; left--) await this.#request();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
  }

  async verify(): Promise<void> {
    const buffer = IoBuffer.allocate(this.content.length);
    expect(await promises.read(this.#pool, buffer, 0)).toBe(this.content.length);
    expect(buffer.bytes.findIndex((byte, at) => byte !== this.content[at])).toBe(-1);
  }

  async #request(): Promise<void> {
    const [first, count] = this.#range();
    const [begin, lengthBytes] = [first * BLOCK, count * BLOCK];
    const expected = this.content.subarray(begin, begin + lengthBytes);
    const buffer = IoBuffer.allocate(lengthBytes);
    for (let block = first; block < first + count; block++) this.#busy.add(block);
    if (this.#below(10) < 3) {
      expect(await promises.read(this.#pool, buffer, begin)).toBe(lengthBytes);
      expect(Buffer.compare(buffer.bytes, expected)).toBe(0);
    } else {
      this.#tag = (this.#tag % 255) + 1;
      expected.fill(this.#tag);
      buffer.bytes.set(expected);
      expect(await promises.write(this.#pool, buffer, begin)).toBe(lengthBytes);
    }
    for (let block = first; block < first + count; block++) this.#busy.delete(block);
  }

  /** Now and then several rows, mostly a part of one, so that requests meet in a row. */
  #range(): [first: number, count: number] {
    const blocks = this.content.length / BLOCK;
    while (true) {
      const first = this.#below(blocks);
      const count = Math.min(blocks - first, 1 + this.#below(this.#below(8) === 0 ? 30 : 4));
      if (Array.from({ length: count }, (_, at) => first + at).every((block) => !this.#busy.has(block))) return [first, count];
    }
  }
}

describe('service threads on a raid of level 5', () => {
  it('read and write it together, and the parity is right afterwards', { timeout: 60_000 }, async () => {
    const device = await openArray();
    const raid = raidOf(device) as RaidDevice;
    const pool = new AioServicePool(device, { service: 'threads', threads: 2 });
    const work = new Work(pool, device.limits.sizeBytes as number, seededRandom('a raid served by threads'));
    await work.run(REQUESTS);
    await work.verify();
    expect(await raid.scrub()).toMatchObject({ rows: ROWS, mismatches: 0, repaired: 0, unreadable: 0 });

    // Also the parity that they have of what they write without a component is right.
    raid.fail(1);
    await work.verify();
    await work.run(REQUESTS / 3);
    await work.verify();
    expect(raid.state).toBe('degraded');
    expect(pool.stats().threads?.started).toBe(2);
    await pool.close();
    await device.close();
  });
});
