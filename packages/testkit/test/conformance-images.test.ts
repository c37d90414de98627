import { type BlockDevice, type BlockDeviceOptions, openDevice, openQcow2, openSnapshots, openVhd } from '@biodone/blockdev';
import { blockDeviceConformance, flushRequest, run, writeRequest } from '@biodone/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { type Leaf, leaves, SIZE_BYTES } from './support/devices.js';
import { imageContent, qcow2Of, vhdOf } from './support/small-images.js';

const runner = { describe, it: (name: string, test: () => Promise<void>) => it(name, test, 60_000) };
const contents = imageContent();

/** Devices whose snapshots are tested. */
const live: BlockDevice[] = [];
afterEach(async () => {
  for (const device of live.splice(0)) await device.close();
});

interface ImageFormat {
  readonly name: string;
  readonly image: Buffer;
  /** The largest block that a device below can have. */
  readonly blockMax: number;
  open(below: BlockDevice, options?: BlockDeviceOptions): Promise<BlockDevice>;
}

const formats: readonly ImageFormat[] = [
  { name: 'qcow2', image: qcow2Of(contents), blockMax: 4096, open: (below, options) => openQcow2(below, options) },
  { name: 'vhd', image: vhdOf(contents, SIZE_BYTES), blockMax: 512, open: (below, options) => openVhd(below, options) },
  {
    name: 'a snapshot',
    image: Buffer.from(contents),
    blockMax: 4096,
    open: async (below, options) => {
      const device = openSnapshots(below, { blockBytes: 4096 });
      const snapshot = await device.snapshot(options);
      // It reads from its store and from the device.
      for (const offset of [0, 65_536, 300_000 - (300_000 % 4096)])
        expect((await run(device, writeRequest(offset, new Uint8Array(8192).fill(255)))).error).toBe(0);
      live.push(device);
      return snapshot;
    },
  },
];

async function fill(below: BlockDevice, image: Buffer): Promise<void> {
  const { blockSizeBytes } = below.limits;
  const padded = Buffer.alloc(Math.ceil(image.length / blockSizeBytes) * blockSizeBytes);
  image.copy(padded);
  expect((await run(below, writeRequest(0, padded))).error).toBe(0);
  expect((await run(below, flushRequest())).error).toBe(0);
}

function blockOf(leaf: Leaf): number {
  const device = leaf.open();
  const { blockSizeBytes } = device.limits;
  void device.close();
  return blockSizeBytes;
}

for (const format of formats) {
  for (const leaf of leaves) {
    if (leaf.keepsData === false || blockOf(leaf) > format.blockMax) continue;
    const opened: BlockDevice[] = [];
    const { persists = false, remove } = leaf;
    blockDeviceConformance(runner, {
      name: `${format.name} over ${leaf.name}`,
      contents,
      open: async (options) => {
        const below = leaf.open();
        opened.push(below);
        await fill(below, format.image);
        return format.open(below, options);
      },
      ...(persists && format.name !== 'a snapshot' ? { reopen: (config) => openDevice(config) } : {}),
      ...(remove === undefined
        ? {}
        : {
            remove: () => {
              for (const device of opened) if (!device.closed) remove(device);
            },
          }),
    });
  }
}
