import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import {
  _SC_AIO_MAX,
  _SC_AIO_PRIO_DELTA_MAX,
  aio_error,
  aio_read,
  aio_return,
  aio_suspend,
  aio_suspendAsync,
  aio_write,
  aiocb,
  EINPROGRESS,
  LIO_NOP,
  LIO_READ,
  LIO_WRITE,
  SIGEV_NONE,
  sysconf,
} from '@biodone/posix-aio';
import { IoBuffer, probe } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BLOCK_BYTES, type Folder, makeFolder } from './support/files.js';
import { Pipe } from './support/pipe.js';

const { available, reason } = probe();
if (!available) console.warn(`the tests of requests are skipped: ${reason}`);

let folder: Folder;
let path: string;

beforeAll(() => {
  folder = makeFolder();
  path = folder.numbered('numbered', 64);
});

afterAll(() => folder.remove());

/** A control block for a read of one block of the file. */
function blockOf(fd: number, block: number, members: Partial<aiocb> = {}): aiocb {
  const request = { aio_fildes: fd, aio_offset: block * BLOCK_BYTES, aio_nbytes: BLOCK_BYTES };
  return Object.assign(new aiocb(), { aio_buf: IoBuffer.allocate(BLOCK_BYTES).bytes }, request, members);
}

function numberIn(cb: aiocb): number {
  const { buffer, byteOffset } = cb.aio_buf as Uint8Array;
  return new DataView(buffer, byteOffset).getUint32(0, true);
}

const AIO_MAX = sysconf(_SC_AIO_MAX);
const AIO_PRIO_DELTA_MAX = sysconf(_SC_AIO_PRIO_DELTA_MAX);

describe('<aio.h>', () => {
  it('has the members and the constants of POSIX, with glibc’s values', () => {
    expect(Object.keys(new aiocb())).toEqual(
      expect.arrayContaining([
        'aio_fildes',
        'aio_offset',
        'aio_buf',
        'aio_nbytes',
        'aio_reqprio',
        'aio_sigevent',
        'aio_lio_opcode',
      ]),
    );
    expect({ LIO_READ, LIO_WRITE, LIO_NOP, SIGEV_NONE, EINPROGRESS }).toEqual({
      LIO_READ: 0,
      LIO_WRITE: 1,
      LIO_NOP: 2,
      SIGEV_NONE: 1,
      EINPROGRESS: 115,
    });
    expect(AIO_MAX).toBeGreaterThanOrEqual(1);
  });
});

describe.skipIf(!available)('requests', () => {
  it('read many blocks at once, and aio_suspend sees them all on a thread that never yields', () => {
    const fd = openSync(path, 'r');
    const list = Array.from({ length: 32 }, (_, index) => blockOf(fd, index));
    for (const cb of list) {
      aio_read(cb);
    }
    const waiting = new Set(list);
    while (waiting.size > 0) {
      aio_suspend([...waiting, null]);
      for (const cb of waiting) if (aio_error(cb) !== EINPROGRESS) waiting.delete(cb);
    }
    for (const [index, cb] of list.entries()) {
      expect([aio_error(cb), aio_return(cb), numberIn(cb)]).toEqual([0, BLOCK_BYTES, index]);
    }
    closeSync(fd);
  });

  it('write, with memory of an IoBuffer and with a plain Buffer, which is copied at the call', async () => {
    const target = `${folder.path}/written`;
    writeFileSync(target, '');
    const fd = openSync(target, 'r+');
    const plain = Buffer.from('plain memory');
    const shared = IoBuffer.allocate(16);
    shared.bytes.set(Buffer.from('shared memory...'));
    const first = Object.assign(new aiocb(), { aio_fildes: fd, aio_buf: plain, aio_nbytes: plain.length });
    const second = Object.assign(new aiocb(), {
      aio_fildes: fd,
      aio_buf: shared.bytes,
      aio_nbytes: 13,
      aio_offset: plain.length,
    });
    aio_write(first);
    plain.fill(0);
    aio_write(second);
    await aio_suspendAsync([first]);
    await aio_suspendAsync([second]);
    expect([aio_return(first), aio_return(second)]).toEqual([12, 13]);
    expect(readFileSync(target, 'utf8')).toBe('plain memoryshared memory');
    closeSync(fd);
  });

  it('read into a plain Buffer, and into a view on a part of one', () => {
    const fd = openSync(path, 'r');
    const whole = Buffer.alloc(64);
    const cb = blockOf(fd, 5, { aio_buf: whole.subarray(8, 16), aio_nbytes: 4 });
    aio_read(cb);
    aio_suspend([cb]);
    expect(aio_return(cb)).toBe(4);
    expect(whole.readUInt32LE(8)).toBe(5);
    expect([whole.readUInt32LE(4), whole.readUInt32LE(12)]).toEqual([0, 0]);
    closeSync(fd);
  });

  it('never write into memory that was detached meanwhile, and say EFAULT', () => {
    const pipe = new Pipe();
    const memory = new Uint8Array(BLOCK_BYTES);
    const cb = Object.assign(pipe.readOf(1), { aio_buf: memory, aio_nbytes: BLOCK_BYTES });
    aio_read(cb);
    const moved = new Uint8Array(structuredClone(memory.buffer, { transfer: [memory.buffer] }));
    pipe.write('data');
    aio_suspend([cb]);
    expect([aio_error(cb), aio_return(cb)]).toEqual([14, -1]);
    expect(moved.every((byte) => byte === 0)).toBe(true);
    pipe.close();
  });

  it('are short at the end of the file, which is a success', () => {
    const fd = openSync(path, 'r');
    const cb = blockOf(fd, 63, { aio_offset: 64 * BLOCK_BYTES - 100 });
    aio_read(cb);
    aio_suspend([cb]);
    expect([aio_error(cb), aio_return(cb)]).toEqual([0, 100]);
    closeSync(fd);
  });

  it.each([
    ['a descriptor that is not open', () => -1, aio_read],
    ['a descriptor for writing only', () => openSync(path, 'a'), aio_read],
    ['a descriptor for reading only', () => openSync(path, 'r'), aio_write],
  ])('tell EBADF of %s later, not at the call', (_name, open, call) => {
    const fd = open();
    const cb = blockOf(fd, 0);
    call(cb);
    aio_suspend([cb]);
    expect([aio_error(cb), aio_return(cb)]).toEqual([9, -1]);
    if (fd >= 0) closeSync(fd);
  });

  it('hold their file: closing the descriptor and opening another file in its place does not redirect them', () => {
    const other = `${folder.path}/other`;
    writeFileSync(other, Buffer.alloc(64 * BLOCK_BYTES, 0xff));
    for (let round = 0; round < 500; round++) {
      const fd = openSync(path, 'r');
      const list = Array.from({ length: 8 }, (_, index) => blockOf(fd, index));
      for (const cb of list) aio_read(cb);
      closeSync(fd);
      const reused = openSync(other, 'r');
      expect(reused).toBe(fd);
      for (const [index, cb] of list.entries()) {
        aio_suspend([cb]);
        expect([aio_return(cb), numberIn(cb)]).toEqual([BLOCK_BYTES, index]);
      }
      closeSync(reused);
    }
  });

  it('give their result once, and the block can be used again, also without asking for it', () => {
    const fd = openSync(path, 'r');
    const cb = blockOf(fd, 1);
    aio_read(cb);
    aio_suspend([cb]);
    expect(aio_return(cb)).toBe(BLOCK_BYTES);
    expect(() => aio_return(cb)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => aio_error(cb)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    aio_read(cb);
    aio_suspend([cb]);
    aio_read(cb);
    aio_suspend([cb]);
    expect([aio_return(cb), numberIn(cb)]).toEqual([BLOCK_BYTES, 1]);
    closeSync(fd);
  });

  it('can go on far beyond AIO_MAX one after the other', () => {
    const fd = openSync(path, 'r');
    const cb = blockOf(fd, 0);
    for (let count = 0; count < AIO_MAX * 3; count++) {
      aio_read(cb);
      aio_suspend([cb]);
      aio_return(cb);
    }
    closeSync(fd);
  });
});

describe.skipIf(!available)('refusals', () => {
  it.each([
    ['aio_offset', { aio_offset: -1 }],
    ['aio_offset', { aio_offset: 1.5 }],
    ['aio_nbytes', { aio_nbytes: -1 }],
    ['aio_buf', { aio_nbytes: BLOCK_BYTES + 1 }],
    ['aio_buf', { aio_buf: null }],
    ['aio_reqprio', { aio_reqprio: -1 }],
    ['aio_reqprio', { aio_reqprio: AIO_PRIO_DELTA_MAX + 1 }],
  ])('name a bad %s at the call: EINVAL', (member, members) => {
    const cb = blockOf(0, 0, members);
    expect(() => aio_read(cb)).toThrow(expect.objectContaining({ code: 'EINVAL', syscall: 'aio_read' }));
    expect(() => aio_read(cb)).toThrow(member);
  });

  it('say ENOTSUP of a real-time signal, which would end the process', () => {
    const cb = blockOf(0, 0, { aio_sigevent: { sigev_notify: 0, sigev_signo: 34 } });
    expect(() => aio_write(cb)).toThrow(expect.objectContaining({ code: 'ENOTSUP', syscall: 'aio_write' }));
  });

  it('say EINVAL of a block that was never submitted', () => {
    const cb = new aiocb();
    for (const call of [() => aio_error(cb), () => aio_return(cb), () => aio_suspend([cb])]) {
      expect(call).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    }
  });

  it('keep the first request of a block that is submitted twice', () => {
    const pipe = new Pipe();
    const cb = pipe.readOf(4);
    aio_read(cb);
    expect(() => aio_read(cb)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    pipe.write('data');
    aio_suspend([cb]);
    expect(aio_return(cb)).toBe(4);
    pipe.close();
  });

  it('say EAGAIN beyond AIO_MAX, and the requests in progress complete', () => {
    const pipe = new Pipe();
    const list = Array.from({ length: AIO_MAX }, () => pipe.readOf(1));
    for (const cb of list) aio_read(cb);
    expect(() => aio_read(pipe.readOf(1))).toThrow(expect.objectContaining({ code: 'EAGAIN' }));
    pipe.write('x'.repeat(AIO_MAX));
    for (const cb of list) {
      aio_suspend([cb]);
      expect(aio_return(cb)).toBe(1);
    }
    pipe.close();
  });
});

describe.skipIf(!available)('aio_suspend', () => {
  it('gives up with EAGAIN at its timeout, not before, and the request goes on', () => {
    const pipe = new Pipe();
    const cb = pipe.readOf(4);
    aio_read(cb);
    const start = performance.now();
    expect(() => aio_suspend([cb], 30)).toThrow(expect.objectContaining({ code: 'EAGAIN', syscall: 'aio_suspend' }));
    expect(performance.now() - start).toBeGreaterThanOrEqual(30);
    expect(aio_error(cb)).toBe(EINPROGRESS);
    pipe.write('data');
    aio_suspend([cb]);
    expect(aio_return(cb)).toBe(4);
    pipe.close();
  });

  it('returns at once for a request that is done, also with a timeout of 0', () => {
    const fd = openSync(path, 'r');
    const pipe = new Pipe();
    const blocked = pipe.readOf(1);
    const done = blockOf(fd, 0);
    aio_read(blocked);
    aio_read(done);
    aio_suspend([done]);
    aio_suspend([blocked, null, done], 0);
    expect(aio_error(blocked)).toBe(EINPROGRESS);
    pipe.write('x');
    aio_suspend([blocked]);
    pipe.close();
    closeSync(fd);
  });

  it('has a form that leaves the event loop free, with the same timeout', async () => {
    const pipe = new Pipe();
    const cb = pipe.readOf(4);
    aio_read(cb);
    await expect(aio_suspendAsync([cb], 20)).rejects.toMatchObject({ code: 'EAGAIN', syscall: 'aio_suspend' });
    setImmediate(() => pipe.write('data'));
    await aio_suspendAsync([cb]);
    expect(aio_return(cb)).toBe(4);
    pipe.close();
  });
});
