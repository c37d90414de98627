import { statSync, truncateSync } from 'node:fs';
import {
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type CowOptions,
  openCow,
  openFile,
  openMem,
} from '@biodone/blockdev';
import { flushRequest, openFault, openManual, run, runSync, SeededRandom, writeRequest } from '@biodone/testkit';
import { describe, expect, it } from 'vitest';
import { bytesOf, copyOf } from './support/contents.js';
import { newFile } from './support/devices.js';

const BLOCK = 4096;
const SIZE_BYTES = 64 * BLOCK;
const seed = Number(process.env['BIODONE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const small: CowOptions = { blockBytes: BLOCK, closeChildren: false };

/** A base of blocks that hold their number. */
function numbered(sizeBytes = SIZE_BYTES): BlockDevice {
  const base = openMem(sizeBytes);
  for (let index = 0; index * BLOCK < sizeBytes; index++) {
    runSync(base, writeRequest(index * BLOCK, new Uint8Array(BLOCK).fill(index + 1)));
  }
  return base;
}

async function write(device: BlockDevice, offset: number, tag: number, lengthBytes = BLOCK): Promise<void> {
  expect((await run(device, writeRequest(offset, new Uint8Array(lengthBytes).fill(tag)))).error).toBe(0);
}

const overlays: readonly [name: string, options: () => CowOptions][] = [
  ['in memory', () => small],
  ['on a device', () => ({ ...small, overlay: openMem(SIZE_BYTES + 65_536), create: true })],
];

describe.each(overlays)('an overlay %s', (_name, options) => {
  it('takes all writes, of any part of a block, and leaves the base as it is', async () => {
    console.log(`overlay: BIODONE_SEED=${seed}`);
    const random = new SeededRandom(seed);
    const base = numbered();
    const [before, model] = [bytesOf(base), bytesOf(base)];
    const device = await openCow(base, options());
    for (let round = 0; round < 200; round++) {
      const offset = random.below(SIZE_BYTES);
      const lengthBytes = 1 + random.below(Math.min(3 * BLOCK, SIZE_BYTES - offset));
      const tag = random.below(256);
      await write(device, offset, tag, lengthBytes);
      model.fill(tag, offset, offset + lengthBytes);
    }
    expect(Buffer.compare(bytesOf(device), model)).toBe(0);
    expect(Buffer.compare(bytesOf(base), before)).toBe(0);
    await device.close();
  });

  it('is copied into the base, and empty then', async () => {
    const base = numbered();
    const device = await openCow(base, options());
    await write(device, 3 * BLOCK, 100);
    await write(device, 7 * BLOCK + 5, 101, 10);
    expect(device.changedBytes).toBe(2 * BLOCK);
    const wanted = bytesOf(device);
    await device.commit();
    expect(device.changedBytes).toBe(0);
    expect(Buffer.compare(bytesOf(base), wanted)).toBe(0);
    await write(device, 0, 102);
    expect([bytesOf(device)[0], bytesOf(base)[0]]).toEqual([102, 1]);
    await device.close();
  });

  it('is thrown away', async () => {
    const base = numbered();
    const device = await openCow(base, options());
    await write(device, 3 * BLOCK, 100);
    await device.discard();
    expect(device.changedBytes).toBe(0);
    expect(Buffer.compare(bytesOf(device), bytesOf(base))).toBe(0);
    await device.close();
  });

  it('is not copied into a base that is open for reading alone', async () => {
    const path = newFile();
    const device = await openCow(openFile(path, { readOnly: true }), {
      ...options(),
      ...(options().overlay ? { overlay: openMem(2 ** 21) } : {}),
      closeChildren: true,
    });
    await write(device, 0, 5);
    await expect(device.commit()).rejects.toMatchObject({ code: 'EROFS' });
    expect(bytesOf(device)[0]).toBe(5);
    await device.close();
  });

  it('claims the base, so that nobody changes it', async () => {
    const base = numbered();
    const device = await openCow(base, options());
    expect(runSync(base, writeRequest(0, new Uint8Array(BLOCK))).error).not.toBe(0);
    await device.commit();
    expect(runSync(base, writeRequest(0, new Uint8Array(BLOCK))).error).not.toBe(0);
    await device.close();
    expect(runSync(base, writeRequest(0, new Uint8Array(BLOCK))).error).toBe(0);
  });

  it('is not copied into a base that others count on, and goes on', async () => {
    const base = numbered();
    const [device, other] = [await openCow(base, options()), await openCow(base, small)];
    await write(device, 0, 50);
    await expect(device.commit()).rejects.toMatchObject({ code: 'EBUSY' });
    expect([bytesOf(device)[0], bytesOf(other)[0]]).toEqual([50, 1]);
    await other.close();
    await device.commit();
    expect(bytesOf(base)[0]).toBe(50);
    await device.close();
  });

  it('copies the rest of a block, or nothing if that cannot be read', async () => {
    const fault = openFault(numbered());
    const device = await openCow(fault, options());
    fault.addFault({ action: { kind: 'error', errno: 5 }, times: 1 });
    expect(await run(device, writeRequest(BLOCK + 1, new Uint8Array(5)))).toEqual({ error: 5, transferredBytes: 0 });
    expect(device.changedBytes).toBe(0);
    await write(device, BLOCK + 1, 9, 5);
    expect([...bytesOf(device).subarray(BLOCK, BLOCK + 7)]).toEqual([2, 9, 9, 9, 9, 9, 2]);
    await device.close();
  });
});

describe('an overlay in memory', () => {
  it('that is full says ENOSPC, and goes on with what it has', async () => {
    const device = await openCow(numbered(), { ...small, maxBytes: 2 * BLOCK });
    await write(device, 0, 1);
    await write(device, BLOCK, 2);
    expect((await run(device, writeRequest(2 * BLOCK, new Uint8Array(BLOCK)))).error).toBe(28);
    await write(device, BLOCK, 3);
    expect([bytesOf(device)[BLOCK], bytesOf(device)[2 * BLOCK]]).toEqual([3, 3]);
    await device.close();
  });
});

describe('an overlay that is kept', () => {
  const kept = (overlay: BlockDevice, more: CowOptions = {}): CowOptions => ({ ...small, overlay, ...more });

  it('is found again in a file that takes room for what was written alone', async () => {
    const path = newFile();
    truncateSync(path, 0);
    const base = numbered();
    const device = await openCow(base, kept(openFile(path, { growable: true }), { create: true, closeChildren: true }));
    await write(device, 40 * BLOCK, 77);
    await device.close();
    expect(statSync(path).blocks * 512).toBeLessThan(10 * BLOCK);
    const again = await openCow(numbered(), kept(openFile(path, { growable: true }), { closeChildren: true }));
    expect([again.changedBytes, bytesOf(again)[40 * BLOCK], bytesOf(again)[0]]).toEqual([BLOCK, 77, 1]);
    await again.close();
  });

  it('refuses a base of another size, one that has changed, and a device with no overlay, or one where a new one is wanted', async () => {
    const overlay = openMem(SIZE_BYTES + 65_536);
    await expect(openCow(numbered(), kept(overlay))).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining('create'),
    });
    const base = numbered();
    await (await openCow(base, kept(overlay, { create: true }))).close();
    await expect(openCow(base, kept(overlay, { create: true }))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(openCow(numbered(SIZE_BYTES - BLOCK), kept(overlay))).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining(String(SIZE_BYTES - BLOCK)),
    });
    await write(base, 0, 200);
    await expect(openCow(base, kept(overlay))).rejects.toMatchObject({
      code: 'EILSEQ',
      message: expect.stringContaining('checkBase'),
    });
    await (await openCow(base, kept(overlay, { checkBase: false }))).close();
    await expect(openCow(base, kept(openMem(SIZE_BYTES), { create: true }))).rejects.toMatchObject({ code: 'EINVAL' });
  });

  it('refuses a map that is damaged', async () => {
    const overlay = openMem(SIZE_BYTES + 65_536);
    const base = numbered();
    const device = await openCow(base, kept(overlay, { create: true }));
    await write(device, 0, 9);
    await device.close();
    await write(overlay, BLOCK + 16, 255, 1);
    await expect(openCow(base, kept(overlay))).rejects.toMatchObject({ code: 'EIO', message: expect.stringContaining('page 0') });
  });

  it('that is interrupted while it is copied into the base loses nothing, and is copied again', async () => {
    for (let nth = 0; ; nth++) {
      const [base, overlay] = [openFault(numbered()), openFault(openMem(SIZE_BYTES + 65_536))];
      const device = await openCow(base, kept(overlay, { create: true }));
      for (const index of [1, 2, 9, 20]) await write(device, index * BLOCK, 100 + index);
      expect((await run(device, flushRequest())).error).toBe(0);
      const wanted = bytesOf(device);
      let left = nth;
      const when = (): boolean => left-- <= 0;
      for (const fault of [base, overlay])
        fault.addFault({ action: { kind: 'error', errno: 5 }, when, times: Number.POSITIVE_INFINITY });
      const failed = await device.commit().then(
        () => false,
        () => true,
      );
      base.clearFaults();
      overlay.clearFaults();
      // As another system finds the two.
      const [laterBase, laterOverlay] = [copyOf(base), copyOf(overlay)];
      const later = await openCow(laterBase, kept(laterOverlay));
      expect(Buffer.compare(bytesOf(later), wanted), `interrupted at I/O ${nth}`).toBe(0);
      await later.commit();
      await later.close();
      expect(Buffer.compare(bytesOf(laterBase), wanted)).toBe(0);
      await (await openCow(laterBase, kept(laterOverlay))).close();
      await device.close().catch(() => {});
      if (!failed) {
        expect(nth).toBeGreaterThan(10);
        break;
      }
    }
  });

  it('has no block in its map that is not there', async () => {
    const overlay = openFault(openMem(SIZE_BYTES + 65_536));
    const device = await openCow(numbered(), kept(overlay, { create: true }));
    overlay.addFault({ operations: [BLOCK_WRITE], action: { kind: 'error', errno: 5 }, times: 1 });
    expect((await run(device, writeRequest(BLOCK, new Uint8Array(BLOCK)))).error).toBe(5);
    expect(device.changedBytes).toBe(0);
    expect(bytesOf(device)[BLOCK]).toBe(2);
    await device.close();
  });

  it('keeps what is flushed after a discard that has failed half way', async () => {
    let isFailing = false;
    const overlay = openManual(SIZE_BYTES + 65_536, {
      capabilities: { zeroes: 'fast' },
      onStarted: (io) => {
        const fails = isFailing && io.operation === BLOCK_WRITE_ZEROES;
        if (fails) overlay.contents.fill(0, io.offset, io.offset + io.lengthBytes);
        queueMicrotask(() => overlay.complete(io, fails ? 5 : 0));
      },
    });
    const device = await openCow(numbered(), kept(overlay, { create: true }));
    await write(device, 3 * BLOCK, 100);
    await write(device, 9 * BLOCK, 101);
    expect((await run(device, flushRequest())).error).toBe(0);
    isFailing = true;
    await expect(device.discard()).rejects.toMatchObject({ code: 'EIO' });
    await write(device, 3 * BLOCK, 102);
    expect((await run(device, flushRequest())).error).toBe(0);
    const later = await openCow(numbered(), kept(copyOf(overlay)));
    expect([3, 9].map((block) => bytesOf(later)[block * BLOCK])).toEqual([102, 101]);
    await later.close();
    await device.close();
  });
});
