import { constants, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  EINVAL,
  IOPRIO_CLASS_BE,
  IOPRIO_CLASS_IDLE,
  IOPRIO_CLASS_RT,
  IOSQE_ASYNC,
  IoBuffer,
  IoVector,
  prepareRead,
  prepareReadv,
  prepareWrite,
  RingFile,
  type RingRequest,
  RWF_APPEND,
  RWF_ATOMIC,
  RWF_DSYNC,
  RWF_HIPRI,
  RWF_NOAPPEND,
  RWF_NOWAIT,
  RWF_SYNC,
  ThreadRing,
} from '@biodone/uring';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { failure } from './support/failure.js';
import { Pipe, Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const memory = IoBuffer.allocate(4096);

describeRing('flags of reads and writes', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  writeFileSync(path, '');
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16 });
  const file = RingFile.open(path, 'r+');
  const appending = RingFile.open(path, constants.O_WRONLY | constants.O_APPEND);
  afterAll(async () => {
    await ring.close();
    await file.close();
    await appending.close();
  });
  beforeEach(() => {
    writeFileSync(path, '0123456789');
    memory.bytes.set(Buffer.from('abcdefghij'));
  });

  function write(target: RingFile, offset: number, rwFlags: number): Promise<number> {
    return ring.run((request) => prepareWrite(request, target, memory, 0, 3, offset, rwFlags));
  }

  it('make a write durable by itself', async () => {
    for (const [index, flag] of [RWF_DSYNC, RWF_SYNC].entries()) expect(await write(file, index * 3, flag)).toBe(3);
    expect(readFileSync(path, 'latin1')).toBe('abcabc6789');
  });

  it('write at the end whatever the offset, or at the offset although the file appends', async () => {
    expect(await write(file, 0, RWF_APPEND)).toBe(3);
    expect(readFileSync(path, 'latin1')).toBe('0123456789abc');
    expect(await write(appending, 2, 0)).toBe(3);
    expect(readFileSync(path, 'latin1')).toBe('0123456789abcabc');
    expect(await write(appending, 2, RWF_NOAPPEND)).toBe(3);
    expect(readFileSync(path, 'latin1')).toBe('01abc56789abcabc');
    await expect(write(file, 0, RWF_APPEND | RWF_NOAPPEND)).rejects.toEqual(failure('EINVAL', 'write', path));
  });

  it('do not wait for what is not there', async () => {
    expect(await ring.run((request) => prepareRead(request, file, memory, 100, 10, 0, RWF_NOWAIT))).toBe(10);
    expect(Buffer.from(memory.bytes.subarray(100, 110)).toString('latin1')).toBe('0123456789');
    const pipe = new Pipe();
    const vector = new IoVector([{ memory, lengthBytes: 10 }]);
    await expect(ring.run((request) => prepareRead(request, pipe.input, memory, 0, 10, -1, RWF_NOWAIT))).rejects.toEqual(
      failure('EAGAIN', 'read', 'pipe'),
    );
    await expect(ring.run((request) => prepareReadv(request, pipe.input, vector, -1, RWF_NOWAIT))).rejects.toEqual(
      failure('EAGAIN', 'readv', 'pipe'),
    );
    pipe.close();
  });

  it('are refused where ring, file or kernel cannot', async () => {
    // This ring does not poll for completions.
    await expect(write(file, 0, RWF_HIPRI)).rejects.toEqual(failure('EINVAL', 'write', path));
    await expect(ring.run((request) => prepareRead(request, file, memory, 0, 1, 0, RWF_HIPRI))).rejects.toEqual(
      failure('EINVAL', 'read', path),
    );
    // A write through the page cache cannot be atomic on any file system.
    await expect(write(file, 0, RWF_ATOMIC)).rejects.toEqual(failure('EOPNOTSUPP', 'write', path));
    // Nobody knows this flag.
    await expect(write(file, 0, 0x4000_0000)).rejects.toEqual(failure('EOPNOTSUPP', 'write', path));
    expect(readFileSync(path, 'latin1')).toBe('0123456789');
  });

  it('give the I/O a priority', async () => {
    const classes = [0, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE];
    const isRoot = process.getuid?.() === 0;
    if (isRoot) classes.push(IOPRIO_CLASS_RT);
    else console.warn('the real-time class is not tested: it needs CAP_SYS_NICE');
    for (const ioClass of classes) {
      for (const level of ioClass === 0 ? [0] : [0, 7]) {
        const prepare = (request: RingRequest): void => {
          prepareRead(request, file, memory, 0, 10, 0);
          request.ioPriority = ioClass | level;
        };
        expect(await ring.run(prepare), `class ${ioClass} level ${level}`).toBe(10);
      }
    }
    for (const wrong of [7 << 13, 4 << 13, 1]) {
      const request = new Probe();
      prepareRead(request, file, memory, 0, 10, 0);
      request.ioPriority = wrong;
      ring.start(request);
      ring.wait(10_000);
      expect(request.result, `priority ${wrong}`).toBe(-EINVAL);
    }
  });

  it('let a worker thread of the kernel do the I/O', async () => {
    const asynchronous = (request: RingRequest): void => {
      request.flags |= IOSQE_ASYNC;
    };
    const all = Array.from({ length: 20 }, (_, index) =>
      ring.run((request) => {
        prepareRead(request, file, memory, index * 100, 10, 0);
        asynchronous(request);
      }),
    );
    expect(await Promise.all(all)).toEqual(new Array(20).fill(10));
    expect(Buffer.from(memory.bytes.subarray(1900, 1910)).toString('latin1')).toBe('0123456789');
    const failing = ring.run((request) => {
      prepareWrite(request, appending, memory, 0, 1, 0, RWF_ATOMIC);
      asynchronous(request);
    });
    await expect(failing).rejects.toEqual(failure('EOPNOTSUPP', 'write', path));
  });

  it('do not outlive the next preparation of the request', async () => {
    const request = new Probe();
    prepareWrite(request, file, memory, 0, 3, 0, RWF_HIPRI);
    request.flags |= IOSQE_ASYNC;
    request.ioPriority = 7 << 13;
    prepareRead(request, file, memory, 0, 10, 0);
    expect([request.flags, request.ioPriority, request.operationFlags]).toEqual([0, 0, 0]);
    ring.start(request);
    ring.wait(10_000);
    expect(request.result).toBe(10);
  });
});
