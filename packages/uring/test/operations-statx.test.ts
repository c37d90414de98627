import { constants, mkdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  prepareStatx,
  RingFile,
  type RingRequest,
  readStatx,
  STATX_BASIC_STATS,
  STATX_BTIME,
  STATX_DIOALIGN,
  STATX_WRITE_ATOMIC,
  type Statx,
  statxSync,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { failure } from './support/failure.js';
import { temporaryFolder } from './support/temporary-folder.js';

describeRing('prepareStatx', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  writeFileSync(path, 'x'.repeat(10_000), { mode: 0o640 });
  utimesSync(path, 1_234_567_890.125, new Date(-86_400_500));
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16 });
  const file = RingFile.open(path);
  const directory = RingFile.open(folder);
  afterAll(async () => {
    await ring.close();
    await file.close();
    await directory.close();
  });

  async function statx(prepare: (request: RingRequest) => void): Promise<Statx> {
    let used: RingRequest | undefined;
    const result = await ring.run((request) => {
      used = request;
      prepare(request);
    });
    expect(result).toBe(0);
    return readStatx(used as RingRequest);
  }

  function expectedOf(path: string): Partial<Statx> {
    const stat = statSync(path);
    return {
      mode: stat.mode,
      sizeBytes: stat.size,
      allocatedBytes: stat.blocks * 512,
      blockSizeBytes: stat.blksize,
      links: stat.nlink,
      uid: stat.uid,
      gid: stat.gid,
      inode: stat.ino,
      accessedMs: stat.atimeMs,
      modifiedMs: stat.mtimeMs,
      changedMs: stat.ctimeMs,
      createdMs: stat.birthtimeMs,
    };
  }

  /** Milliseconds with fractions are not computed in the same way everywhere. */
  function comparable(stat: Partial<Statx>): object {
    return Object.fromEntries(Object.entries(stat).map(([name, value]) => [name, Math.round(value * 1000) / 1000]));
  }

  it('says what fs.stat says', async () => {
    for (const one of [path, folder, '/dev/null', '/proc/self/status']) {
      const stat = await statx((request) => prepareStatx(request, one));
      expect(stat.mask & STATX_BASIC_STATS).toBe(STATX_BASIC_STATS);
      const expected = expectedOf(one);
      // Where a file has no time of birth, Node gives another time.
      if ((stat.mask & STATX_BTIME) === 0) Object.assign(expected, { createdMs: stat.createdMs });
      // It changes from one look at it to the next.
      if (one.startsWith('/proc'))
        Object.assign(expected, { accessedMs: stat.accessedMs, modifiedMs: stat.modifiedMs, changedMs: stat.changedMs });
      expect(comparable(stat), one).toMatchObject(comparable(expected));
    }
    expect((await statx((request) => prepareStatx(request, path))).modifiedMs).toBe(-86_400_500);
  });

  it('is about an open file, on a RingFile and on a number, or relative to a directory', async () => {
    const inode = statSync(path).ino;
    for (const target of [file, file.fd]) {
      expect((await statx((request) => prepareStatx(request, '', AT_EMPTY_PATH, STATX_BASIC_STATS, target))).inode).toBe(inode);
    }
    expect((await statx((request) => prepareStatx(request, 'file', 0, STATX_BASIC_STATS, directory))).inode).toBe(inode);
  });

  it('is about an open file without a ring too', async () => {
    const asynchronous = await statx((request) => prepareStatx(request, '', AT_EMPTY_PATH, STATX_BASIC_STATS, file));
    expect(statxSync(file.fd, STATX_BASIC_STATS)).toEqual(asynchronous);
    expect(statxSync(-1)).toBe(null);
  });

  it('is about a link or what it points to', async () => {
    const link = join(folder, 'link');
    symlinkSync(path, link);
    const { S_IFMT, S_IFLNK, S_IFREG } = constants;
    expect((await statx((request) => prepareStatx(request, link))).mode & S_IFMT).toBe(S_IFREG);
    expect((await statx((request) => prepareStatx(request, link, AT_SYMLINK_NOFOLLOW))).mode & S_IFMT).toBe(S_IFLNK);
  });

  it('tells the alignment for O_DIRECT, where the file system knows it', async () => {
    const mask = STATX_BASIC_STATS | STATX_DIOALIGN | STATX_WRITE_ATOMIC;
    const stat = await statx((request) => prepareStatx(request, path, 0, mask));
    const { directMemoryAlignmentBytes: memory, directOffsetAlignmentBytes: offset } = stat;
    if ((stat.mask & STATX_DIOALIGN) === 0) console.warn('alignments are not tested: the file system does not tell them');
    else for (const bytes of [memory, offset]) expect(bytes === 0 || (bytes & (bytes - 1)) === 0).toBe(true);
    expect(stat.atomicWriteMaxBytes).toBeGreaterThanOrEqual(stat.atomicWriteMinBytes);
  });

  it('fails with the path', async () => {
    const missing = join(folder, 'missing');
    await expect(statx((request) => prepareStatx(request, missing))).rejects.toEqual(failure('ENOENT', 'statx', missing));
    mkdirSync(join(folder, 'directory'));
    const beneath = join(path, 'beneath');
    await expect(statx((request) => prepareStatx(request, beneath))).rejects.toEqual(failure('ENOTDIR', 'statx', beneath));
    await expect(statx((request) => prepareStatx(request, ''))).rejects.toEqual(failure('ENOENT', 'statx', ''));
    // A mask with the reserved bit.
    await expect(statx((request) => prepareStatx(request, path, 0, 0x8000_0000))).rejects.toEqual(
      failure('EINVAL', 'statx', path),
    );
  });

  it('answers many at a time, each about its own file', async () => {
    const paths = Array.from({ length: 40 }, (_, index) => join(folder, `of ${index} bytes`));
    for (const [index, one] of paths.entries()) writeFileSync(one, 'x'.repeat(index));
    const sizes = await Promise.all(paths.map((one) => statx((request) => prepareStatx(request, one))));
    expect(sizes.map(({ sizeBytes }) => sizeBytes)).toEqual(paths.map((_, index) => index));
  });
});
