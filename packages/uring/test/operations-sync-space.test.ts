import { fstatSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  FALLOC_FL_ZERO_RANGE,
  prepareDiscard,
  prepareFallocate,
  prepareFdatasync,
  prepareFsync,
  prepareFtruncate,
  prepareSyncFileRange,
  RingFile,
  SYNC_FILE_RANGE_WAIT_AFTER,
  SYNC_FILE_RANGE_WAIT_BEFORE,
  SYNC_FILE_RANGE_WRITE,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { failure, outOfRange } from './support/failure.js';
import { Pipe, Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const BLOCK = 4096;
const BLOCKS = 16;

describeRing('the space of a file', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  writeFileSync(path, '');
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16 });
  const file = RingFile.open(path, 'r+');
  const readOnly = RingFile.open(path, 'r');
  afterAll(async () => {
    await ring.close();
    await file.close();
    await readOnly.close();
  });
  beforeEach(async () => {
    writeFileSync(path, 'x'.repeat(BLOCK * BLOCKS));
    await ring.run((request) => prepareFsync(request, file));
  });

  /** One letter for each block: x for data, 0 for zeroes. */
  function blocks(): string {
    const bytes = readFileSync(path);
    let text = '';
    for (let start = 0; start < bytes.length; start += BLOCK) {
      const block = bytes.subarray(start, start + BLOCK);
      if (block.every((byte) => byte === 0)) text += '0';
      else text += block.every((byte) => byte === 120) ? 'x' : '?';
    }
    return text;
  }

  function fallocate(mode: number, first: number, count: number, target: RingFile = file): Promise<number> {
    return ring.run((request) => prepareFallocate(request, target, mode, first * BLOCK, count * BLOCK));
  }

  function allocated(): number {
    return fstatSync(file.fd).blocks * 512;
  }

  it('is allocated, with the file longer or not', async () => {
    const before = allocated();
    expect(await fallocate(FALLOC_FL_KEEP_SIZE, BLOCKS, 4)).toBe(0);
    expect([fstatSync(file.fd).size, allocated() - before]).toEqual([BLOCK * BLOCKS, 4 * BLOCK]);
    expect(await fallocate(0, BLOCKS, 4)).toBe(0);
    expect([fstatSync(file.fd).size, allocated() - before]).toEqual([BLOCK * (BLOCKS + 4), 4 * BLOCK]);
    expect(blocks()).toBe(`${'x'.repeat(BLOCKS)}0000`);
  });

  it('has holes punched out, which are given back', async () => {
    const before = allocated();
    expect(await fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 3)).toBe(0);
    expect(blocks()).toBe('xx000xxxxxxxxxxx');
    expect(before - allocated()).toBe(3 * BLOCK);
  });

  it('is zeroed, and stays allocated', async () => {
    const before = allocated();
    expect(await fallocate(FALLOC_FL_ZERO_RANGE, 1, 2)).toBe(0);
    expect(blocks()).toBe('x00xxxxxxxxxxxxx');
    expect(allocated()).toBe(before);
  });

  it('is taken out and put in, where the file system can', async () => {
    expect(await fallocate(FALLOC_FL_ZERO_RANGE, 0, 1)).toBe(0);
    const answer = await fallocate(FALLOC_FL_INSERT_RANGE, 4, 2).catch((error) => error.code);
    if (answer === 'EOPNOTSUPP') {
      console.warn('inserting and collapsing ranges is not tested: the file system cannot');
      return;
    }
    expect(blocks()).toBe(`0xxx00${'x'.repeat(12)}`);
    expect(await fallocate(FALLOC_FL_COLLAPSE_RANGE, 0, 1)).toBe(0);
    expect(blocks()).toBe(`xxx00${'x'.repeat(12)}`);
  });

  it('is refused for modes that are none, files that are none, and too much', async () => {
    const path = file.path;
    // EOPNOTSUPP, that is, which Node calls ENOTSUP. A hole in a file that grows for it makes no sense, and the kernel knows no mode 0x4000.
    for (const mode of [FALLOC_FL_PUNCH_HOLE, 0x4000, FALLOC_FL_ZERO_RANGE | FALLOC_FL_COLLAPSE_RANGE]) {
      await expect(fallocate(mode, 0, 1)).rejects.toMatchObject({ code: expect.stringMatching(/^(ENOTSUP|EINVAL)$/), path });
    }
    await expect(fallocate(FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_PUNCH_HOLE, 0, 1)).rejects.toMatchObject({ syscall: 'fallocate' });
    await expect(fallocate(0, 0, 0)).rejects.toEqual(failure('EINVAL', 'fallocate', path));
    await expect(fallocate(0, 0, 1, readOnly)).rejects.toEqual(failure('EBADF', 'fallocate', path));
    await expect(ring.run((request) => prepareFallocate(request, file, 0, 2 ** 52, 2 ** 52))).rejects.toMatchObject({
      code: expect.stringMatching(/^(EFBIG|ENOSPC)$/),
    });
    const pipe = new Pipe();
    await expect(fallocate(0, 0, 1, RingFile.borrow(pipe.writeEnd))).rejects.toEqual(failure('ESPIPE', 'fallocate'));
    pipe.close();
    expect(blocks()).toBe('x'.repeat(BLOCKS));
  });

  it('is cut off and made longer', async () => {
    expect(await ring.run((request) => prepareFtruncate(request, file, BLOCK * 2))).toBe(0);
    expect(blocks()).toBe('xx');
    expect(await ring.run((request) => prepareFtruncate(request, file, BLOCK * 4))).toBe(0);
    expect(blocks()).toBe('xx00');
    const huge = 2 ** 40 + 2 ** 33 + 5;
    expect(await ring.run((request) => prepareFtruncate(request, file, huge))).toBe(0);
    expect(fstatSync(file.fd).size).toBe(huge);
    expect(await ring.run((request) => prepareFtruncate(request, file, 0))).toBe(0);
    await expect(ring.run((request) => prepareFtruncate(request, readOnly, 0))).rejects.toEqual(
      failure('EINVAL', 'ftruncate', path),
    );
    await expect(ring.run((request) => prepareFtruncate(request, -1, 0))).rejects.toMatchObject({
      code: 'EBADF',
      syscall: 'ftruncate',
    });
  });

  it('is written out', async () => {
    expect(await ring.run((request) => prepareFsync(request, file))).toBe(0);
    expect(await ring.run((request) => prepareFdatasync(request, file))).toBe(0);
    // Whoever may read a file may have it written out.
    expect(await ring.run((request) => prepareFdatasync(request, readOnly))).toBe(0);
    const all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    for (const [start, length, flags] of [
      [0, BLOCK, SYNC_FILE_RANGE_WRITE],
      [BLOCK, 0, all],
      [0, 0xffff_ffff, all],
      [0, 0, 0],
    ] as const) {
      expect(await ring.run((request) => prepareSyncFileRange(request, file, start, length, flags))).toBe(0);
    }
  });

  it('is not written out of what is no file, and by flags that are none', async () => {
    const pipe = new Pipe();
    await expect(ring.run((request) => prepareFsync(request, pipe.input))).rejects.toEqual(failure('EINVAL', 'fsync', 'pipe'));
    await expect(ring.run((request) => prepareFdatasync(request, -1))).rejects.toMatchObject({ code: 'EBADF', syscall: 'fsync' });
    const range = (target: RingFile, flags: number): Promise<number> =>
      ring.run((request) => prepareSyncFileRange(request, target, 0, 1, flags));
    await expect(range(pipe.input, SYNC_FILE_RANGE_WRITE)).rejects.toEqual(failure('ESPIPE', 'sync_file_range', 'pipe'));
    await expect(range(file, 8)).rejects.toEqual(failure('EINVAL', 'sync_file_range', path));
    pipe.close();
  });
});

describe('ranges of a file that are none', () => {
  it.each([-1, 0.5, 2 ** 53, Number.NaN, '1', undefined])('are refused at once: %s', (wrong) => {
    const request = new Probe();
    const refused = expect.objectContaining(outOfRange);
    const value = wrong as number;
    expect(() => prepareFallocate(request, 0, 0, value, 1)).toThrow(refused);
    expect(() => prepareFallocate(request, 0, 0, 1, value)).toThrow(refused);
    expect(() => prepareFtruncate(request, 0, value)).toThrow(refused);
    expect(() => prepareDiscard(request, 0, value, 512)).toThrow(refused);
    expect(() => prepareDiscard(request, 0, 0, value)).toThrow(refused);
    expect(() => prepareSyncFileRange(request, 0, value, 1, 0)).toThrow(refused);
    expect(() => prepareSyncFileRange(request, 0, 0, value, 0)).toThrow(refused);
  });

  it('are refused where the kernel takes 32 bits', () => {
    expect(() => prepareSyncFileRange(new Probe(), 0, 0, 2 ** 32, 0)).toThrow(expect.objectContaining(outOfRange));
  });
});
