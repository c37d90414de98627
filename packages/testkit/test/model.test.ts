import {
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type BlockIo,
  openCache,
  openCow,
  openCrypt,
  openFile,
  openMem,
  openMirror,
  openSnapshots,
  openStripe,
} from '@biodone/blockdev';
import { compareRequest, flushRequest, readRequest, request, run, runSync, writeRequest } from '@biodone/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newFile, SIZE_BYTES } from './support/devices.js';

type Kind = 'read' | 'write' | 'zeroes' | 'flush' | 'compare';

interface Model {
  readonly bytes: Uint8Array;
}

interface Real {
  readonly device: BlockDevice;
}

const SPAN = 8192;
const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** One request, in one of both ways, and what it does to an array. */
class Step implements fc.AsyncCommand<Model, Real> {
  readonly kind: Kind;
  readonly offset: number;
  readonly length: number;
  readonly tag: number;
  readonly sync: boolean;

  constructor(kind: Kind, offset: number, length: number, tag: number, sync: boolean) {
    this.kind = kind;
    this.offset = offset;
    this.length = length;
    this.tag = tag;
    this.sync = sync;
  }

  check(): boolean {
    return this.offset + this.length <= SPAN;
  }

  async run({ bytes }: Model, { device }: Real): Promise<void> {
    const { kind, offset, length, tag } = this;
    const range = bytes.subarray(offset, offset + length);
    const fresh = new Uint8Array(length).fill(tag);
    const io = ((): BlockIo => {
      if (kind === 'read') return readRequest(offset, length);
      if (kind === 'flush') return flushRequest();
      if (kind === 'zeroes') return request(BLOCK_WRITE_ZEROES, { offset, lengthBytes: length });
      return kind === 'write' ? writeRequest(offset, fresh) : compareRequest(offset, range, fresh);
    })();
    const { error } = this.sync ? runSync(device, io) : await run(device, io);
    expect(error).toBe(0);
    if (kind === 'read') expect(Buffer.compare(io.buffer?.bytes.subarray(0, length) ?? new Uint8Array(), range)).toBe(0);
    if (kind === 'zeroes') range.fill(0);
    if (kind === 'write' || kind === 'compare') range.set(fresh);
  }

  toString(): string {
    return `${this.kind}(${this.offset}, ${this.length}, ${this.tag}${this.sync ? ', sync' : ''})`;
  }
}

const steps = fc.commands(
  [
    fc
      .tuple(
        fc.constantFrom<Kind>('read', 'write', 'zeroes', 'flush', 'compare'),
        fc.nat(SPAN),
        fc.nat(5000),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
      )
      .map(([kind, offset, length, tag, sync]) => new Step(kind, offset, length, tag, sync)),
  ],
  { maxCommands: 60 },
);

const key = Uint8Array.from({ length: 64 }, (_, index) => index);
const two = (): BlockDevice[] => [openMem(SIZE_BYTES), openMem(SIZE_BYTES)];

const TINY = { cacheBytes: 4096, dirtyMaxBytes: 1024, lineBytes: 512 } as const;

describe.each<[string, () => BlockDevice | Promise<BlockDevice>]>([
  ['mem', () => openMem(SIZE_BYTES)],
  ['file', () => openFile(newFile())],
  // Small enough that most requests lie on several of them.
  ['stripe over mem', () => openStripe(two(), { stripeBytes: 1000 })],
  ['mirror over mem', async () => (await openMirror(two(), { create: true, halvesAreEqual: true })).device],
  // So small that nearly everything has to make room for something.
  ['cache over mem, write-back', () => openCache(openMem(SIZE_BYTES), TINY)],
  [
    'cache over mem, write-through',
    () => openCache(openMem(SIZE_BYTES), { mode: 'write-through', cacheBytes: 4096, lineBytes: 512 }),
  ],
  [
    'cache on a device over mem',
    () => openCache(openMem(SIZE_BYTES), { ...TINY, cacheDevice: openMem(SIZE_BYTES), create: true }),
  ],
  ['cache with a log over mem', () => openCache(openMem(SIZE_BYTES), { ...TINY, log: openMem(SIZE_BYTES), create: true })],
  ['cow over mem', () => openCow(openMem(SIZE_BYTES), { blockBytes: 512 })],
  ['snapshots over mem, with one', snapshotted],
  // It reads as noise where nobody has written.
  ['crypt over mem', async () => zeroed(await openCrypt(openMem(SIZE_BYTES), { key, headerless: true, blockSizeBytes: 1 }))],
])('any sequence of requests to %s', (_name, open) => {
  it('comes to the same as on an array', async () => {
    const property = fc.asyncProperty(steps, async (commands) => {
      const device = await open();
      try {
        await fc.asyncModelRun(() => ({ model: { bytes: new Uint8Array(SPAN) }, real: { device } }), commands);
      } finally {
        await device.close();
      }
    });
    await fc.assert(property, { seed, numRuns: 60 });
  }, 60_000);
});

async function snapshotted(): Promise<BlockDevice> {
  const device = openSnapshots(openMem(SIZE_BYTES), { blockBytes: 512 });
  await device.snapshot();
  return device;
}

async function zeroed(device: BlockDevice): Promise<BlockDevice> {
  expect((await run(device, writeRequest(0, new Uint8Array(SPAN)))).error).toBe(0);
  return device;
}
