import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK_READ, BLOCK_WRITE, type BlockDevice, BlockIo, openFile, openMem } from '@biodone/blockdev';
import type { aiocb } from '@biodone/posix-aio';
import { IoBuffer } from '@biodone/uring';
import { Pipe } from './pipe.js';
import { socketPair } from './socket-pair.js';

/** Something that requests can be about, as a test sees it from the other side. */
export interface Subject {
  readonly reader: aiocb['aio_fildes'];
  readonly writer: aiocb['aio_fildes'];
  /** Makes these bytes what is read next, from the beginning. */
  feed(bytes: Uint8Array): void;
  /** What was written, from the beginning. */
  take(lengthBytes: number): Buffer;
  close(): void | Promise<void>;
}

export interface SubjectKind {
  readonly name: string;
  readonly isStream: boolean;
  /** Why there is none here; null if there is. */
  readonly refusal: string | null;
  open(folder: string): Subject | Promise<Subject>;
}

const SIZE_BYTES: number = 2 ** 20;
let files = 0;

function newFile(folder: string): string {
  files += 1;
  const path = join(folder, `subject-${files}`);
  writeFileSync(path, Buffer.alloc(SIZE_BYTES));
  return path;
}

function onDescriptor(fd: number, close: () => void): Subject {
  return {
    reader: fd,
    writer: fd,
    feed: (bytes) => void writeSync(fd, bytes, 0, bytes.length, 0),
    take: (lengthBytes) => {
      const buffer = Buffer.alloc(lengthBytes);
      return buffer.subarray(0, readSync(fd, buffer, 0, lengthBytes, 0));
    },
    close,
  };
}

function onDevice(device: BlockDevice): Subject {
  const run = (operation: 0 | 1, buffer: IoBuffer): void => {
    const io = Object.assign(new BlockIo(), { operation, buffer, lengthBytes: buffer.lengthBytes });
    device.strategySync(io);
    if (io.error !== 0) throw new Error(`errno ${io.error}`);
  };
  return {
    reader: device,
    writer: device,
    feed: (bytes) => {
      const buffer = IoBuffer.allocate(bytes.length);
      buffer.bytes.set(bytes);
      run(BLOCK_WRITE, buffer);
    },
    take: (lengthBytes) => {
      const buffer = IoBuffer.allocate(lengthBytes);
      run(BLOCK_READ, buffer);
      return Buffer.from(buffer.bytes);
    },
    close: () => device.close(),
  };
}

function onStream(reader: number, writer: number, other: { reader: number; writer: number }, close: () => void): Subject {
  return {
    reader,
    writer,
    feed: (bytes) => void writeSync(other.writer, bytes),
    take: (lengthBytes) => {
      const buffer = Buffer.alloc(lengthBytes);
      let count = 0;
      while (count < lengthBytes) count += readSync(other.reader, buffer, count, lengthBytes - count, null);
      return buffer;
    },
    close,
  };
}

function loop(folder: string): Subject {
  const path = newFile(folder);
  const { status, stdout, stderr, error } = spawnSync('losetup', ['--find', '--show', path], { encoding: 'utf8' });
  if (status !== 0) throw error ?? new Error(stderr);
  const name = stdout.trim();
  const fd = openSync(name, 'r+');
  return onDescriptor(fd, () => {
    closeSync(fd);
    spawnSync('losetup', ['--detach', name]);
  });
}

function refusalOfLoop(): string | null {
  const { status, stderr, error } = spawnSync('losetup', ['--find'], { encoding: 'utf8' });
  return status === 0 ? null : (error?.message ?? stderr.trim());
}

async function refusalOfSockets(): Promise<string | null> {
  try {
    for (const fd of await socketPair()) closeSync(fd);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** All kinds of things that requests are about. */
export const subjectKinds: readonly SubjectKind[] = [
  {
    name: 'a regular file',
    isStream: false,
    refusal: null,
    open: (folder) => {
      const fd = openSync(newFile(folder), 'r+');
      return onDescriptor(fd, () => closeSync(fd));
    },
  },
  { name: 'a raw block device', isStream: false, refusal: refusalOfLoop(), open: loop },
  { name: 'a BlockDevice in memory', isStream: false, refusal: null, open: () => onDevice(openMem(SIZE_BYTES)) },
  {
    name: 'a BlockDevice on a file',
    isStream: false,
    refusal: null,
    open: (folder) => onDevice(openFile(newFile(folder), { engine: 'auto' })),
  },
  {
    name: 'a pipe',
    isStream: true,
    refusal: null,
    open: () => {
      const pipe = new Pipe();
      const other = { reader: pipe.readEnd, writer: pipe.writeEnd };
      return onStream(pipe.readEnd, pipe.writeEnd, other, () => pipe.close());
    },
  },
  {
    name: 'a socket',
    isStream: true,
    refusal: await refusalOfSockets(),
    open: async () => {
      const [one, other] = await socketPair();
      return onStream(one, one, { reader: other, writer: other }, () => {
        closeSync(one);
        closeSync(other);
      });
    },
  },
];

for (const { name, refusal } of subjectKinds) if (refusal !== null) console.warn(`${name} is not tested: ${refusal}`);
