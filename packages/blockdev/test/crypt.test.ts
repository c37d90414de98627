import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';
import {
  attachDevice,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  BlockDevice,
  BlockIo,
  type BlockOperation,
  biodone,
  biowait,
  type CryptOptions,
  changePassphrase,
  EXTENT_DATA,
  ExtentList,
  formatCrypt,
  openCrypt,
  openMem,
} from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { answerOf } from './support/answer.js';
import { openFailing } from './support/failing-device.js';
import { openManual } from './support/manual-device.js';
import { seededRandom } from './support/random.js';
import { openRecording } from './support/recording-device.js';
import { bufferOf, flush, makeIo, type Outcome, read, runSync, start, write } from './support/requests.js';
import { openTearing } from './support/tearing-device.js';

const { ECANCELED, EINVAL, EIO, ENOTSUP, EPERM } = constants.errno;
const DATA = 131072;
const SECTOR = 4096;
const MIB = 2 ** 20;
/** Cheap, for tests alone. */
const scrypt = { N: 16, r: 1, p: 1 };
const secret = { passphrase: 'open sesame' };

async function openFormatted(
  options: Partial<CryptOptions> = {},
  { sectorBytes = SECTOR, sizeBytes = DATA + MIB } = {},
): Promise<{ disk: BlockDevice; device: BlockDevice }> {
  const disk = openMem(sizeBytes);
  await formatCrypt(disk, { ...secret, scrypt, sectorBytes, dataOffsetBytes: DATA });
  return { disk, device: await openCrypt(disk, { ...secret, ...options }) };
}

/** What lies on the device below, past its claim. */
function rawBytes(disk: BlockDevice, offset = 0, lengthBytes = Number(disk.limits.sizeBytes) - offset): Buffer {
  const buffer = IoBuffer.allocate(lengthBytes);
  expect(runSync(disk, makeIo({ operation: BLOCK_READ, buffer, offset }))).toMatchObject({ error: 0 });
  return Buffer.from(buffer.bytes);
}

async function bytesOf(device: BlockDevice, offset: number, lengthBytes: number): Promise<Buffer> {
  const buffer = IoBuffer.allocate(lengthBytes);
  expect(await read(device, buffer, offset)).toEqual({ error: 0, transferredBytes: lengthBytes });
  return Buffer.from(buffer.bytes);
}

const rejection = (code: string, message: RegExp = /./): unknown =>
  expect.objectContaining({ code, message: expect.stringMatching(message) as string });

describe('AES-256-XTS without a header', () => {
  // IEEE Std 1619-2007, annex B: the vectors of 512 bytes under keys of 256 bits. Plaintext is 0 to 255, twice.
  const key = Buffer.from(
    '27182818284590452353602874713526624977572470936999595749669676273141592653589793238462643383279502884197169399375105820974944592',
    'hex',
  );
  const plaintext = Buffer.from(Array.from({ length: 512 }, (_, index) => index % 256));
  const vectors: [name: string, sector: number, ciphertext: string][] = [
    [
      '10',
      0xff,
      '1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b5d31e276f8fe4a8d66b317f9ac683f44680a86ac35adfc3345befecb4bb188fd' +
        '5776926c49a3095eb108fd1098baec70aaa66999a72a82f27d848b21d4a741b0c5cd4d5fff9dac89aeba122961d03a757123e9870f8acf1000020887891429ca' +
        '2a3e7a7d7df7b10355165c8b9a6d0a7de8b062c4500dc4cd120c0f7418dae3d0b5781c34803fa75421c790dfe1de1834f280d7667b327f6c8cd7557e12ac3a0f' +
        '93ec05c52e0493ef31a12d3d9260f79a289d6a379bc70c50841473d1a8cc81ec583e9645e07b8d9670655ba5bbcfecc6dc3966380ad8fecb17b6ba02469a020a' +
        '84e18e8f84252070c13e9f1f289be54fbc481457778f616015e1327a02b140f1505eb309326d68378f8374595c849d84f4c333ec4423885143cb47bd71c5edae' +
        '9be69a2ffeceb1bec9de244fbe15992b11b77c040f12bd8f6a975a44a0f90c29a9abc3d4d893927284c58754cce294529f8614dcd2aba991925fedc4ae74ffac' +
        '6e333b93eb4aff0479da9a410e4450e0dd7ae4c6e2910900575da401fc07059f645e8b7e9bfdef33943054ff84011493c27b3429eaedb4ed5376441a77ed4385' +
        '1ad77f16f541dfd269d50d6a5f14fb0aab1cbb4c1550be97f7ab4066193c4caa773dad38014bd2092fa755c824bb5e54c4f36ffda9fcea70b9c6e693e148c151',
    ],
    ['11', 0xffff, '77a31251618a15e6b92d1d66dffe7b50b50bad552305ba0217a610688eff7e11'],
    ['12', 0xffffff, 'e387aaa58ba483afa7e8eb469778317ecf4cf573aa9d4eac23f2cdf914e4e200'],
    ['13', 0xffffffff, 'bf53d2dade78e822a4d949a9bc6766b01b06a8ef70d26748c6a7fc36d80ae4c5'],
    ['14', 0xffffffffff, '64497e5a831e4a932c09be3e5393376daa599548b816031d224bbf50a818ed23'],
  ];

  it.each(vectors)('is that of vector %s of IEEE 1619', async (_, sector, ciphertext) => {
    const recorded = openRecording();
    const device = await openCrypt(recorded.device, { headerless: true, key, sectorBytes: 512 });
    expect(await write(device, plaintext, sector * 512)).toEqual({ error: 0, transferredBytes: 512 });
    expect(recorded.offset()).toBe(sector * 512);
    expect(recorded.bytes().toString('hex').slice(0, ciphertext.length)).toBe(ciphertext);
    expect(await bytesOf(device, sector * 512, 512)).toEqual(plaintext);
    await device.close();
  });

  it('refuses keys that are none of it', async () => {
    const disk = openMem(MIB);
    await expect(openCrypt(disk, { headerless: true, key: Buffer.alloc(32, 1) })).rejects.toEqual(
      rejection('ERR_INVALID_ARG_VALUE', /64 bytes/),
    );
    await expect(openCrypt(disk, { headerless: true, passphrase: 'x' })).rejects.toEqual(rejection('ERR_INVALID_ARG_VALUE'));
    await expect(openCrypt(disk, { headerless: true, key: Buffer.alloc(64, 1) })).rejects.toEqual(rejection('EACCES', /halves/));
    // None of that has left a claim.
    disk.claim('exclusive').release();
  });
});

describe('what opens it', () => {
  it('is the passphrase alone', async () => {
    const { disk, device } = await openFormatted({ closeChildren: false });
    await write(device, Buffer.alloc(SECTOR, 'a'), 0);
    await device.close();
    for (const passphrase of ['open sesamE', 'open sesame ', Buffer.from([1])]) {
      await expect(openCrypt(disk, { passphrase })).rejects.toEqual(rejection('EACCES', /passphrase is wrong/));
    }
    await expect(openCrypt(disk, { key: Buffer.alloc(32, 1) })).rejects.toEqual(
      rejection('EACCES', /by a passphrase, not by a key/),
    );
    const again = await openCrypt(disk, { passphrase: Buffer.from('open sesame') });
    expect(await bytesOf(again, 0, SECTOR)).toEqual(Buffer.alloc(SECTOR, 'a'));
    await again.close();
    expect(disk.closed).toBe(true);
  });

  it('may be a key, which is checked too', async () => {
    const disk = openMem(DATA + MIB);
    const key = Buffer.alloc(32, 7);
    await formatCrypt(disk, { key, dataOffsetBytes: DATA });
    await expect(openCrypt(disk, { key: Buffer.alloc(32, 8) })).rejects.toEqual(rejection('EACCES', /key is wrong/));
    await expect(openCrypt(disk, secret)).rejects.toEqual(rejection('EACCES', /by a key, not by a passphrase/));
    await (await openCrypt(disk, { key })).close();
  });

  it('is one of the two, and long enough', async () => {
    const disk = openMem(DATA + MIB);
    for (const wrong of [{}, { ...secret, key: Buffer.alloc(32) }, { passphrase: '' }, { key: Buffer.alloc(31) }]) {
      await expect(openCrypt(disk, wrong)).rejects.toEqual(rejection('ERR_INVALID_ARG_VALUE'));
      await expect(formatCrypt(disk, wrong)).rejects.toEqual(rejection('ERR_INVALID_ARG_VALUE'));
    }
  });

  it('is the same passphrase from every keyboard', async () => {
    const disk = openMem(DATA + MIB);
    await formatCrypt(disk, { passphrase: 'caf\u00e9', scrypt, dataOffsetBytes: DATA });
    await (await openCrypt(disk, { passphrase: 'cafe\u0301' })).close();
  });

  it('can be changed; the data stays, the old one opens nothing', async () => {
    const { disk, device } = await openFormatted({ closeChildren: false });
    await write(device, Buffer.alloc(SECTOR, 'a'), SECTOR);
    await expect(changePassphrase(disk, secret, { passphrase: 'new' }, { scrypt })).rejects.toEqual(rejection('EBUSY'));
    await device.close();
    await expect(changePassphrase(disk, { passphrase: 'x' }, { passphrase: 'new' }, { scrypt })).rejects.toEqual(
      rejection('EACCES'),
    );
    await changePassphrase(disk, secret, { passphrase: 'new' }, { scrypt });
    await expect(openCrypt(disk, secret)).rejects.toEqual(rejection('EACCES'));
    const again = await openCrypt(disk, { passphrase: 'new', closeChildren: false });
    expect(await bytesOf(again, SECTOR, SECTOR)).toEqual(Buffer.alloc(SECTOR, 'a'));
    await again.close();
    await changePassphrase(disk, { passphrase: 'new' }, { key: Buffer.alloc(64, 3) });
    await (await openCrypt(disk, { key: Buffer.alloc(64, 3) })).close();
  });

  it('may be either passphrase, if the change was interrupted', async () => {
    const content = Buffer.alloc(DATA + MIB);
    const { device: disk, failure, count } = openFailing(content);
    await formatCrypt(disk, { ...secret, scrypt, dataOffsetBytes: DATA });
    // The headers are read, the first copy is written, flushed and looked at, and then the power fails.
    Object.assign(failure, { from: count() + 6, forEver: true });
    await expect(changePassphrase(disk, secret, { passphrase: 'new' }, { scrypt })).rejects.toEqual(rejection('EIO'));
    failure.from = Number.POSITIVE_INFINITY;
    // The flush that has failed poisons that device: it is opened again.
    const openBy = (passphrase: string): Promise<BlockDevice> => openCrypt(openFailing(content).device, { passphrase });
    for (const passphrase of ['new', secret.passphrase]) await (await openBy(passphrase)).close();
    await expect(openBy('neither')).rejects.toEqual(rejection('EACCES'));
  });
});

describe('a change of the passphrase whose write is torn', () => {
  const copies = [0, 65536];
  const byPassphrase = async (content: Buffer, passphrase: string): Promise<boolean> => {
    const disk = openMem(content.length);
    await write(disk, content, 0);
    try {
      await (await openCrypt(disk, { passphrase })).close();
      return true;
    } catch (error) {
      expect(['EACCES', 'EINVAL']).toContain((error as NodeJS.ErrnoException).code);
      return false;
    }
  };
  const states: [state: string, change: (content: Buffer, interrupted: Buffer) => void, opens: string][] = [
    ['both copies whole', () => {}, 'old'],
    ['the first copy damaged', (content) => content.fill(0xff, 300, 308), 'old'],
    ['the second copy damaged', (content) => content.fill(0xff, 65536 + 300, 65536 + 308), 'old'],
    ['the first copy of a later secret', (content, later) => later.copy(content, 0, 0, 4096), 'old'],
    ['the first copy of a later secret, which opens it', (content, later) => later.copy(content, 0, 0, 4096), 'later'],
    ['the second copy of a later secret', (content, later) => later.copy(content, 65536, 65536, 65536 + 4096), 'old'],
    ['the second copy of a later secret, which opens it', (content, later) => later.copy(content, 65536, 65536, 69632), 'later'],
  ];
  const cases = states.flatMap((state) => [1, 2].flatMap((torn) => [true, false].map((told) => [...state, torn, told] as const)));

  it.each(cases)('leaves what opens: %s, %#', async (_, damage, opens, torn, told) => {
    const content = Buffer.alloc(DATA + MIB);
    const old = { passphrase: 'old' };
    await formatCrypt(openTearing(content).device, { ...old, scrypt, dataOffsetBytes: DATA });
    const later = Buffer.from(content);
    await changePassphrase(openTearing(later).device, old, { passphrase: 'later' }, { scrypt });
    damage(content, later);
    const tearing = openTearing(content, torn, told);
    // Who is not told of the tear finds it by reading back.
    await expect(changePassphrase(tearing.device, { passphrase: opens }, { passphrase: 'new' }, { scrypt })).rejects.toEqual(
      rejection('EIO'),
    );
    expect(tearing.writes.length).toBe(torn);
    expect(await byPassphrase(content, torn === 1 ? opens : 'new')).toBe(true);
  });

  it('touches the copy that is needed last', async () => {
    for (const damaged of copies) {
      const content = Buffer.alloc(DATA + MIB);
      const { device, writes } = openTearing(content);
      await formatCrypt(device, { passphrase: 'old', scrypt, dataOffsetBytes: DATA });
      content.fill(0xff, damaged + 300, damaged + 308);
      writes.length = 0;
      await changePassphrase(device, { passphrase: 'old' }, { passphrase: 'new' }, { scrypt });
      expect(writes).toEqual([damaged, 65536 - damaged]);
    }
  });
});

describe('the header', () => {
  it.each([0, 65536])('is found when the copy at %d is destroyed, and repaired', async (offset) => {
    const { disk, device } = await openFormatted({ closeChildren: false });
    await write(device, Buffer.alloc(SECTOR, 'a'), 0);
    await device.close();
    await write(disk, Buffer.alloc(65536, 0xff), offset);
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const again = await openCrypt(disk, { ...secret, closeChildren: false });
    expect(await bytesOf(again, 0, SECTOR)).toEqual(Buffer.alloc(SECTOR, 'a'));
    expect(await warned).toMatchObject({
      code: 'BIODONE_CRYPT_HEADER',
      message: expect.stringContaining(`at ${offset} `) as string,
    });
    await again.close();
    await changePassphrase(disk, secret, secret, { scrypt });
    await write(disk, Buffer.alloc(4096), 65536 - offset);
    await (await openCrypt(disk, secret)).close();
  });

  it('is missed when both are gone', async () => {
    const { disk, device } = await openFormatted({ closeChildren: false });
    await device.close();
    await write(disk, Buffer.alloc(DATA), 0);
    await expect(openCrypt(disk, secret)).rejects.toEqual(rejection('EINVAL', /formatCrypt/));
  });

  it('does not believe what somebody has changed in it', async () => {
    // Sector size, place of the data, and what scrypt costs: with a digest that fits.
    const { createHash } = await import('node:crypto');
    for (const at of [16, 24, 33, 40, 52, 70, 100, 130, 200]) {
      const disk = openMem(DATA + MIB);
      await formatCrypt(disk, { ...secret, scrypt: { N: 2, r: 1, p: 1 }, dataOffsetBytes: DATA });
      const header = rawBytes(disk, 0, 4096);
      header.writeUInt8(header.readUInt8(at) ^ 2, at);
      header.set(createHash('sha256').update(header.subarray(0, 4064)).digest(), 4064);
      await write(disk, header, 0);
      await write(disk, header, 65536);
      await expect(openCrypt(disk, secret)).rejects.toEqual(rejection('EACCES'));
    }
  });

  it('makes scrypt take no more than a machine has', async () => {
    const disk = openMem(DATA + MIB);
    for (const cost of [
      { N: 3, r: 1, p: 1 },
      { N: 2 ** 30, r: 8, p: 1 },
      { N: 2, r: 0, p: 1 },
      { N: 2 ** 14, r: 8, p: 2 ** 20 },
    ]) {
      await expect(formatCrypt(disk, { ...secret, scrypt: cost })).rejects.toEqual(rejection('EINVAL', /scrypt/));
    }
  });

  it('is not overwritten unasked', async () => {
    const { disk, device } = await openFormatted({ closeChildren: false });
    await device.close();
    await expect(formatCrypt(disk, { ...secret, scrypt })).rejects.toEqual(rejection('EEXIST', /force/));
    await formatCrypt(disk, { passphrase: 'new', scrypt, dataOffsetBytes: DATA, force: true });
    await expect(openCrypt(disk, secret)).rejects.toEqual(rejection('EACCES'));
  });

  it('is not taken for missing where it cannot be read', async () => {
    const { device: disk, failure } = openFailing(Buffer.alloc(DATA + MIB));
    Object.assign(failure, { from: 1, forEver: true });
    await expect(openCrypt(disk, secret)).rejects.toEqual(rejection('EIO'));
    await expect(formatCrypt(disk, { ...secret, scrypt })).rejects.toEqual(rejection('EIO'));
  });

  it('needs a device that has room for it, an end, and blocks that fit', async () => {
    await expect(formatCrypt(openMem(DATA), { ...secret, scrypt })).rejects.toEqual(rejection('EINVAL', /no room/));
    const blocks = openMem(2 * MIB, { blockSizeBytes: 8192 });
    await expect(formatCrypt(blocks, { ...secret, scrypt })).rejects.toEqual(rejection('EINVAL', /block size, 8192/));
    for (const sectorBytes of [256, 3000, 131072]) {
      await expect(formatCrypt(openMem(MIB), { ...secret, sectorBytes })).rejects.toEqual(rejection('ERR_INVALID_ARG_VALUE'));
    }
    await expect(formatCrypt(openMem(MIB), { ...secret, dataOffsetBytes: 4096 })).rejects.toEqual(
      rejection('ERR_INVALID_ARG_VALUE'),
    );
  });
});

describe('what lies below', () => {
  it('is nowhere what was written, and differs where equal sectors were', async () => {
    const { disk, device } = await openFormatted({ closeChildren: false });
    const plain = bufferOf(Buffer.alloc(32 * SECTOR, 'plain text! '));
    const io = makeIo({ operation: BLOCK_WRITE, buffer: plain });
    expect((await start(device, io)).error).toBe(0);
    // The caller's memory is as it was.
    expect(Buffer.from(plain.bytes).equals(Buffer.alloc(32 * SECTOR, 'plain text! '))).toBe(true);
    await device.close();
    const raw = rawBytes(disk);
    expect(raw.includes('plain text')).toBe(false);
    expect(raw.includes('open sesame')).toBe(false);
    const sectors = new Set<string>();
    for (let index = 0; index < 32; index++)
      sectors.add(raw.subarray(DATA + index * SECTOR, DATA + (index + 1) * SECTOR).toString('latin1'));
    expect(sectors.size).toBe(32);
  });

  it('differs from volume to volume with the same passphrase', async () => {
    const ciphertexts = [];
    for (let round = 0; round < 2; round++) {
      const { disk, device } = await openFormatted({ closeChildren: false });
      await write(device, Buffer.alloc(SECTOR), 0);
      await device.close();
      ciphertexts.push(rawBytes(disk, DATA, SECTOR).toString('hex'));
    }
    expect(ciphertexts[0]).not.toBe(ciphertexts[1]);
  });

  it('is encrypted zeros where zeros were asked for', async () => {
    const { disk, device } = await openFormatted({ closeChildren: false });
    expect(await start(device, makeIo({ operation: BLOCK_WRITE_ZEROES, buffer: null, lengthBytes: MIB }))).toEqual({
      error: 0,
      transferredBytes: MIB,
    });
    expect((await bytesOf(device, 0, MIB)).equals(Buffer.alloc(MIB))).toBe(true);
    await device.close();
    expect(rawBytes(disk, DATA, MIB).filter((byte) => byte === 0).length).toBeLessThan(MIB / 128);
  });

  it('hears of discards only where that is allowed', async () => {
    const { device } = await openFormatted();
    const discard = (): BlockIo => makeIo({ operation: BLOCK_DISCARD, buffer: null, lengthBytes: MIB });
    expect((await start(device, discard())).error).toBe(ENOTSUP);
    const { disk, device: leaky } = await openFormatted({ allowDiscards: true });
    await write(leaky, Buffer.alloc(MIB, 1), 0);
    expect(await start(leaky, discard())).toEqual({ error: 0, transferredBytes: MIB });
    expect(rawBytes(disk, DATA, MIB).equals(Buffer.alloc(MIB))).toBe(true);
  });

  it('gets flushes and FUA', async () => {
    const seen: [number, number][] = [];
    const recorded = openRecording((io) => seen.push([io.operation, io.flags]));
    const device = await openCrypt(recorded.device, { headerless: true, key: keyOf(3) });
    const io = makeIo({ operation: BLOCK_WRITE, buffer: bufferOf(Buffer.alloc(SECTOR)) });
    io.flags = BLOCK_FUA;
    await start(device, io);
    await flush(device);
    expect(seen).toEqual([
      [BLOCK_WRITE, BLOCK_FUA],
      [2, 0],
    ]);
  });

  it('is claimed until this is closed, and no secret is told', async () => {
    const { disk, device } = await openFormatted({ closeChildren: false });
    expect((await write(disk, 'x', 0)).error).toBe(EPERM);
    const key = Buffer.from((device.handle() as unknown as { volume: { key: SharedArrayBuffer } }).volume.key);
    const copy = Buffer.from(key.subarray(0, 64));
    const told = JSON.stringify([device.config(), device.describe()]);
    for (const secretText of ['sesame', copy.toString('hex'), copy.toString('base64'), '"key"'])
      expect(told).not.toContain(secretText);
    expect(device.config()).toMatchObject({
      driver: 'crypt',
      device: { driver: 'mem' },
      headerless: false,
      allowDiscards: false,
    });
    expect(copy.equals(Buffer.alloc(64))).toBe(false);
    await device.close();
    expect(key.equals(Buffer.alloc(65))).toBe(true);
    expect((await write(disk, 'x', 0)).error).toBe(0);
  });
});

describe('as a device', () => {
  it.each([
    ['whole sectors of 4096 bytes', SECTOR, SECTOR],
    ['whole sectors of 512 bytes', 512, 512],
    ['blocks of 512 bytes in sectors of 4096', SECTOR, 512],
    ['single bytes in sectors of 65536', 65536, 1],
  ])('has what an array has after random operations: %s', { timeout: 60_000 }, async (name, sectorBytes, blockSizeBytes) => {
    const random = seededRandom(`crypt, ${name}`);
    const { disk, device } = await openFormatted(
      { blockSizeBytes, childrenMax: 1 + random(3), piecesMax: 1 + random(3), closeChildren: false },
      { sectorBytes },
    );
    const size = Number(device.limits.sizeBytes);
    const blocks = size / blockSizeBytes;
    await start(device, makeIo({ operation: BLOCK_WRITE_ZEROES, buffer: null, lengthBytes: size }));
    const model = Buffer.alloc(size);
    for (let round = 0; round < 60; round++) await randomBatch(device, model, random, blocks, blockSizeBytes);
    expect((await bytesOf(device, 0, size)).equals(model)).toBe(true);
    await device.close();
    // And another opening sees the same.
    const again = await openCrypt(disk, secret);
    expect((await bytesOf(again, 0, size)).equals(model)).toBe(true);
  });

  it('completes in biowait, without the event loop', async () => {
    const { device } = await openFormatted();
    const io = makeIo({ operation: BLOCK_WRITE, buffer: bufferOf(Buffer.alloc(MIB, 9)) });
    device.strategy(io);
    biowait(io);
    expect(io).toMatchObject({ error: 0, transferredBytes: MIB });
    expect(rawRead(device, MIB - SECTOR)[0]).toBe(9);
  });

  it('is shared with other threads, key and all', async () => {
    const { device } = await openFormatted({ sectorBytes: 512 }, { sectorBytes: 512 });
    const handle = device.handle();
    const other = attachDevice(structuredClone(handle));
    await write(device, Buffer.alloc(1024, 5), 512);
    expect(await bytesOf(other, 512, 1024)).toEqual(Buffer.alloc(1024, 5));
    expect(other.limits).toEqual(device.limits);
    await other.close();
    const worker = new Worker(new URL('./support/crypt-worker.mjs', import.meta.url), { workerData: device.handle() });
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    expect(await answerOf(worker)).toEqual({ seen: [5, 5], error: 0 });
    expect(await exit).toBe(0);
    expect(await bytesOf(device, 4096, 512)).toEqual(Buffer.alloc(512, 6));
    await device.close();
  });

  it('knows no holes, and refuses what it is given below its blocks', async () => {
    const { device } = await openFormatted();
    const io = makeIo({ operation: BLOCK_EXTENTS, buffer: null, lengthBytes: MIB });
    const list = new ExtentList();
    io.extents = list;
    expect(await start(device, io)).toEqual({ error: 0, transferredBytes: MIB });
    expect([list.count, list.kind(0), list.lengthBytes(0)]).toEqual([1, EXTENT_DATA, MIB]);
    expect(device.capabilities).toMatchObject({ extents: false, zeroes: 'emulate' });
    expect((await write(device, Buffer.alloc(512), 0)).error).toBe(EINVAL);
  });

  it('follows the size of the device below, and its removal', async () => {
    const tell: { resized: (sizeBytes: number) => void; removed: () => void }[] = [];
    const { device: below } = openRecording(undefined, (events) => tell.push(events));
    const device = await openCrypt(below, { headerless: true, key: keyOf(1) });
    const sizes: number[] = [];
    let removed = 0;
    device.on('resize', (sizeBytes) => sizes.push(sizeBytes)).on('remove', () => (removed += 1));
    tell[0]?.resized(10 * SECTOR + 100);
    expect(sizes).toEqual([10 * SECTOR]);
    expect(device.limits.sizeBytes).toBe(10 * SECTOR);
    tell[0]?.removed();
    expect(removed).toBe(1);
    expect((await write(device, Buffer.alloc(SECTOR), 0)).error).toBe(constants.errno.ENODEV);
  });

  it('passes an abort on', async () => {
    const { device: below, started } = openManual();
    const device = await openCrypt(below, { headerless: true, key: keyOf(1), childrenMax: 1 });
    const ios = [0, 1].map((index) => makeIo({ offset: index * SECTOR }));
    const outcomes = ios.map((io) => start(device, io));
    expect(started.length).toBe(1);
    expect(device.abort(ios[1] as BlockIo)).toBe('cancelled');
    expect(device.abort(ios[0] as BlockIo)).toBe('in-progress');
    expect((await outcomes[1])?.error).toBe(ECANCELED);
    below.poll();
    expect((await outcomes[0])?.error).toBe(0);
  });

  it('uses its requests and their memory again', async () => {
    const requests = new Set<BlockIo>();
    const buffers = new Set<IoBuffer | null>();
    const { device: below } = openRecording((io) => {
      requests.add(io);
      buffers.add(io.buffer);
    });
    const device = await openCrypt(below, { headerless: true, key: keyOf(5), childrenMax: 2 });
    for (let round = 0; round < 20; round++) {
      await Promise.all([0, 1, 2, 3].map((index) => write(device, Buffer.alloc(SECTOR), index * SECTOR)));
      runSync(device, makeIo({ operation: BLOCK_WRITE, buffer: bufferOf(Buffer.alloc(SECTOR)) }));
    }
    expect(requests.size).toBe(2);
    expect(buffers.size).toBe(2);
  });

  it('leaves no memory to the garbage collector', async () => {
    const { disk, device } = await openFormatted();
    const io = makeIo({ buffer: IoBuffer.allocate(65536) });
    for (const operation of [BLOCK_WRITE, BLOCK_READ] as const) {
      io.operation = operation;
      runSync(device, io);
      const before = process.memoryUsage().arrayBuffers;
      for (let round = 0; round < 128; round++) runSync(device, io);
      // 8 MiB have gone through it, of which Node would otherwise keep up to 32.
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MIB);
    }
    await device.close();
    await disk.close();
  });

  it('gives what was read before an error, in whole sectors', async () => {
    const content = new Map<number, Buffer>();
    const device = await openCrypt(openCutOff(content, 2 * SECTOR + 512), { headerless: true, key: keyOf(4) });
    const written = Buffer.alloc(4 * SECTOR, 'abc');
    expect(await write(device, written, 0)).toEqual({ error: 0, transferredBytes: 4 * SECTOR });
    for (const run of [start, runSync]) {
      const io = makeIo({ buffer: IoBuffer.allocate(4 * SECTOR) });
      expect(await run(device, io)).toEqual({ error: EIO, transferredBytes: 2 * SECTOR });
      expect(io.buffer?.bytes.subarray(0, 2 * SECTOR)).toEqual(new Uint8Array(written.subarray(0, 2 * SECTOR)));
    }
  });

  it('survives the failure of each request below, once and for ever', { timeout: 60_000 }, async () => {
    for (const forEver of [false, true]) {
      for (let failing = 1; failing < 40; failing++) await failAt(failing, forEver);
    }
  });
});

/** Writes, reads and flushes with one request below failing: what is reported as good is good, and everything completes once. */
async function failAt(failing: number, forEver: boolean): Promise<void> {
  const content = Buffer.alloc(64 * SECTOR);
  const { device: below, failure, count, inFlight } = openFailing(content);
  const device = await openCrypt(below, {
    headerless: true,
    key: keyOf(2),
    blockSizeBytes: 512,
    childrenMax: 2,
    piecesMax: 2,
  });
  const size = Number(device.limits.sizeBytes);
  expect((await start(device, makeIo({ operation: BLOCK_WRITE_ZEROES, buffer: null, lengthBytes: size }))).error).toBe(0);
  Object.assign(failure, { from: count() + failing, forEver, errno: EIO });
  const outcomes: Promise<Outcome>[] = [];
  const written: [offset: number, length: number, fill: number][] = [];
  for (let index = 0; index < 12; index++) {
    const [offset, length] = [index * 5 * SECTOR + (index % 3) * 512, [SECTOR, 512, 2 * SECTOR, 3 * SECTOR][index % 4] as number];
    written.push([offset, length, index + 1]);
    outcomes.push(write(device, Buffer.alloc(length, index + 1), offset));
  }
  const results = await Promise.all(outcomes);
  await flush(device);
  const readBack = IoBuffer.allocate(size);
  const outcome = await read(device, readBack, 0);
  const failures = results.filter(({ error }) => error !== 0);
  if (forEver) expect(count() >= Number(failure.from) ? outcome.error : EIO).toBe(EIO);
  else expect(failures.length).toBeLessThanOrEqual(1);
  for (const { error } of failures) expect(error).toBe(EIO);
  failure.from = Number.POSITIVE_INFINITY;
  // By the synchronous way, which goes through the same steps.
  expect(runSync(device, makeIo({ buffer: readBack, lengthBytes: size }))).toEqual({ error: 0, transferredBytes: size });
  for (const [index, [offset, length, fill]] of written.entries()) {
    if (results[index]?.error !== 0) continue;
    expect(readBack.bytes.subarray(offset, offset + length).every((byte) => byte === fill)).toBe(true);
  }
  expect({ device: device.inFlight, below: inFlight() }).toEqual({ device: 0, below: 0 });
  await device.close();
}

/** Some requests that do not overlap, at once, in every form there is. */
async function randomBatch(
  device: BlockDevice,
  model: Buffer,
  random: (below: number) => number,
  blocks: number,
  blockSizeBytes: number,
): Promise<void> {
  const slots = 8;
  const slotBlocks = Math.floor(blocks / slots);
  const work: Promise<void>[] = [];
  for (let slot = 0; slot < slots; slot++) {
    const first = random(slotBlocks);
    const count =
      random(4) === 0
        ? slotBlocks - first
        : Math.min(slotBlocks - first, 1 + random(Math.max(1, Math.ceil(9000 / blockSizeBytes))));
    const [offset, length] = [(slot * slotBlocks + first) * blockSizeBytes, count * blockSizeBytes];
    work.push(randomRequest(device, model, random, offset, length));
  }
  await Promise.all(work);
}

async function randomRequest(
  device: BlockDevice,
  model: Buffer,
  random: (below: number) => number,
  offset: number,
  length: number,
): Promise<void> {
  const operation = [BLOCK_READ, BLOCK_WRITE, BLOCK_WRITE, BLOCK_WRITE_ZEROES][random(4)] as BlockOperation;
  const lead = random(2) * random(100);
  const memory = IoBuffer.allocate(length + lead);
  const bytes = memory.bytes.subarray(lead);
  for (let index = 0; index < length; index += 64) bytes.fill(1 + random(255), index, Math.min(length, index + 64));
  const io = new BlockIo();
  Object.assign(io, { operation, offset, lengthBytes: length });
  const cut = random(length);
  if (operation !== BLOCK_WRITE_ZEROES && random(2) === 0 && cut > 0) {
    io.vector = new IoVector([
      { memory, memoryOffset: lead, lengthBytes: cut },
      { memory, memoryOffset: lead + cut, lengthBytes: length - cut },
    ]);
  } else if (operation !== BLOCK_WRITE_ZEROES) {
    io.buffer = memory;
    io.bufferOffset = lead;
  }
  const before = Buffer.from(model.subarray(offset, offset + length));
  if (operation === BLOCK_WRITE) model.set(bytes, offset);
  if (operation === BLOCK_WRITE_ZEROES) model.fill(0, offset, offset + length);
  const synchronous = random(3) === 0;
  const outcome = synchronous ? runSync(device, io) : await start(device, io);
  // A range in which an asynchronous write changes part of a sector is refused to synchronous ones: it is done again.
  if (synchronous && outcome.error === constants.errno.EBUSY)
    expect(await start(device, io)).toEqual({ error: 0, transferredBytes: length });
  else expect(outcome).toEqual({ error: 0, transferredBytes: length });
  if (operation === BLOCK_READ) expect(before.equals(bytes)).toBe(true);
}

/** A device that keeps what is written at each place, and whose reads fail after so many bytes. */
function openCutOff(content: Map<number, Buffer>, cutBytes: number): BlockDevice {
  const run = (io: BlockIo): void => {
    const bytes = (io.buffer as IoBuffer).bytes.subarray(io.bufferOffset, io.bufferOffset + io.lengthBytes);
    io.transferredBytes = io.lengthBytes;
    if (io.operation === BLOCK_WRITE) {
      content.set(io.offset, Buffer.from(bytes));
    } else {
      bytes.set(content.get(io.offset) ?? []);
      io.transferredBytes = cutBytes;
      io.error = EIO;
    }
  };
  return new BlockDevice({
    name: 'cut-off',
    limits: { blockSizeBytes: 1, sizeBytes: MIB, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'none' },
    start: (io) => {
      run(io);
      biodone(io, io.error);
    },
    startSync: run,
    poll: () => 0,
    wait: () => 0,
    describe: () => ({}),
    config: () => ({ driver: 'cut-off' }),
    handle: () => ({ driver: 'null' }),
    close: () => {},
  });
}

function rawRead(device: BlockDevice, offset: number): Uint8Array {
  const buffer = IoBuffer.allocate(SECTOR);
  expect(runSync(device, makeIo({ buffer, offset })).error).toBe(0);
  return buffer.bytes;
}

function keyOf(seed: number): Buffer {
  return Buffer.from(Array.from({ length: 64 }, (_, index) => (index * 7 + seed) % 256));
}
