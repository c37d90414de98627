import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  BLOCK_DISCARD,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  BlockIo,
  openFile,
} from '@biodone/blockdev';
import { EBADF, EFBIG, EINVAL, EIO, ENOSPC, ENOTSUP, IoBuffer, threadRing } from '@biodone/uring';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { ask, modes } from './support/ask.js';
import { describeRing, engines } from './support/available.js';
import { programPath, run } from './support/child.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
let files = 0;
function newFile(content: Uint8Array | string = 'content'): string {
  files += 1;
  const path = join(folder, `file-${files}`);
  writeFileSync(path, content);
  return path;
}

/** A file system of 64 KiB that is gone after the tests, or why there is none. */
function mountSmall(): { path: string; refusal: string | null } {
  const path = join(folder, 'small');
  mkdirSync(path);
  const { error, status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'biodone-test', path], {
    encoding: 'utf8',
  });
  const refusal = error?.message ?? (status === 0 ? null : stderr.trim());
  if (refusal === null) afterAll(() => spawnSync('umount', ['--lazy', path]));
  else console.warn(`full and read-only file systems are not tested: ${refusal}`);
  return { path, refusal };
}

const small = mountSmall();

describe.skipIf(small.refusal !== null).each(engines)('a file system that is full, engine %s', (engine) => {
  afterEach(() => {
    for (const name of readdirSync(small.path)) rmSync(join(small.path, name));
  });

  it.each(modes)('gives its error, and how much went before it: %s', async (mode) => {
    const path = join(small.path, `${engine}-${mode}`);
    const device = openFile(path, { engine, create: true, growable: true });
    const buffer = IoBuffer.allocate(128 * 1024);
    const io = await ask(device, mode, { operation: BLOCK_WRITE, buffer, lengthBytes: buffer.lengthBytes });
    expect([io.error, io.transferredBytes]).toEqual([ENOSPC, 64 * 1024]);
    const zeros = await ask(device, mode, { operation: BLOCK_WRITE_ZEROES, offset: 64 * 1024, lengthBytes: 65_536 });
    expect([zeros.error, zeros.transferredBytes]).toEqual([ENOSPC, 0]);
    // Room is made by a discard, and then the write goes on.
    const discard = await ask(device, mode, { operation: BLOCK_DISCARD, lengthBytes: 32 * 1024 });
    expect(discard.error).toBe(0);
    const more = await ask(device, mode, { operation: BLOCK_WRITE, buffer, offset: 64 * 1024, lengthBytes: 16 * 1024 });
    expect([more.error, more.transferredBytes]).toEqual([0, 16 * 1024]);
    expect((await ask(device, mode, { operation: BLOCK_FLUSH })).error).toBe(0);
    await device.close();
  });

  it('is opened for reading alone when it is read-only', async () => {
    const path = join(small.path, `${engine}-read-only`);
    writeFileSync(path, 'x');
    expect(spawnSync('mount', ['-o', 'remount,ro', small.path]).status).toBe(0);
    try {
      expect(() => openFile(path, { engine })).toThrow(expect.objectContaining({ code: 'EROFS', path }));
      await openFile(path, { engine, readOnly: true }).close();
    } finally {
      spawnSync('mount', ['-o', 'remount,rw', small.path]);
    }
  });
});

describe.each(engines)('a file, engine %s', (engine) => {
  const open = (path: string, options = {}): BlockDevice => openFile(path, { engine, ...options });

  it.each(modes)('refuses what is beyond every file, in all its operations: %s', async (mode) => {
    const device = open(newFile(), { growable: true });
    const buffer = IoBuffer.allocate(512);
    for (const fields of [
      { operation: BLOCK_WRITE, buffer },
      { operation: BLOCK_WRITE, flags: BLOCK_FUA, buffer },
      { operation: BLOCK_WRITE_ZEROES },
      { operation: BLOCK_DISCARD },
    ] as const) {
      const io = await ask(device, mode, { ...fields, offset: 2 ** 52, lengthBytes: 512 });
      expect([fields, io.error, io.transferredBytes]).toEqual([fields, EFBIG, 0]);
    }
    await device.close();
  });

  it('says what it was opened with, so that it can be opened again from anywhere', async () => {
    const path = newFile();
    const device = openFile(relative(process.cwd(), path), { engine, growable: true, direct: true });
    const config = { driver: 'file', path, readOnly: false, direct: true, growable: true, engine };
    expect(device.config()).toEqual(config);
    expect(JSON.parse(JSON.stringify(device.config()))).toEqual(config);
    await device.close();
    const plain = openFile(path, { readOnly: true });
    expect(plain.config()).toEqual({ driver: 'file', path, readOnly: true, direct: false, growable: false });
    await plain.close();
  });

  it('notices that it has grown, or has been cut off, when it is told to look', async () => {
    const path = newFile(Buffer.alloc(4096, 1));
    const device = open(path);
    const sizes: number[] = [];
    device.on('resize', (sizeBytes) => sizes.push(sizeBytes));
    device.refresh();
    truncateSync(path, 8192);
    const last = { operation: BLOCK_READ, offset: 8000, lengthBytes: 100, buffer: IoBuffer.allocate(100) } as const;
    expect((await ask(device, 'strategy', last)).error).toBe(EINVAL);
    device.refresh();
    const io = await ask(device, 'strategy', last);
    expect([io.error, io.transferredBytes]).toEqual([0, 100]);
    truncateSync(path, 100);
    device.refresh();
    expect((await ask(device, 'strategySync', last)).error).toBe(EINVAL);
    expect(sizes).toEqual([8192, 100]);
    await device.close();
    expect(() => device.refresh()).toThrow(expect.objectContaining({ code: 'EBADF', syscall: 'refresh' }));
  });

  it('gives its descriptor back when the device refuses its options', async () => {
    const path = newFile();
    for (let round = 0; round < 3; round++) {
      expect(() => open(path, { piecesMax: 0 })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
    }
    // The lock is free again too.
    await open(path).close();
  });

  it('completes what somebody wants to end, exactly once', async () => {
    const path = newFile(Buffer.alloc(2 ** 20, 9));
    const device = open(path, { direct: true });
    const calls: number[] = [];
    const all = Array.from({ length: 64 }, (_, index) => {
      const io = Object.assign(new BlockIo(), { buffer: IoBuffer.allocate(16_384), lengthBytes: 16_384, offset: index * 16_384 });
      const done = new Promise<BlockIo>((resolve) => {
        io.iodone = () => {
          calls.push(index);
          resolve(io);
        };
      });
      device.strategy(io);
      return { io, done };
    });
    // A request of an engine that blocks is over, and only its callback is still to come.
    const verdicts = all.map(({ io }) => device.abort(io));
    expect(verdicts.every((verdict) => verdict === (engine === 'sync' ? 'done' : 'in-progress'))).toBe(true);
    for (const { io, done } of all) {
      await done;
      expect(device.abort(io)).toBe('done');
      if (io.error === 0) expect([io.transferredBytes, io.buffer?.bytes[0]]).toEqual([16_384, 9]);
      else expect(io.error).toBe(125);
    }
    expect(calls.length).toBe(64);
    await device.close();
  });
});

const traced = spawnSync('strace', ['-e', 'trace=none', 'true'], { encoding: 'utf8' });
const untraceable = traced.error?.message ?? (traced.status === 0 ? null : traced.stderr.trim());
if (untraceable !== null) console.warn(`the system calls of stable writes are not tested: ${untraceable}`);

describe.skipIf(untraceable !== null)('a write with BLOCK_FUA', () => {
  it('is one system call, with RWF_DSYNC, in the calling thread', async () => {
    const path = newFile('');
    const calls = join(folder, 'calls');
    const program = [process.execPath, programPath('write-stable.mjs'), path, 'sync'];
    const trace = ['-f', '-e', 'trace=pwritev2,pwrite64,pwritev,fdatasync,fsync', '-o', calls];
    const { status, stderr } = await run('strace', [...trace, ...program]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const seen = callsIn(calls);
    const write = expect.stringMatching(/pwritev2\(.*RWF_DSYNC\)\s*= 4096$/);
    expect(seen).toEqual([write, write]);
    expect(readFileSync(path).length).toBe(8192);
  });
});

describe.skipIf(untraceable !== null).each([
  ['discard', BLOCK_DISCARD],
  ['write of zeros', BLOCK_WRITE_ZEROES],
])('a %s with BLOCK_FUA', (name, operation) => {
  const stable = async (engine: string, inject: readonly string[]): Promise<{ answer: unknown; seen: string[] }> => {
    const path = newFile(Buffer.alloc(65_536, 1));
    const calls = join(folder, `calls-${engine}-${name}-${inject.length}`);
    const program = [process.execPath, programPath('write-stable.mjs'), path, engine, `${operation}`];
    const trace = ['-f', '-e', 'trace=fallocate,fdatasync,fsync', ...inject, '-o', calls];
    const { status, stdout, stderr } = await run('strace', [...trace, ...program]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return { answer: JSON.parse(stdout), seen: callsIn(calls).map((line) => /(\w+)\(/.exec(line)?.[1] ?? line) };
  };

  it('is followed by fdatasync in the calling thread', async () => {
    const { answer, seen } = await stable('sync', []);
    expect(answer).toEqual({ started: 0, error: 0 });
    expect(seen).toEqual(['fallocate', 'fdatasync', 'fallocate', 'fdatasync']);
  });

  it('ends with the error of fdatasync', async () => {
    const { answer } = await stable('sync', ['-e', 'inject=fdatasync:error=EIO']);
    expect(answer).toEqual({ started: 0, error: EIO });
  });

  it.skipIf(!engines.includes('uring'))('is two requests to the ring', async () => {
    const { answer, seen } = await stable('uring', []);
    expect(answer).toEqual({ started: 4, error: 0 });
    expect(seen).toEqual([]);
  });
});

describeRing.each([BLOCK_DISCARD, BLOCK_WRITE_ZEROES])('operation %d with BLOCK_FUA through io_uring', (operation) => {
  it.each([-EIO, -ENOTSUP, -EINVAL])('ends with the result of its fdatasync, %d', async (result) => {
    const device = openFile(newFile(Buffer.alloc(65_536, 1)), { engine: 'uring' });
    const ring = threadRing();
    const started = vi.spyOn(ring, 'start').mockImplementationOnce((request) => {
      // What the kernel would say to the fallocate, and then to what follows it.
      setImmediate(() => request.complete(0, 0));
    });
    started.mockImplementationOnce((request) => {
      setImmediate(() => request.complete(result, 0));
    });
    const io = await ask(device, 'strategy', { operation, flags: BLOCK_FUA, lengthBytes: 4096 });
    // Zeros that the kernel refuses the layer writes itself.
    const written = operation === BLOCK_WRITE_ZEROES && result === -ENOTSUP;
    expect([io.error, io.transferredBytes]).toEqual(written ? [0, 4096] : [-result, 0]);
    started.mockRestore();
    const next = await ask(device, 'strategy', { operation, flags: 0, lengthBytes: 4096 });
    expect([next.error, next.transferredBytes]).toEqual([0, 4096]);
    await device.close();
  });
});

describeRing('a device whose ring somebody has closed', () => {
  it('completes its requests with EBADF, and can be closed', async () => {
    const device = openFile(newFile(Buffer.alloc(65_536, 1)), { engine: 'uring' });
    await threadRing().close();
    const buffer = IoBuffer.allocate(4096);
    for (const operation of [BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_WRITE_ZEROES] as const) {
      const memory = operation === BLOCK_READ || operation === BLOCK_WRITE ? { buffer } : {};
      const fields = operation === BLOCK_FLUSH ? {} : { lengthBytes: 4096 };
      const io = await ask(device, 'strategy', { operation, ...fields, ...memory });
      expect([operation, io.error, io.transferredBytes]).toEqual([operation, EBADF, 0]);
    }
    expect(device.inFlight).toBe(0);
    await device.close();
    // The thread gets a new ring for what is opened from now on.
    const next = openFile(newFile(), { engine: 'uring' });
    expect((await ask(next, 'strategy', { operation: BLOCK_READ, buffer, lengthBytes: 7 })).transferredBytes).toBe(7);
    await next.close();
  });
});

describeRing('a write with BLOCK_FUA through io_uring', () => {
  it.skipIf(untraceable !== null)('takes no flush', async () => {
    const path = newFile('');
    const device = openFile(path, { engine: 'uring', growable: true });
    expect(device.capabilities.fua).toBe('native');
    const calls = join(folder, 'ring-calls');
    const program = [process.execPath, programPath('write-stable.mjs'), path, 'uring'];
    await device.close();
    const { status, stdout } = await run('strace', ['-f', '-e', 'trace=fdatasync,fsync', '-o', calls, ...program]);
    expect(status).toBe(0);
    // Two writes, and two requests to the kernel: a flush would be a third and a fourth.
    expect(JSON.parse(stdout)).toEqual({ started: 2, error: 0 });
    expect(callsIn(calls)).toEqual([]);
  });
});

/** The system calls in a trace, without those by which Node brings out what it has printed. */
function callsIn(trace: string): string[] {
  const lines = readFileSync(trace, 'utf8').split('\n');
  return lines.filter((line) => /\w\(/.test(line) && !/fsync\([12]\)/.test(line));
}
