import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import {
  type BlockDevice,
  type CacheOptions,
  type DeviceSpec,
  openCache,
  openChecksum,
  openConcat,
  openCow,
  openCrypt,
  openDevice,
  openFile,
  openMirror,
  openRaid,
  openSlice,
  openStripe,
} from '@biodone/blockdev';
import { flushRequest, readRequest, run, SeededRandom, writeRequest } from '@biodone/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { newFile } from './support/devices.js';
import { attachLoop, checkExt4, detachLoop, ext4Refusal, IMAGE_BYTES, loopRefusal, makeExt4 } from './support/ext4.js';

const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
/** What every stack here can take. */
const UNIT = 4096;
const key = Uint8Array.from({ length: 64 }, (_, index) => index);
const secret = { key: Buffer.from(key).toString('hex') };

const noExt4 = ext4Refusal();
if (noExt4 !== null) console.warn(`file systems are not tested: ${noExt4}`);
const noLoop = noExt4 ?? loopRefusal(fileOf(IMAGE_BYTES));
if (noExt4 === null && noLoop !== null) console.warn(`file systems on loop devices are not tested: ${noLoop}`);

/** A new file of this size. */
function fileOf(sizeBytes: number): string {
  const path = newFile();
  truncateSync(path, sizeBytes);
  return path;
}

interface Range {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** Cuts the image into ranges of mixed lengths, up to 128 units, in any order. */
function ranges(random: SeededRandom): Range[] {
  const cut: Range[] = [];
  for (let offset = 0; offset < IMAGE_BYTES; ) {
    const units = random.chance(0.1) ? 1 + random.below(128) : 1 + random.below(8);
    const lengthBytes = Math.min(units * UNIT, IMAGE_BYTES - offset);
    cut.push({ offset, lengthBytes });
    offset += lengthBytes;
  }
  return random.shuffled(cut);
}

/** Writes the image, up to 16 requests at a time, flushes now and then and at the end, and calls `middle` when it is half done. */
async function writeImage(
  device: BlockDevice,
  image: Uint8Array,
  random: SeededRandom,
  middle: (share: number) => void,
): Promise<void> {
  const left = ranges(random);
  const total = left.length;
  while (left.length > 0) {
    const batch = left.splice(0, 1 + random.below(16));
    const writes = batch.map(({ offset, lengthBytes }) => {
      return run(device, writeRequest(offset, image.subarray(offset, offset + lengthBytes)));
    });
    if (random.chance(0.2)) writes.push(run(device, flushRequest()));
    middle(1 - left.length / total);
    for (const { error } of await Promise.all(writes)) expect(error).toBe(0);
  }
  expect((await run(device, flushRequest())).error).toBe(0);
}

/** Reads the image by a stack that has just been opened, checks it and compares it. */
async function checkImage(config: DeviceSpec, image: Uint8Array, random: SeededRandom): Promise<void> {
  const device = await openDevice(config);
  const found = new Uint8Array(IMAGE_BYTES);
  try {
    for (const left = ranges(random); left.length > 0; ) {
      const reads = left.splice(0, 16).map(({ offset, lengthBytes }) => readRequest(offset, lengthBytes));
      for (const { error } of await Promise.all(reads.map((io) => run(device, io)))) expect(error).toBe(0);
      for (const { offset, lengthBytes, buffer } of reads) found.set(buffer?.bytes.subarray(0, lengthBytes) ?? [], offset);
    }
  } finally {
    await device.close();
  }
  checkFile(found, image);
}

function checkFile(found: Uint8Array, image: Uint8Array): void {
  const path = newFile();
  writeFileSync(path, found);
  checkExt4(path);
  expect(Buffer.compare(found, image)).toBe(0);
}

/** Makes a file system, and writes it to a device. Returns the image. */
async function fill(device: BlockDevice, random: SeededRandom, middle: (share: number) => void = () => {}): Promise<Uint8Array> {
  console.log(`a file system: BIODONE_SEED=${seed}`);
  const path = newFile();
  makeExt4(path, seed);
  checkExt4(path);
  const image = readFileSync(path);
  await writeImage(device, image, random, middle);
  return image;
}

const half = IMAGE_BYTES / 2;

/** Much smaller than the image, so that most of it goes through. */
async function openCacheOverMirror(options: CacheOptions): Promise<BlockDevice> {
  const halves = [openFile(fileOf(IMAGE_BYTES + UNIT)), openFile(fileOf(IMAGE_BYTES + UNIT))];
  const { device } = await openMirror(halves, { create: true, halvesAreEqual: true });
  return openCache(device, { cacheBytes: 2 ** 20, dirtyMaxBytes: 2 ** 18, ...options });
}

/** Four components, each with a third of what the array holds, and what is rounded off to whole rows. */
async function openCryptOverRaid(): Promise<BlockDevice> {
  const stripeBytes = 16_384;
  const rows = Math.ceil(IMAGE_BYTES / (3 * stripeBytes)) + 1;
  const files = Array.from({ length: 4 }, () => openFile(fileOf(rows * stripeBytes + 2 * UNIT)));
  const device = await openRaid(files, { create: true, level: 5, stripeBytes, regionBytes: 2 ** 18 });
  return openCrypt(device, { key, headerless: true });
}

/** Stacks that are as large as the image, or a little larger. */
const stacks: readonly [name: string, open: () => BlockDevice | Promise<BlockDevice>, secret?: Record<string, string>][] = [
  ['a file', () => openFile(fileOf(IMAGE_BYTES))],
  ['a stripe of two files', () => openStripe([openFile(fileOf(half)), openFile(fileOf(half))], { stripeBytes: 16_384 })],
  [
    'crypt over concat',
    () => openCrypt(openConcat([openFile(fileOf(half - UNIT)), openFile(fileOf(half + UNIT))]), { key, headerless: true }),
    secret,
  ],
  ['crypt over a raid of level 5 of four files', openCryptOverRaid, secret],
  ['a cache over a mirror of two files', () => openCacheOverMirror({})],
  ['a cache with a log over a mirror of two files', () => openCacheOverMirror({ log: openFile(fileOf(2 ** 20)), create: true })],
  [
    'an overlay over a file that is empty',
    () =>
      openCow(openFile(fileOf(IMAGE_BYTES), { readOnly: true }), {
        overlay: openFile(newFile(), { growable: true }),
        create: true,
      }),
  ],
  ['checksums over a file', () => openChecksum(openFile(fileOf(IMAGE_BYTES + 2 ** 20)), { create: true })],
  ['a slice', () => openSlice(openFile(fileOf(2 * IMAGE_BYTES)), { offsetBytes: 12_288, lengthBytes: IMAGE_BYTES })],
];

describe.skipIf(noExt4 !== null)('a file system', () => {
  it.each(stacks)(
    'that was written through %s is whole when that is opened again',
    async (_name, open, needed = {}) => {
      const random = new SeededRandom(seed);
      const device = await open();
      const image = await fill(device, random);
      const config = { ...device.config(), ...needed };
      await device.close();
      await checkImage(config, image, random);
    },
    60_000,
  );

  it('that was written through a mirror is whole, though a half was pulled meanwhile and another one took its place', async () => {
    const random = new SeededRandom(seed);
    const file = (): BlockDevice => openFile(fileOf(IMAGE_BYTES + UNIT));
    const mirror = await openMirror([file(), file()], { create: true, halvesAreEqual: true });
    let rebuilt: Promise<void> | null = null;
    const image = await fill(mirror.device, random, (share) => {
      if (share > 0.3 && !mirror.degraded && rebuilt === null) mirror.fail(0);
      if (share > 0.6) rebuilt ??= mirror.replace(0, file());
    });
    await rebuilt;
    expect(mirror.halves().map(({ state }) => state)).toEqual(['good', 'good']);
    const config = mirror.device.config();
    await mirror.close();
    await checkImage(config, image, random);
    for (const device of config['devices'] as DeviceSpec[])
      checkFile(readFileSync(device['path'] as string).subarray(0, IMAGE_BYTES), image);
  }, 60_000);
});

describe.skipIf(noLoop !== null)('a file system on loop devices', () => {
  const loops: string[] = [];
  afterAll(() => loops.forEach(detachLoop));
  const loopOf = (sizeBytes: number): string => {
    const device = attachLoop(fileOf(sizeBytes));
    loops.push(device);
    return device;
  };

  it('is whole for the system too', async () => {
    const random = new SeededRandom(seed);
    const path = loopOf(IMAGE_BYTES);
    const device = openFile(path);
    const image = await fill(device, random);
    const config = device.config();
    await device.close();
    checkExt4(path);
    await checkImage(config, image, random);
  }, 60_000);

  it('is whole through a stripe of two that use O_DIRECT', async () => {
    const random = new SeededRandom(seed);
    const leaf = (): BlockDevice => openFile(loopOf(half), { direct: true });
    const device = openStripe([leaf(), leaf()], { stripeBytes: 16_384 });
    const image = await fill(device, random);
    const config = device.config();
    await device.close();
    await checkImage(config, image, random);
  }, 60_000);
});
