import { constants } from 'node:os';
import { type BlockDevice, type BlockDeviceOptions, openDevice } from '@biodone/blockdev';
import { blockDeviceConformance, type ConformanceTarget, readRequest, run, runSync } from '@biodone/testkit';
import { describe, expect, it } from 'vitest';
import { type Filter, filters, type Leaf, leaves, SIZE_BYTES } from './support/devices.js';

const { ENODEV } = constants.errno;
const runner = { describe, it: (name: string, test: () => Promise<void>) => it(name, test, 60_000) };
const rounds = 150;

/** A filter over a leaf, and what can be done to the leaves under it. */
class Stack {
  readonly #filter: Filter;
  readonly #leaf: Leaf;
  readonly #opened: BlockDevice[] = [];

  constructor(filter: Filter, leaf: Leaf) {
    this.#filter = filter;
    this.#leaf = leaf;
  }

  async open(options?: BlockDeviceOptions): Promise<BlockDevice> {
    const child = (): BlockDevice => {
      const device = this.#leaf.open();
      this.#opened.push(device);
      return device;
    };
    return this.#filter.open(child, { ...this.#leaf.above, ...options });
  }

  get target(): ConformanceTarget {
    const { forgets = false, keepsSize = false, name, secret } = this.#filter;
    const { remove, resize, persists = false } = this.#leaf;
    return {
      name: `${name} over ${this.#leaf.name}`,
      rounds,
      open: (options) => this.open(options),
      ...(remove === undefined ? {} : { remove: () => this.#each(remove) }),
      ...(resize === undefined || keepsSize ? {} : { resize: (_, sizeBytes) => this.resize(sizeBytes) }),
      ...(persists && !forgets && secret !== undefined ? { reopen: (config) => openDevice({ ...config, ...secret }) } : {}),
    };
  }

  /** Makes each leaf that is open as large as this. */
  resize(sizeBytes: number): void {
    this.#each((device) => this.#leaf.resize?.(device, sizeBytes));
  }

  #each(change: (device: BlockDevice) => void): void {
    for (const device of this.#opened) if (!device.closed) change(device);
  }
}

for (const filter of filters) {
  for (const leaf of leaves) if (leaf.keepsData !== false) blockDeviceConformance(runner, new Stack(filter, leaf).target);
}

const resizable = leaves.filter(({ resize }) => resize !== undefined);
const keeping = filters.filter(({ keepsSize }) => keepsSize);

describe.each(keeping.map((filter) => [filter.name, filter] as const))('%s, which keeps its size', (_name, filter) => {
  it.each(resizable.map((leaf) => [leaf.name, leaf] as const))('is removed when %s becomes too small', async (_leaf, leaf) => {
    const stack = new Stack(filter, leaf);
    const device = await stack.open();
    const { sizeBytes } = device.limits;
    const told: string[] = [];
    device.on('remove', () => told.push('remove')).on('resize', (size) => told.push(`resize to ${size}`));
    stack.resize(2 * SIZE_BYTES);
    expect(device.limits.sizeBytes).toBe(sizeBytes);
    expect((await run(device, readRequest(0, 4096))).error).toBe(0);
    stack.resize(SIZE_BYTES / 2);
    expect(told).toEqual(['remove']);
    expect((await run(device, readRequest(0, 4096))).error).toBe(ENODEV);
    expect(runSync(device, readRequest(0, 4096)).error).toBe(ENODEV);
    await device.close();
  });
});
