import { execFileSync, spawnSync } from 'node:child_process';
import { statfsSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import {
  BLOCK_ATOMIC,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_NOWAIT,
  BLOCK_READ,
  BLOCK_SYNC,
  BLOCK_WRITE,
  openFile,
} from '@biodone/blockdev';
import { IoBuffer, IoVector, RWF_DSYNC, RWF_SYNC, STATX_WRITE_ATOMIC, statxSync, threadRing } from '@biodone/uring';
import { describe, expect, it, vi } from 'vitest';
import { ask, inParts, modes } from './support/ask.js';
import { describeRing, engines } from './support/available.js';
import { programPath, run } from './support/child.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { EAGAIN, EOPNOTSUPP: ENOTSUP } = constants.errno;
const folder = temporaryFolder();
let files = 0;

function newFile(): string {
  const path = join(folder, `file-${files++}`);
  writeFileSync(path, Buffer.alloc(FILE_BYTES, 7), { flush: true });
  return path;
}

const FILE_BYTES = 4 * 2 ** 20;

/** Takes a file out of the page cache: posix_fadvise(POSIX_FADV_DONTNEED), which leaves pages that somebody holds at that moment. */
function forget(path: string): void {
  for (let attempt = 0; attempt < 100; attempt++) {
    execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
    // Where there is no fincore(1), the first attempt has to do.
    const { status, stdout } = spawnSync('fincore', ['--bytes', '--noheadings', '--output', 'RES', path], { encoding: 'utf8' });
    if (status !== 0 || Number(stdout) === 0) return;
  }
  throw new Error(`${path} stays in the page cache`);
}

const TMPFS_MAGIC = 0x01021994;
const cacheless =
  process.platform !== 'linux'
    ? `no RWF_NOWAIT on ${process.platform}`
    : statfsSync(folder).type === TMPFS_MAGIC
      ? 'a tmpfs is its own cache'
      : null;
if (cacheless !== null) console.warn(`reads that would wait are skipped: ${cacheless}`);

describe.skipIf(cacheless !== null).each(engines)('BLOCK_NOWAIT on a file, engine %s', (engine) => {
  it.each(modes)('reads what the page cache has, and is EAGAIN for the rest: %s', async (mode) => {
    const path = newFile();
    const device = openFile(path, { engine });
    expect(device.capabilities.nowait).toBe(true);
    forget(path);
    const buffer = IoBuffer.allocate(4096);
    const read = { operation: BLOCK_READ, buffer, lengthBytes: 4096, offset: 0 } as const;
    const vector = inParts(new IoVector([{ memory: buffer, memoryOffset: 0, lengthBytes: 4096 }]));
    expect((await ask(device, mode, { ...read, flags: BLOCK_NOWAIT })).error).toBe(EAGAIN);
    expect((await ask(device, mode, { ...vector, offset: FILE_BYTES / 2, flags: BLOCK_NOWAIT })).error).toBe(EAGAIN);
    expect((await ask(device, mode, read)).transferredBytes).toBe(4096);
    const again = await ask(device, mode, { ...read, flags: BLOCK_NOWAIT });
    expect([again.error, again.transferredBytes]).toEqual([0, 4096]);
    const parts = await ask(device, mode, { ...vector, offset: 0, flags: BLOCK_NOWAIT });
    expect([parts.error, parts.transferredBytes]).toEqual([0, 4096]);
    // As the file system will: some write without waiting, the others say so.
    const write = await ask(device, mode, { ...read, operation: BLOCK_WRITE, flags: BLOCK_NOWAIT });
    expect([0, EAGAIN, ENOTSUP]).toContain(write.error);
    await device.close();
  });
});

describe.each(engines)('BLOCK_ATOMIC on a file, engine %s', (engine) => {
  it.each(modes)('is what the file system says, and nothing through the page cache: %s', async (mode) => {
    const path = newFile();
    const cached = openFile(path, { engine });
    expect([cached.limits.atomicWriteMinBytes, cached.limits.atomicWriteMaxBytes]).toEqual([0, 0]);
    const write = { operation: BLOCK_WRITE, flags: BLOCK_ATOMIC, buffer: IoBuffer.allocate(4096), lengthBytes: 4096 } as const;
    expect((await ask(cached, mode, write)).error).toBe(ENOTSUP);
    await cached.close();
    const device = openFile(path, { engine, direct: true });
    const stat = statxSync((device.handle() as unknown as { fd: number }).fd, STATX_WRITE_ATOMIC);
    const told = stat === null || (stat.mask & STATX_WRITE_ATOMIC) === 0 ? 0 : stat.atomicWriteMaxBytes;
    const most = engine === 'fs' ? 0 : told;
    expect(device.limits.atomicWriteMaxBytes).toBe(most);
    const { error } = await ask(device, mode, write);
    expect(error).toBe(most >= 4096 && device.limits.atomicWriteMinBytes <= 4096 ? 0 : ENOTSUP);
    await device.close();
  });
});

describeRing('what io_uring is asked for', () => {
  it('is RWF_DSYNC or RWF_SYNC of a write, and fdatasync or fsync of a flush', async () => {
    const device = openFile(newFile(), { engine: 'uring' });
    const asked: number[] = [];
    const ring = threadRing();
    const begin = ring.start.bind(ring);
    const spy = vi.spyOn(ring, 'start').mockImplementation((request) => {
      asked.push(request.operationFlags);
      begin(request);
    });
    const buffer = IoBuffer.allocate(512);
    for (const flags of [0, BLOCK_FUA, BLOCK_SYNC]) {
      await ask(device, 'strategy', { operation: BLOCK_WRITE, flags, buffer, lengthBytes: 512 });
    }
    for (const flags of [0, BLOCK_SYNC]) await ask(device, 'strategy', { operation: BLOCK_FLUSH, flags });
    spy.mockRestore();
    // IORING_FSYNC_DATASYNC is 1.
    expect(asked).toEqual([0, RWF_DSYNC, RWF_SYNC, 1, 0]);
    await device.close();
  });
});

function straceRefusal(): string | null {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'ignore' });
    return null;
  } catch (error) {
    return String(error);
  }
}

const refusal = straceRefusal();
if (refusal !== null) console.warn(`which system calls are made is not tested: ${refusal}`);

describe.skipIf(refusal !== null)('the system calls', () => {
  const flushed = ['fdatasync', 'fsync', 'fdatasync', 'fsync'];
  const synced = ['pwritev2 RWF_DSYNC', 'pwritev2 RWF_SYNC', 'fdatasync', 'fsync'];
  it.each([
    ['sync', 'strategy', synced],
    // The layer flushes behind a write there.
    ['fs', 'strategySync', flushed],
    ['fs', 'strategy', flushed],
  ])('tell O_DSYNC from O_SYNC: engine %s, %s', async (engine, mode, expected) => {
    const path = newFile();
    const program = [programPath('stable-calls.mjs'), path, engine, mode];
    const options = ['-f', '-qq', '-P', path, '-e', 'trace=pwritev2,fsync,fdatasync', '-e', 'signal=none'];
    const { stdout, stderr } = await run('strace', [...options, process.execPath, ...program]);
    expect(stdout).toBe('0,0,0,0\n');
    const named = stderr.split('\n').flatMap((line) => {
      const call = /(?<!resumed>.*)(pwritev2|fsync|fdatasync)\(/.exec(line)?.[1];
      return call === undefined ? [] : [[call, ...(/RWF_\w+/.exec(line) ?? [])].join(' ')];
    });
    expect(named).toEqual(expected);
  });
});
