import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  _SC_AIO_MAX,
  aio_cancel,
  aio_error,
  aio_mlock,
  aio_read,
  aio_readv,
  aio_return,
  aio_suspend,
  aio_write,
  aio_writev,
  aiocb,
  configure,
  EINPROGRESS,
  LIO_WRITE,
  sysconf,
} from '@biodone/posix-aio';
import { IOSQE_IO_DRAIN, IoBuffer, prepareNop, RingRequest, threadRing } from '@biodone/uring';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { failsWith, finish, finishAll } from '../support/expect.js';
import { type Folder, makeFolder } from '../support/files.js';
import { blockOf, Pipe } from '../support/pipe.js';
import { type Subject, subjectKinds } from '../support/subjects.js';

const EBADF = 9;
const EFAULT = 14;
const EISDIR = 21;
const EFBIG = 27;
const ENOSPC = 28;
const EPIPE = 32;
const EOVERFLOW = 75;
/** The offset maximum: the largest number that is exact. */
const OFFSET_MAX = 2 ** 53 - 1;

/** B: aio_read and aio_write, on everything. @param isRing whether requests go through the thread's ring */
export function testTransfers(isRing: boolean): void {
  let folder: Folder;
  beforeAll(() => {
    folder = makeFolder();
  });
  afterAll(() => folder.remove());

  for (const kind of subjectKinds) {
    describe.skipIf(kind.refusal !== null)(`aio_read and aio_write on ${kind.name}`, () => {
      let subject: Subject;
      const open = async (): Promise<Subject> => {
        subject = await kind.open(folder.path);
        return subject;
      };
      afterEach(() => subject.close());

      test('B1, B2: read what is there, into memory of any kind, and return without waiting', async () => {
        const { reader, feed } = await open();
        const shared = IoBuffer.allocate(4096).bytes;
        for (const memory of [Buffer.alloc(5), Buffer.alloc(16).subarray(3, 8), shared.subarray(100, 105)]) {
          feed(Buffer.from('bytes'));
          const cb = blockOf(reader, memory);
          expect(aio_read(cb)).toBeUndefined();
          expect(finish(cb)).toEqual([0, 5]);
          expect(Buffer.from(memory).toString()).toBe('bytes');
        }
      });

      test('B1: write what memory of any kind has; what is not shared has been copied at the call', async () => {
        const { writer, take } = await open();
        const shared = IoBuffer.allocate(4096).bytes;
        shared.set(Buffer.from('shared memory'), 11);
        const plain = Buffer.from('plain memory!');
        const cb = blockOf(writer, plain);
        aio_write(cb);
        plain.fill(0);
        expect(finish(cb)).toEqual([0, 13]);
        expect(take(13).toString()).toBe('plain memory!');
        const other = blockOf(writer, shared.subarray(11, 24));
        aio_write(other);
        expect(finish(other)).toEqual([0, 13]);
        expect(take(13).toString()).toBe('shared memory');
      });

      test('B5: aio_lio_opcode is ignored', async () => {
        const { reader, feed } = await open();
        feed(Buffer.from('read'));
        const cb = blockOf(reader, Buffer.alloc(4), { aio_lio_opcode: LIO_WRITE });
        aio_read(cb);
        expect(finish(cb)).toEqual([0, 4]);
        expect((cb.aio_buf as Buffer).toString()).toBe('read');
      });

      test('aio_readv and aio_writev move several parts, shared or not', async () => {
        const { reader, writer, feed, take } = await open();
        const shared = IoBuffer.allocate(64).bytes;
        for (const last of [Buffer.alloc(4), shared.subarray(8, 12)]) {
          last.set(Buffer.from('four'));
          const written = Object.assign(new aiocb(), {
            aio_fildes: writer,
            aio_iov: [shared.subarray(0, 2), new Uint8Array(0), last],
          });
          shared.set(Buffer.from('12'));
          aio_writev(written);
          expect(finish(written)).toEqual([0, 6]);
          expect(take(6).toString()).toBe('12four');
          feed(Buffer.from('abcdef'));
          const read = Object.assign(new aiocb(), { aio_fildes: reader, aio_iov: [last, shared.subarray(0, 2)] });
          aio_readv(read);
          expect(finish(read)).toEqual([0, 6]);
          expect(Buffer.from(last).toString() + Buffer.from(shared.subarray(0, 2)).toString()).toBe('abcdef');
        }
      });

      test('B1: no bytes are a success', async () => {
        const { reader, writer } = await open();
        const list = [blockOf(reader, Buffer.alloc(0)), Object.assign(new aiocb(), { aio_fildes: writer })];
        if (kind.isStream) list.shift();
        for (const cb of list) {
          aio_write(cb);
          expect(finish(cb)).toEqual([0, 0]);
        }
      });

      test('B6, B10: name the member that is wrong, and queue nothing: EINVAL at the call', async () => {
        const { reader } = await open();
        const wrong: [string, Partial<aiocb>][] = [
          ['aio_offset', { aio_offset: -1 }],
          ['aio_offset', { aio_offset: 0.5 }],
          ['aio_nbytes', { aio_nbytes: -1 }],
          ['aio_nbytes', { aio_nbytes: 2 ** 63 }],
          ['aio_buf', { aio_nbytes: 9 }],
          ['aio_buf', { aio_buf: null }],
          ['aio_reqprio', { aio_reqprio: -1 }],
          ['aio_reqprio', { aio_reqprio: 21 }],
          ['aio_reqprio', { aio_reqprio: 0.5 }],
          // What looks right in a message is shown as what it is.
          ["aio_offset is '0'", { aio_offset: '0' as unknown as number }],
          ['aio_offset is 0n', { aio_offset: 0n as unknown as number }],
          ["aio_nbytes is '8'", { aio_nbytes: '8' as unknown as number }],
          ['no Uint8Array', { aio_buf: new ArrayBuffer(8) as unknown as Uint8Array }],
          ['no Uint8Array', { aio_buf: new Float64Array(1) as unknown as Uint8Array }],
          ['no Uint8Array', { aio_buf: IoBuffer.allocate(8) as unknown as Uint8Array }],
        ];
        for (const [member, members] of wrong) {
          const cb = blockOf(reader, Buffer.alloc(8), members);
          expect(failsWith(() => aio_read(cb), 'EINVAL', 'aio_read')).toContain(member);
          expect(failsWith(() => aio_write(cb), 'EINVAL', 'aio_write')).toContain(member);
          failsWith(() => aio_error(cb), 'EINVAL', 'aio_error');
        }
        for (const parts of [null, [], new Array(1025).fill(Buffer.alloc(1)), [Buffer.alloc(1), null]]) {
          const cb = Object.assign(new aiocb(), { aio_fildes: reader, aio_iov: parts });
          expect(failsWith(() => aio_readv(cb), 'EINVAL', 'aio_readv')).toContain('aio_iov');
          expect(failsWith(() => aio_writev(cb), 'EINVAL', 'aio_writev')).toContain('aio_iov');
        }
      });

      test('A5: aio_reqprio is accepted, up to AIO_PRIO_DELTA_MAX', async () => {
        const { writer } = await open();
        for (const aio_reqprio of [1, 10, 20]) {
          const cb = blockOf(writer, Buffer.from('low'), { aio_reqprio });
          aio_write(cb);
          expect(finish(cb)).toEqual([0, 3]);
        }
      });

      if (kind.isStream) {
        test('B4, A5: streams complete in call order, each direction for itself', async () => {
          const { reader, writer, feed, take } = await open();
          const reads = Array.from({ length: 16 }, () => blockOf(reader, Buffer.alloc(2)));
          for (const cb of reads) aio_read(cb);
          expect(reads.every((cb) => aio_error(cb) === EINPROGRESS)).toBe(true);
          const writes = Array.from({ length: 16 }, (_, index) => blockOf(writer, Buffer.from([index, index])));
          if (writer === reader) {
            for (const cb of writes) aio_write(cb);
            expect(finishAll(writes)).toEqual(writes.map(() => [0, 2]));
            expect([...take(32)]).toEqual(writes.flatMap((_, index) => [index, index]));
            feed(Buffer.from(Array.from({ length: 32 }, (_, index) => index >> 1)));
          } else {
            for (const cb of writes) aio_write(cb);
            expect(finishAll(writes)).toEqual(writes.map(() => [0, 2]));
          }
          expect(finishAll(reads)).toEqual(reads.map(() => [0, 2]));
          expect(reads.map((cb) => (cb.aio_buf as Buffer)[0])).toEqual(reads.map((_, index) => index));
        });

        test('a read is short as read(2) leaves it', async () => {
          const { reader, feed } = await open();
          const cb = blockOf(reader, Buffer.alloc(100));
          aio_read(cb);
          feed(Buffer.from('few'));
          expect(finish(cb)).toEqual([0, 3]);
        });

        test('blocking_short_write: a write to a stream that blocks is whole', async () => {
          const { writer, take } = await open();
          const bytes = Buffer.from(Array.from({ length: 2 ** 20 }, (_, index) => (index * 7) & 0xff));
          const cb = blockOf(writer, bytes);
          aio_write(cb);
          expect(aio_error(cb)).toBe(EINPROGRESS);
          let count = 0;
          while (count < bytes.length) {
            const part = take(4096);
            expect(part.equals(bytes.subarray(count, count + part.length))).toBe(true);
            count += part.length;
            if (aio_error(cb) === EINPROGRESS) {
              try {
                aio_suspend([cb], 1);
              } catch {
                // The other end has to take more.
              }
            }
          }
          expect(finish(cb)).toEqual([0, bytes.length]);
        });
      } else {
        test('B3: aio_offset is absolute, and requests run in parallel', async () => {
          const { reader, writer } = await open();
          const writes = Array.from({ length: 64 }, (_, index) =>
            blockOf(writer, Buffer.alloc(512, index), { aio_offset: index * 512 }),
          );
          for (const cb of writes) aio_write(cb);
          expect(finishAll(writes)).toEqual(writes.map(() => [0, 512]));
          const reads = Array.from({ length: 64 }, (_, index) =>
            blockOf(reader, Buffer.alloc(512), { aio_offset: (63 - index) * 512 }),
          );
          for (const cb of reads) aio_read(cb);
          expect(finishAll(reads)).toEqual(reads.map(() => [0, 512]));
          expect(reads.map((cb) => (cb.aio_buf as Buffer)[511])).toEqual(reads.map((_, index) => 63 - index));
        });
      }
    });
  }

  describe('aio_read and aio_write on files', () => {
    const open = (name: string, content: string, flags: string | number = 'r+'): number => {
      const path = join(folder.path, name);
      writeFileSync(path, content);
      return openSync(path, flags);
    };

    test('B4: with O_APPEND writes are appended in call order, through whatever descriptor', () => {
      const path = join(folder.path, 'append');
      const fds = [open('append', '', 'a'), openSync(path, 'a')];
      const list = Array.from({ length: 100 }, (_, index) => blockOf(fds[index % 2] as number, Buffer.from(`${index} `)));
      for (const cb of list) aio_write(cb);
      // The number may be another file's, and those that wait still append to this one.
      closeSync(fds[0] as number);
      const other = open('append-other', 'untouched', 'a');
      expect(finishAll(list).every(([error]) => error === 0)).toBe(true);
      expect(readFileSync(path, 'utf8')).toBe(list.map((_, index) => `${index} `).join(''));
      expect(readFileSync(join(folder.path, 'append-other'), 'utf8')).toBe('untouched');
      for (const fd of [fds[1] as number, other]) closeSync(fd);
    });

    test('B7: O_DSYNC and O_SYNC of the descriptor hold for the write', () => {
      for (const flag of [constants.O_DSYNC, constants.O_SYNC]) {
        const fd = open('synchronous', '', constants.O_RDWR | flag);
        const cb = blockOf(fd, Buffer.from('stable'));
        aio_write(cb);
        expect(finish(cb)).toEqual([0, 6]);
        closeSync(fd);
      }
    });

    test('B8, B11, B12: nothing goes beyond the offset maximum: EFBIG and EOVERFLOW, which the request tells', () => {
      const fd = open('large', 'small');
      const write = blockOf(fd, Buffer.from('x'), { aio_offset: OFFSET_MAX });
      aio_write(write);
      expect(finish(write)).toEqual([EFBIG, -1]);
      const beyondEnd = blockOf(fd, Buffer.alloc(1), { aio_offset: 2 ** 60 });
      aio_read(beyondEnd);
      expect(finish(beyondEnd)).toEqual([0, 0]);
      const nothing = blockOf(fd, Buffer.alloc(0), { aio_offset: OFFSET_MAX });
      aio_write(nothing);
      expect(finish(nothing)).toEqual([0, 0]);
      closeSync(fd);
    });

    test('B11: a read at the offset maximum of a file that goes on there is EOVERFLOW; one before it ends there', (context) => {
      const path = `/dev/shm/biodone-large-${process.pid}`;
      try {
        writeFileSync(path, '');
        truncateSync(path, OFFSET_MAX);
      } catch (error) {
        context.skip(`no file can be as large as that: ${(error as Error).message}`);
      }
      const fd = openSync(path, 'r+');
      try {
        const atEnd = blockOf(fd, Buffer.alloc(10), { aio_offset: OFFSET_MAX - 4 });
        aio_read(atEnd);
        expect(finish(atEnd)).toEqual([0, 4]);
        const cut = blockOf(fd, Buffer.alloc(10, 1), { aio_offset: OFFSET_MAX - 4 });
        aio_write(cut);
        expect(finish(cut)).toEqual([0, 4]);
      } finally {
        closeSync(fd);
        writeFileSync(path, '');
      }
      if (!growPast(path)) context.skip('no file can be larger than the offset maximum');
      const larger = openSync(path, 'r');
      try {
        const cb = blockOf(larger, Buffer.alloc(1), { aio_offset: OFFSET_MAX });
        aio_read(cb);
        expect(finish(cb)).toEqual([EOVERFLOW, -1]);
      } finally {
        closeSync(larger);
        rmSync(path);
      }
    });

    test('B12: what is beyond the largest file of the file system is EFBIG', () => {
      const fd = open('limited', '');
      const cb = blockOf(fd, Buffer.from('x'), { aio_offset: 2 ** 52 });
      aio_write(cb);
      const [error, result] = finish(cb);
      // tmpfs and XFS take it.
      expect([EFBIG, 0]).toContain(error);
      expect(result).toBe(error === 0 ? 1 : -1);
      closeSync(fd);
    });

    test('B10: a descriptor that is not open, or not for the direction, is EBADF, told by the request', () => {
      const path = join(folder.path, 'directions');
      writeFileSync(path, 'content');
      const readOnly = openSync(path, 'r');
      const writeOnly = openSync(path, 'a');
      const list: [(cb: aiocb) => void, number][] = [
        [aio_read, -1],
        [aio_write, -1],
        [aio_read, 99_999],
        [aio_read, writeOnly],
        [aio_write, readOnly],
      ];
      for (const [call, fd] of list) {
        const cb = blockOf(fd, Buffer.alloc(4));
        expect(call(cb)).toBeUndefined();
        expect(finish(cb)).toEqual([EBADF, -1]);
      }
      closeSync(readOnly);
      closeSync(writeOnly);
    });

    test('B13: failures are those of read(2) and write(2)', () => {
      const directory = openSync(folder.path, 'r');
      const cb = blockOf(directory, Buffer.alloc(4));
      aio_read(cb);
      expect(finish(cb)).toEqual([EISDIR, -1]);
      closeSync(directory);
      const full = openSync('/dev/full', 'r+');
      const write = blockOf(full, Buffer.from('x'));
      aio_write(write);
      expect(finish(write)).toEqual([ENOSPC, -1]);
      closeSync(full);
      const pipe = new Pipe();
      pipe.closeReadEnd();
      const broken = pipe.writeOf('nobody hears it');
      aio_write(broken);
      expect(finish(broken)).toEqual([EPIPE, -1]);
      pipe.close();
    });

    test('B13: memory that was taken away meanwhile is EFAULT, and nothing is written there', () => {
      const pipe = new Pipe();
      const memory = new Uint8Array(64);
      const cb = blockOf(pipe.readEnd, memory);
      aio_read(cb);
      const moved = new Uint8Array(structuredClone(memory.buffer, { transfer: [memory.buffer] }));
      pipe.write('data');
      expect(finish(cb)).toEqual([EFAULT, -1]);
      expect(moved.every((byte) => byte === 0)).toBe(true);
      pipe.close();
    });

    test('B13: if one part of several was taken away, that is EFAULT, and the others get nothing of its bytes', () => {
      const pipe = new Pipe();
      const [lost, kept] = [Buffer.from(new ArrayBuffer(4)), Buffer.alloc(4, '-')];
      const cb = Object.assign(new aiocb(), { aio_fildes: pipe.readEnd, aio_iov: [lost, kept] });
      aio_readv(cb);
      structuredClone(lost.buffer, { transfer: [lost.buffer as ArrayBuffer] });
      pipe.write('abcd');
      expect(finish(cb)).toEqual([EFAULT, -1]);
      expect(String(kept)).toBe('----');
      pipe.close();
    });

    test('B14: a block whose request is in progress is EINVAL, and that request goes on', () => {
      const pipe = new Pipe();
      const cb = pipe.readOf(4);
      aio_read(cb);
      for (const call of [aio_read, aio_write, aio_readv, aio_writev, aio_mlock]) {
        expect(failsWith(() => call(cb), 'EINVAL', call.name)).toContain('in progress');
      }
      pipe.write('data');
      expect(finish(cb)).toEqual([0, 4]);
      pipe.close();
    });

    test('B15: a short read at the end of the file is a success, and one behind it reads nothing', () => {
      const fd = open('short', 'twelve bytes');
      const list = [blockOf(fd, Buffer.alloc(8), { aio_offset: 10 }), blockOf(fd, Buffer.alloc(8), { aio_offset: 12 })];
      for (const cb of list) aio_read(cb);
      expect(finishAll(list)).toEqual([
        [0, 2],
        [0, 0],
      ]);
      closeSync(fd);
    });

    test('B9: beyond AIO_MAX a call is EAGAIN, with nothing queued, and the requests in progress go on', () => {
      const before = sysconf(_SC_AIO_MAX);
      const pipe = new Pipe();
      const list = Array.from({ length: 40 }, () => pipe.readOf(1));
      configure({ AIO_MAX: 40 });
      try {
        for (const cb of list) aio_read(cb);
        const refused = pipe.readOf(1);
        expect(failsWith(() => aio_read(refused), 'EAGAIN', 'aio_read')).toContain('AIO_MAX');
        failsWith(() => aio_error(refused), 'EINVAL', 'aio_error');
        pipe.write('x'.repeat(40));
        expect(finishAll(list)).toEqual(list.map(() => [0, 1]));
        pipe.write('y');
        aio_read(refused);
        expect(finish(refused)).toEqual([0, 1]);
      } finally {
        configure({ AIO_MAX: before });
        pipe.close();
      }
    });

    test('H1: a descriptor’s number is another file’s after a close: each request is on the file that it was at the call', () => {
      const [first, second] = ['first', 'second'].map((content) => {
        writeFileSync(join(folder.path, content), content.repeat(8));
        return join(folder.path, content);
      }) as [string, string];
      for (let round = 0; round < 300; round++) {
        const fd = openSync(round % 2 === 0 ? first : second, 'r+');
        const list = Array.from({ length: 8 }, () => blockOf(fd, Buffer.alloc(round % 2 === 0 ? 5 : 6)));
        for (const cb of list) aio_read(cb);
        const write = blockOf(fd, Buffer.from(round % 2 === 0 ? 'first' : 'second'));
        aio_write(write);
        closeSync(fd);
        const other = openSync(round % 2 === 0 ? second : first, 'r');
        expect(other).toBe(fd);
        finish(write);
        for (const cb of list) {
          finish(cb);
          expect((cb.aio_buf as Buffer).toString()).toBe(round % 2 === 0 ? 'first' : 'second');
        }
        closeSync(other);
      }
      expect([readFileSync(first, 'utf8'), readFileSync(second, 'utf8')]).toEqual(['first'.repeat(8), 'second'.repeat(8)]);
    });

    test('H1: a stream’s requests that wait for their turn hold it too, whatever its number is by then', () => {
      const pipe = new Pipe();
      const reads = [pipe.readOf(1), pipe.readOf(1), pipe.readOf(1)];
      for (const cb of reads) aio_read(cb);
      pipe.closeReadEnd();
      const path = join(folder.path, 'in-its-place');
      writeFileSync(path, 'zzz');
      const other = openSync(path, 'r+');
      expect(other).toBe(pipe.readEnd);
      // The requests are the only ones that hold the pipe's end now.
      pipe.write('abc');
      expect(finishAll(reads)).toEqual(reads.map(() => [0, 1]));
      expect(reads.map((cb) => Buffer.from(cb.aio_buf as Uint8Array).toString()).join('')).toBe('abc');
      expect(() => pipe.write('d')).toThrow(expect.objectContaining({ code: 'EPIPE' }));
      closeSync(other);
      pipe.close();
    });

    test('a number that was a file’s and is a pipe’s now is a stream, and the other way round', () => {
      const path = join(folder.path, 'stream-or-file');
      writeFileSync(path, 'from the file');
      const file = openSync(path, 'r');
      const one = blockOf(file, Buffer.alloc(4));
      aio_read(one);
      expect(finish(one)).toEqual([0, 4]);
      closeSync(file);
      const pipe = new Pipe();
      expect(pipe.readEnd).toBe(file);
      const reads = [pipe.readOf(1), pipe.readOf(1)];
      for (const cb of reads) aio_read(cb);
      pipe.write('ab');
      expect(finishAll(reads)).toEqual([
        [0, 1],
        [0, 1],
      ]);
      expect(reads.map((cb) => Buffer.from(cb.aio_buf as Uint8Array).toString()).join('')).toBe('ab');
      pipe.close();
      const again = openSync(path, 'r');
      const last = blockOf(again, Buffer.alloc(4), { aio_offset: 9 });
      aio_read(last);
      expect(finish(last)).toEqual([0, 4]);
      expect((last.aio_buf as Buffer).toString()).toBe('file');
      closeSync(again);
    });

    test.skipIf(!isRing)('a block that was used behind a drain of the thread’s ring can be used again', () => {
      class Nop extends RingRequest {
        override complete(): void {}
      }
      const [fd, pipe] = [open('drained', ''), new Pipe()];
      const blocked = pipe.readOf(1);
      aio_read(blocked);
      const drain = new Nop();
      prepareNop(drain);
      drain.flags |= IOSQE_IO_DRAIN;
      threadRing().start(drain);
      const cb = blockOf(fd, Buffer.from('x'));
      aio_write(cb);
      expect(aio_error(cb)).toBe(EINPROGRESS);
      pipe.write('y');
      for (let use = 0; use < 3; use++) {
        expect(finish(cb)).toEqual([0, 1]);
        aio_write(cb);
      }
      expect(finish(cb)).toEqual([0, 1]);
      expect(finish(blocked)).toEqual([0, 1]);
      closeSync(fd);
      pipe.close();
    });

    test.skipIf(!isRing)('a read past the page cache is never done in the call, which would block', (context) => {
      const path = join(folder.path, 'direct');
      writeFileSync(path, Buffer.alloc(8192, 7));
      let fd: number;
      try {
        fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT);
      } catch (error) {
        return context.skip(`no O_DIRECT here: ${(error as Error).message}`);
      }
      const cb = blockOf(fd, IoBuffer.allocate(4096).bytes);
      const before = threadRing().ring.statistics().submitted;
      aio_read(cb);
      expect(threadRing().ring.statistics().submitted - before).toBe(1);
      expect(finish(cb)).toEqual([0, 4096]);
      closeSync(fd);
    });

    test('streams that may block for ever starve no disk', () => {
      const pipes = Array.from({ length: 40 }, () => new Pipe());
      const blocked = pipes.map((pipe) => pipe.readOf(1));
      for (const cb of blocked) aio_read(cb);
      const fd = open('not-starved', '');
      const list = Array.from({ length: 40 }, (_, index) => blockOf(fd, Buffer.alloc(512, index), { aio_offset: index * 512 }));
      for (const cb of list) aio_write(cb);
      expect(finishAll(list)).toEqual(list.map(() => [0, 512]));
      expect(blocked.every((cb) => aio_error(cb) === EINPROGRESS)).toBe(true);
      for (const pipe of pipes) {
        expect(aio_cancel(pipe.readEnd)).toBe(0);
        pipe.close();
      }
      closeSync(fd);
    });

    test('what is no descriptor, device or pool is EINVAL', () => {
      const cb = blockOf('file' as unknown as number, Buffer.alloc(1));
      expect(failsWith(() => aio_read(cb), 'EINVAL', 'aio_read')).toContain('aio_fildes');
      failsWith(() => aio_read({} as aiocb), 'EINVAL', 'aio_read');
    });

    test('aio_mlock succeeds and does nothing', () => {
      const cb = blockOf(-1, Buffer.alloc(4096));
      aio_mlock(cb);
      expect([aio_error(cb), aio_return(cb)]).toEqual([0, 0]);
    });

    test('a descriptor that does not block: reads wait, writes are short as write(2)', () => {
      const pipe = new Pipe();
      const reader = openSync(`/proc/self/fd/${pipe.readEnd}`, constants.O_RDONLY | constants.O_NONBLOCK);
      const writer = openSync(`/proc/self/fd/${pipe.writeEnd}`, constants.O_WRONLY | constants.O_NONBLOCK);
      const cb = blockOf(reader, Buffer.alloc(4));
      aio_read(cb);
      expect(aio_error(cb)).toBe(EINPROGRESS);
      const write = blockOf(writer, Buffer.alloc(2 ** 20, 7));
      aio_write(write);
      const [error, count] = finish(write);
      expect(error).toBe(0);
      expect(count).toBeLessThan(2 ** 20);
      expect(finish(cb)).toEqual([0, 4]);
      for (const fd of [reader, writer]) closeSync(fd);
      pipe.close();
    });

    test('a write that a FIFO has room for is done, though nobody reads yet', () => {
      const path = join(folder.path, 'fifo');
      expect(spawnSync('mkfifo', [path]).status).toBe(0);
      const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const writer = openSync(path, constants.O_WRONLY);
      // As much as a pipe takes, unless somebody has changed that (pipe(7)).
      const bytes = Buffer.from(Array.from({ length: 65536 }, (_, index) => (index * 7) & 0xff));
      const cb = blockOf(writer, bytes);
      aio_write(cb);
      if (aio_error(cb) === EINPROGRESS) aio_suspend([cb], 10_000);
      expect(finish(cb)).toEqual([0, bytes.length]);
      const found = Buffer.alloc(bytes.length);
      expect(readSync(reader, found)).toBe(bytes.length);
      expect(found.equals(bytes)).toBe(true);
      for (const fd of [reader, writer]) closeSync(fd);
    });
  });
}

/** Makes a file larger than the offset maximum, which Node cannot. */
function growPast(path: string): boolean {
  return spawnSync('truncate', ['-s', String(2n ** 53n + 4096n), path]).status === 0;
}
