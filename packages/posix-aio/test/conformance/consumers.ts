import { closeSync, constants as fileConstants, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { openMem } from '@biodone/blockdev';
import {
  AioEvents,
  aio_cancel,
  aio_error,
  aio_fsync,
  aio_read,
  aio_return,
  aio_suspend,
  aio_waitcomplete,
  aio_write,
  aio_writev,
  aiocb,
  EINPROGRESS,
  LIO_NOWAIT,
  LIO_READ,
  LIO_WRITE,
  lio_listio,
  O_SYNC,
  SIGEV_SIGNAL,
  SIGEV_THREAD,
} from '@biodone/posix-aio';
import { openOwnedEventFd } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failsWith, finish, finishAll, until } from '../support/expect.js';
import { type Folder, makeFolder } from '../support/files.js';
import { blockOf, Pipe } from '../support/pipe.js';
import { socketPair } from '../support/socket-pair.js';
import { type Subject, subjectKinds } from '../support/subjects.js';
import { openTerminal } from '../support/terminal.js';

const ECANCELED = 125;
const socketRefusal = subjectKinds.find(({ name }) => name === 'a socket')?.refusal ?? null;

/** The ways to hear of a completion, as FreeBSD's tests have them: each waits for the end of a request that `start` starts. */
const WAYS: Record<string, (cb: aiocb, start: () => void) => void | Promise<void>> = {
  poll: async (cb, start) => {
    start();
    await until(() => aio_error(cb) !== EINPROGRESS);
  },
  signal: async (cb, start) => {
    cb.aio_sigevent = { sigev_notify: SIGEV_SIGNAL, sigev_signo: constants.signals.SIGUSR2 };
    await new Promise<void>((resolve) => {
      process.once('SIGUSR2', () => resolve());
      start();
    });
  },
  suspend: (cb, start) => {
    start();
    aio_suspend([cb]);
  },
  thread: async (cb, start) => {
    await new Promise<void>((resolve) => {
      cb.aio_sigevent = { sigev_notify: SIGEV_THREAD, sigev_notify_function: () => resolve() };
      start();
    });
  },
  kevent: async (cb, start) => {
    const events = new AioEvents();
    cb.aio_sigevent = events.notification('done');
    await new Promise<void>((resolve) => {
      events.addEventListener('completion', () => resolve());
      start();
    });
  },
};

/** What fio, and the tests of FreeBSD and glibc, rely on. */
export function testConsumers(): void {
  describe('consumers', () => {
    let folder: Folder;
    beforeAll(() => {
      folder = makeFolder();
    });
    afterAll(() => folder.remove());

    for (const kind of subjectKinds) {
      test.skipIf(kind.refusal !== null).each(Object.keys(WAYS))(
        `FreeBSD: ${kind.name}, told by %s, and by waitcomplete`,
        async (way) => {
          const subject: Subject = await kind.open(folder.path);
          const write = blockOf(subject.writer, Buffer.from('written'));
          await WAYS[way]?.(write, () => aio_write(write));
          expect([aio_error(write), aio_return(write)]).toEqual([0, 7]);
          expect(subject.take(7).toString()).toBe('written');
          subject.feed(Buffer.from('to be read'));
          const read = blockOf(subject.reader, Buffer.alloc(10));
          await WAYS[way]?.(read, () => aio_read(read));
          expect([aio_error(read), (read.aio_buf as Buffer).toString()]).toEqual([0, 'to be read']);
          let completion = aio_waitcomplete();
          // Earlier tests have left results that nobody has taken.
          while (completion !== null && completion.aiocb !== read) completion = aio_waitcomplete();
          expect(completion).toEqual({ aiocb: read, error: 0, result: 10 });
          await subject.close();
        },
      );
    }

    test('fio: polls aio_error, suspends on at most 8, takes EAGAIN as busy, and resubmits what failed without aio_return', () => {
      const path = join(folder.path, 'fio');
      writeFileSync(path, Buffer.alloc(64 * 4096, 7));
      const fd = openSync(path, 'r+');
      const pipe = new Pipe();
      // A failing one and a cancelled one among them, both never reaped.
      const list = Array.from({ length: 16 }, (_, index) => blockOf(index === 3 ? 99_999 : fd, Buffer.alloc(4096)));
      list.push(pipe.readOf(1));
      let [good, failed, cancelled] = [0, 0, 0];
      for (const cb of list) aio_read(cb);
      for (let event = 0; event < 2000; ) {
        const busy = list.filter((cb) => aio_error(cb) === EINPROGRESS);
        for (const cb of list) {
          const error = aio_error(cb);
          if (error === EINPROGRESS) continue;
          event += 1;
          if (error === 0) {
            good += 1;
            expect(aio_return(cb)).toBe(4096);
          } else if (error === ECANCELED) cancelled += 1;
          else failed += 1;
          cb.aio_offset = (event % 60) * 4096;
          if (event % 3 === 0 && cb.aio_fildes === fd) aio_write(cb);
          else if (event % 50 === 1 && cb.aio_fildes === fd) aio_fsync(O_SYNC, Object.assign(cb, { aio_offset: 0 }));
          else aio_read(cb);
          if (aio_error(cb) === 0 && event % 50 === 1) {
            aio_return(cb);
            aio_read(cb);
          }
          if (aio_error(cb) === 0 || (cb.aio_fildes === fd && event % 50 === 1)) {
            while (aio_error(cb) === EINPROGRESS) aio_suspend([cb]);
            if (aio_error(cb) === 0 && aio_return(cb) >= 0) aio_read(cb);
          }
        }
        if (busy.length > 0) {
          try {
            aio_suspend(busy.slice(0, 8), 1);
          } catch {
            // fio ignores what it returns.
          }
        }
        if (event % 100 === 0) aio_cancel(pipe.readEnd);
      }
      expect(good).toBeGreaterThan(100);
      expect(failed).toBeGreaterThan(10);
      aio_cancel(pipe.readEnd);
      for (const cb of list) while (aio_error(cb) === EINPROGRESS) aio_suspend([cb]);
      expect(cancelled).toBeGreaterThanOrEqual(0);
      closeSync(fd);
      pipe.close();
    });

    test('pitfall 8: LTP and POSIX on EBADF: later for reads, writes and lists, at once for fsync and cancel', async () => {
      const readOnly = openSync(process.execPath, 'r');
      for (const [fildes, call] of [
        [-1, aio_read],
        [-1, aio_write],
        [readOnly, aio_write],
      ] as const) {
        const cb = blockOf(fildes, Buffer.alloc(1), { aio_lio_opcode: call === aio_read ? LIO_READ : LIO_WRITE });
        expect(call(cb)).toBeUndefined();
        expect(finish(cb)).toEqual([9, -1]);
        expect(lio_listio(LIO_NOWAIT, [cb])).toBeUndefined();
        expect(finish(cb)).toEqual([9, -1]);
      }
      failsWith(() => aio_fsync(O_SYNC, blockOf(-1, Buffer.alloc(1))), 'EBADF', 'aio_fsync');
      failsWith(() => aio_cancel(-1), 'EBADF', 'aio_cancel');
      closeSync(readOnly);
    });

    test('FreeBSD: large_read: a count beyond the memory is EINVAL, one that nobody has bytes for is fine', () => {
      const fd = openSync('/dev/null', 'r');
      failsWith(() => aio_read(blockOf(fd, Buffer.alloc(1), { aio_nbytes: 2 ** 53 - 1 })), 'EINVAL', 'aio_read');
      const cb = blockOf(fd, new Uint8Array(new SharedArrayBuffer(2 ** 26)));
      aio_read(cb);
      expect(finish(cb)).toEqual([0, 0]);
      closeSync(fd);
    });

    test.skipIf(socketRefusal !== null)(
      'FreeBSD: socket_two_reads: one byte completes one read, the other can be cancelled',
      async () => {
        const [one, other] = await socketPair();
        const list = [blockOf(one, Buffer.alloc(1)), blockOf(one, Buffer.alloc(1))];
        for (const cb of list) aio_read(cb);
        writeSync(other, 'x');
        expect(finish(list[0] as aiocb)).toEqual([0, 1]);
        expect(aio_error(list[1] as aiocb)).toBe(EINPROGRESS);
        expect(aio_cancel(one, list[1])).toBe(0);
        expect(finish(list[1] as aiocb)).toEqual([ECANCELED, -1]);
        closeSync(one);
        closeSync(other);
      },
    );

    test('FreeBSD: pty: reads of a terminal wait for a line, and writes reach its screen', (context) => {
      let terminal: ReturnType<typeof openTerminal>;
      try {
        terminal = openTerminal();
      } catch (error) {
        return context.skip(`no pseudo terminal: ${(error as Error).message}`);
      }
      const { program, user } = terminal;
      const read = blockOf(program, Buffer.alloc(100));
      const behind = blockOf(program, Buffer.alloc(100));
      aio_read(read);
      aio_read(behind);
      expect(aio_error(read)).toBe(EINPROGRESS);
      writeSync(user, 'a line\n');
      expect(finish(read)).toEqual([0, 7]);
      expect((read.aio_buf as Buffer).toString('utf8', 0, 7)).toBe('a line\n');
      const write = blockOf(program, Buffer.from('answer'));
      aio_write(write);
      expect(finish(write)).toEqual([0, 6]);
      expect(aio_cancel(program, behind)).toBe(0);
      expect(finish(behind)).toEqual([ECANCELED, -1]);
      closeSync(program);
      closeSync(user);
    });

    test('terminals whose other ends have the inode of /dev/ptmx have an order each', (context) => {
      let terminals: ReturnType<typeof openTerminal>[];
      try {
        terminals = [openTerminal(), openTerminal()];
      } catch (error) {
        return context.skip(`no pseudo terminal: ${(error as Error).message}`);
      }
      const list = terminals.map(({ user }) => blockOf(user, Buffer.alloc(9)));
      for (const cb of list) aio_read(cb);
      const [first, second] = list as [aiocb, aiocb];
      writeSync(terminals[1]?.program as number, 'it');
      expect(finish(second)).toEqual([0, 2]);
      expect(aio_error(first)).toBe(EINPROGRESS);
      expect(aio_cancel(terminals[0]?.user as number)).toBe(0);
      expect(finish(first)).toEqual([ECANCELED, -1]);
      for (const { user, program } of terminals) for (const fd of [user, program]) closeSync(fd);
    });

    test('an eventfd under the number of another, which is still read, is a file of its own', () => {
      const former = openOwnedEventFd();
      const old = blockOf(former, Buffer.alloc(8));
      aio_read(old);
      closeSync(former);
      const fd = openOwnedEventFd();
      expect(fd).toBe(former);
      const list = [blockOf(fd, Buffer.alloc(8)), blockOf(fd, Buffer.alloc(8))];
      for (const cb of list) aio_read(cb);
      writeSync(fd, Buffer.from([7, 0, 0, 0, 0, 0, 0, 0]));
      expect(finish(list[0] as aiocb)).toEqual([0, 8]);
      expect(aio_cancel(fd)).toBe(0);
      expect(finish(list[1] as aiocb)).toEqual([ECANCELED, -1]);
      expect(aio_error(old)).toBe(EINPROGRESS);
      closeSync(fd);
    });

    test('a terminal that does not block: reads wait for a line all the same, and can be cancelled', (context) => {
      let terminal: ReturnType<typeof openTerminal>;
      try {
        terminal = openTerminal(fileConstants.O_NONBLOCK);
      } catch (error) {
        return context.skip(`no pseudo terminal: ${(error as Error).message}`);
      }
      const { program, user } = terminal;
      const list = Array.from({ length: 3 }, () => blockOf(program, Buffer.alloc(10)));
      for (const cb of list) aio_read(cb);
      expect(() => aio_suspend(list, 1)).toThrow(expect.objectContaining({ code: 'EAGAIN' }));
      writeSync(user, 'one\n');
      expect(finish(list[0] as aiocb)).toEqual([0, 4]);
      expect(aio_cancel(program, list[1])).toBe(0);
      expect(finish(list[1] as aiocb)).toEqual([ECANCELED, -1]);
      writeSync(user, 'three\n');
      expect(finish(list[2] as aiocb)).toEqual([0, 6]);
      closeSync(program);
      closeSync(user);
    });

    test('FreeBSD: md: a memory disk, also by vectors that are not aligned', () => {
      const device = openMem(65_536);
      const parts = [Buffer.from('un'), Buffer.alloc(510, 1), Buffer.alloc(512, 2)];
      const cb = Object.assign(new aiocb(), { aio_fildes: device, aio_iov: parts });
      aio_writev(cb);
      expect(finish(cb)).toEqual([0, 1024]);
    });

    test('FreeBSD: writev dos_iov_len, dos_iovcnt, big_iovcnt and empty_iov', () => {
      const path = join(folder.path, 'vectors');
      writeFileSync(path, '');
      const fd = openSync(path, 'r+');
      const of = (aio_iov: readonly Uint8Array[]): aiocb => Object.assign(new aiocb(), { aio_fildes: fd, aio_iov });
      failsWith(() => aio_writev(of(new Array(100_000).fill(Buffer.alloc(1)))), 'EINVAL', 'aio_writev');
      const big = of(Array.from({ length: 1024 }, (_, index) => Buffer.from([index & 0xff])));
      aio_writev(big);
      expect(finish(big)).toEqual([0, 1024]);
      expect(readFileSync(path)[1023]).toBe(0xff);
      const empty = of([Buffer.from('a'), Buffer.alloc(0), Buffer.from('b')]);
      aio_writev(empty);
      expect(finish(empty)).toEqual([0, 2]);
      expect(readFileSync(path, 'utf8').slice(0, 2)).toBe('ab');
      closeSync(fd);
    });

    test('glibc: tst-aio7: suspending on one that is done and one that blocks returns at once', () => {
      const pipe = new Pipe();
      const [done, blocked] = [pipe.readOf(1), pipe.readOf(1)];
      aio_read(done);
      aio_read(blocked);
      pipe.write('x');
      aio_suspend([done]);
      aio_suspend([blocked, done]);
      expect([aio_error(blocked), aio_error(done)]).toEqual([EINPROGRESS, 0]);
      aio_cancel(pipe.readEnd);
      pipe.close();
    });

    test('NetBSD: suspend_any, lio_nowait and write_then_read_back', () => {
      const path = join(folder.path, 'read-back');
      writeFileSync(path, '');
      const fd = openSync(path, 'r+');
      const writes = Array.from({ length: 8 }, (_, index) =>
        blockOf(fd, Buffer.alloc(4096, index), { aio_offset: index * 4096 }),
      );
      for (const cb of writes) aio_write(cb);
      aio_suspend(writes);
      expect(writes.some((cb) => aio_error(cb) === 0)).toBe(true);
      expect(finishAll(writes)).toEqual(writes.map(() => [0, 4096]));
      const reads = writes.map((_, index) =>
        blockOf(fd, Buffer.alloc(4096), { aio_offset: index * 4096, aio_lio_opcode: LIO_READ }),
      );
      lio_listio(LIO_NOWAIT, reads);
      expect(finishAll(reads)).toEqual(reads.map(() => [0, 4096]));
      expect(reads.map((cb) => (cb.aio_buf as Buffer)[4095])).toEqual(reads.map((_, index) => index));
      closeSync(fd);
    });
  });
}
