import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  constants as fileConstants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { BLOCK_WRITE, type BlockDevice, type FileOptions, openFile } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { engines } from './support/available.js';
import { programPath, run } from './support/child.js';
import { flush, makeIo, read, runSync, start, write } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const PROGRESS = { uring: 'any', fs: 'event-loop', sync: 'none' };

const folder = temporaryFolder();
let files = 0;
function newPath(content?: Uint8Array | string): string {
  files += 1;
  const path = join(folder, `file-${files}`);
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

const pattern = (lengthBytes: number): Buffer =>
  Buffer.from(Array.from({ length: lengthBytes }, (_, index) => (index * 13) % 251));

/** The descriptors of this process that lead to a file. */
function descriptorsOf(path: string): string[] {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  });
}

describe('opening a file', () => {
  it("fails as open(2) does, with Node's errors", () => {
    const missing = newPath();
    expect(() => openFile(missing)).toThrow(expect.objectContaining({ code: 'ENOENT', syscall: 'open', path: missing }));
    expect(existsSync(missing)).toBe(false);
    expect(() => openFile(join(missing, 'below'), { create: true })).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });

  it('refuses what is no file and no block device, and leaves no descriptor', () => {
    const nulls = descriptorsOf('/dev/null');
    const directory = newPath();
    mkdirSync(directory);
    const isDirectory = expect.objectContaining({ code: 'EISDIR', path: directory });
    expect(() => openFile(directory)).toThrow(isDirectory);
    expect(() => openFile(directory, { readOnly: true })).toThrow(isDirectory);
    expect(() => openFile('/dev/null')).toThrow(expect.objectContaining({ code: 'EINVAL', path: '/dev/null' }));
    const fifo = newPath();
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
    expect(() => openFile(fifo)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(descriptorsOf(directory)).toEqual([]);
    expect(descriptorsOf(fifo)).toEqual([]);
    expect(descriptorsOf('/dev/null')).toEqual(nulls);
  });

  it('makes the file where it is told to, and does not empty one that exists', async () => {
    const path = newPath();
    const device = openFile(path, { create: true, growable: true });
    expect(await write(device, 'kept', 0)).toEqual({ error: 0, transferredBytes: 4 });
    await device.close();
    await openFile(path, { create: true }).close();
    expect(readFileSync(path, 'utf8')).toBe('kept');
  });
});

describe.each(engines)('a file, engine %s', (engine) => {
  const open = (path: string, options: FileOptions = {}): BlockDevice => openFile(path, { engine, ...options });

  it('describes itself', async () => {
    const path = newPath('12345');
    const device = open(path, { readOnly: true });
    const expected = { driver: 'file', kind: 'file', path, engine, sizeBytes: 5, readOnly: true, direct: false, locked: false };
    expect(device.describe()).toMatchObject(expected);
    expect(JSON.parse(JSON.stringify(device.describe()))).toEqual(device.describe());
    expect(device.limits).toMatchObject({ blockSizeBytes: 1, sizeBytes: 5, memoryAlignmentBytes: 1 });
    expect(device.capabilities).toMatchObject({ readOnly: true, progress: PROGRESS[engine] });
    await device.close();
  });

  it('grows where it may', async () => {
    const path = newPath('begin');
    const device = open(path, { growable: true });
    expect(device.limits.sizeBytes).toBe(null);
    expect(await write(device, 'end', 100)).toEqual({ error: 0, transferredBytes: 3 });
    expect(statSync(path).size).toBe(103);
    const buffer = IoBuffer.allocate(50);
    expect(await read(device, buffer, 98)).toEqual({ error: 0, transferredBytes: 5 });
    expect(Buffer.from(buffer.bytes.subarray(0, 6)).toString()).toBe('\0\0end\0');
    await device.close();
  });

  it('does not grow where it may not, and reads short where somebody has cut it off', async () => {
    const path = newPath('0123456789');
    const device = open(path);
    expect(await write(device, 'x', 10)).toEqual({ error: 22, transferredBytes: 0 });
    truncateSync(path, 4);
    const io = makeIo({ buffer: IoBuffer.allocate(10) });
    expect(await start(device, io)).toEqual({ error: 0, transferredBytes: 4 });
    expect(runSync(device, io)).toEqual({ error: 0, transferredBytes: 4 });
    await device.close();
  });

  it.each([{ growable: true }, { growable: false }])(
    'is read through O_DIRECT to the end of its last, partial block: %o',
    async ({ growable }) => {
      const content = pattern(3 * 512 + 100);
      const path = newPath(content);
      const device = open(path, { direct: true, growable });
      for (const mode of ['strategy', 'strategySync'] as const) {
        const buffer = IoBuffer.allocate(4096);
        const run = (offset: number, lengthBytes: number): unknown => {
          const io = makeIo({ buffer, offset, lengthBytes, bufferOffset: offset });
          return mode === 'strategy' ? start(device, io) : runSync(device, io);
        };
        expect(await run(512, 1536)).toEqual({ error: 0, transferredBytes: 1124 });
        expect(await run(0, 2048)).toEqual({ error: 0, transferredBytes: content.length });
        expect(Buffer.compare(buffer.bytes.subarray(0, content.length), content)).toBe(0);
        expect(await run(1536, 512)).toEqual({ error: 0, transferredBytes: 100 });
        const behind = growable ? { error: 0, transferredBytes: 0 } : { error: 22, transferredBytes: 0 };
        expect(await run(2048, 512)).toEqual(behind);
      }
      // Writing the last block would make the file longer.
      const io = makeIo({ operation: BLOCK_WRITE, buffer: IoBuffer.allocate(512), offset: 1536 });
      expect(await start(device, io)).toEqual(
        growable ? { error: 0, transferredBytes: 512 } : { error: 22, transferredBytes: 0 },
      );
      expect(statSync(path).size).toBe(growable ? 2048 : content.length);
      await device.close();
    },
  );

  it('moves large requests as one', async () => {
    const content = pattern(5 * 2 ** 20 + 7);
    const path = newPath();
    const device = open(path, { create: true, growable: true });
    expect(await write(device, content, 3)).toEqual({ error: 0, transferredBytes: content.length });
    expect(await flush(device)).toEqual({ error: 0, transferredBytes: 0 });
    const buffer = IoBuffer.allocate(content.length);
    expect(await read(device, buffer, 3)).toEqual({ error: 0, transferredBytes: content.length });
    expect(Buffer.compare(buffer.bytes, content)).toBe(0);
    buffer.bytes.fill(0);
    expect(runSync(device, makeIo({ buffer, offset: 3 }))).toEqual({ error: 0, transferredBytes: content.length });
    expect(Buffer.compare(buffer.bytes, content)).toBe(0);
    expect(Buffer.compare(readFileSync(path).subarray(3), content)).toBe(0);
    await device.close();
  });

  it('takes requests that are longer than what the kernel moves at once', async () => {
    const content = pattern(10_000);
    const device = open(newPath(content), { growable: true });
    // Memory that is not touched costs nothing.
    const buffer = IoBuffer.allocate(2 ** 31 + 4096);
    expect(await read(device, buffer, 0)).toEqual({ error: 0, transferredBytes: 10_000 });
    expect(Buffer.compare(buffer.bytes.subarray(0, 10_000), content)).toBe(0);
    expect(runSync(device, makeIo({ buffer }))).toEqual({ error: 0, transferredBytes: 10_000 });
    await device.close();
  });

  it('says how much was written before an error', async () => {
    // Node ignores the signal of this limit, so a write beyond it is cut short first and fails then.
    const command = 'ulimit -f 8 && exec "$0" "$@"';
    const path = newPath('');
    const program = [process.execPath, programPath('print-limited.mjs'), path, engine];
    const { status, stdout, stderr } = await run('sh', ['-c', command, ...program]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const limitBytes = statSync(path).size;
    expect([4096, 8192]).toContain(limitBytes);
    const expected = { error: constants.errno.EFBIG, transferredBytes: limitBytes };
    expect(JSON.parse(stdout)).toEqual([expected, expected]);
  });

  it('drains what is in flight at close, and then gives the descriptor back', async () => {
    const path = newPath(pattern(2 ** 20));
    for (let round = 0; round < 20; round++) {
      const device = open(path);
      expect(descriptorsOf(path).length).toBe(1);
      let completed = 0;
      for (let index = 0; index < 200; index++) {
        const io = makeIo({ offset: (index % 256) * 4096 });
        io.iodone = ({ error, transferredBytes }) => {
          expect([error, transferredBytes]).toEqual([0, 4096]);
          expect(descriptorsOf(path).length).toBe(1);
          completed += 1;
        };
        device.strategy(io);
      }
      expect(device.inFlight).toBe(200);
      await device.close();
      expect(completed).toBe(200);
      expect(descriptorsOf(path)).toEqual([]);
    }
  });

  it('never lets a request of a closed device reach a file that has its descriptor now', async () => {
    const [first, second] = [newPath('first'), newPath('second')];
    const device = open(first);
    const closing = device.close();
    const io = makeIo({ buffer: IoBuffer.allocate(5) });
    const late = start(device, io);
    await closing;
    const fd = openSync(second, fileConstants.O_RDONLY);
    expect(await late).toEqual({ error: 9, transferredBytes: 0 });
    expect(runSync(device, io)).toEqual({ error: 9, transferredBytes: 0 });
    expect(fstatSync(fd).size).toBe(6);
    closeSync(fd);
  });
});

describe('a raw block device', () => {
  it('is as large as it is, and is read', async ({ skip }) => {
    const content = pattern(2 ** 20);
    const loop = spawnSync('losetup', ['--find', '--show', '--read-only', newPath(content)], { encoding: 'utf8' });
    const refusal = loop.error?.message ?? (loop.status === 0 ? null : loop.stderr.trim());
    if (refusal !== null) {
      console.warn(`a raw block device is not tested: ${refusal}`);
      skip(refusal);
    }
    const path = loop.stdout.trim();
    const device = openFile(path, { readOnly: true });
    // The loop device goes when its last descriptor is closed.
    expect(spawnSync('losetup', ['--detach', path]).status).toBe(0);
    expect(device.limits.sizeBytes).toBe(2 ** 20);
    const buffer = IoBuffer.allocate(512);
    expect(await read(device, buffer, 2 ** 20 - 512)).toEqual({ error: 0, transferredBytes: 512 });
    expect(Buffer.compare(buffer.bytes, content.subarray(-512))).toBe(0);
    expect(await read(device, buffer, 2 ** 20)).toEqual({ error: 22, transferredBytes: 0 });
    await device.close();
  });
});
