import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  _SC_AIO_MAX,
  AIO_CANCELED,
  type AioList,
  aio_cancel,
  aio_error,
  aio_read,
  aio_return,
  aio_suspend,
  type aiocb,
  configure,
  EINPROGRESS,
  LIO_NOP,
  LIO_NOWAIT,
  LIO_READ,
  LIO_READV,
  LIO_WAIT,
  LIO_WRITE,
  LIO_WRITEV,
  lio_listio,
  lio_listioAsync,
  SIGEV_THREAD,
  type sigevent,
  sysconf,
} from '@biodone/posix-aio';
import { IoBuffer, threadRing } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isCollected } from '../support/collect.js';
import { failsWith, finish, finishAll, until } from '../support/expect.js';
import { type Folder, makeFolder } from '../support/files.js';
import { openManual } from '../support/manual-device.js';
import { blockOf, Pipe } from '../support/pipe.js';
import { sendSignals } from '../support/signal-sender.js';
import { type Subject, subjectKinds } from '../support/subjects.js';

const EBADF = 9;
const EINVAL = 22;

function calling(told: unknown[], value: unknown): sigevent {
  return { sigev_notify: SIGEV_THREAD, sigev_value: value, sigev_notify_function: (given) => told.push(given) };
}

/** G: lio_listio. @param isRing whether requests go through the thread's ring */
export function testLists(isRing: boolean): void {
  describe('lio_listio', () => {
    let folder: Folder;
    beforeAll(() => {
      folder = makeFolder();
    });
    afterAll(() => folder.remove());
    const open = (name: string, content = ''): number => {
      writeFileSync(join(folder.path, name), content);
      return openSync(join(folder.path, name), 'r+');
    };
    const writesTo = (
      fildes: aiocb['aio_fildes'],
      count: number,
      members: (index: number) => Partial<aiocb> = () => ({}),
    ): aiocb[] =>
      Array.from({ length: count }, (_, index) =>
        blockOf(fildes, Buffer.from([index]), { aio_offset: index, aio_lio_opcode: LIO_WRITE, ...members(index) }),
      );

    for (const kind of subjectKinds) {
      test.skipIf(kind.refusal !== null)(`G1, G5, G7: LIO_WAIT does all of a list, on ${kind.name}`, async () => {
        const subject: Subject = await kind.open(folder.path);
        for (let round = 0; round < 3; round++) {
          const writes = writesTo(subject.writer, 32);
          if (round === 0) await lio_listioAsync(writes);
          else lio_listio(LIO_WAIT, writes, calling([], 'ignored'));
          expect(writes.map(aio_error)).toEqual(writes.map(() => 0));
          expect(finishAll(writes)).toEqual(writes.map(() => [0, 1]));
          expect([...subject.take(32)]).toEqual(writes.map((_, index) => index));
        }
        await subject.close();
      });
    }

    test('G5: reads and writes of all kinds, each with its own notification', async () => {
      const fd = open('kinds', '0123456789');
      const told: unknown[] = [];
      const list = [
        blockOf(fd, Buffer.alloc(3), { aio_lio_opcode: LIO_READ, aio_sigevent: calling(told, 'read') }),
        blockOf(fd, Buffer.from('ab'), { aio_lio_opcode: LIO_WRITE, aio_offset: 10, aio_sigevent: calling(told, 'write') }),
        blockOf(fd, Buffer.alloc(0), {
          aio_lio_opcode: LIO_READV,
          aio_iov: [Buffer.alloc(1), Buffer.alloc(2)],
          aio_offset: 3,
          aio_sigevent: calling(told, 'readv'),
        }),
        blockOf(fd, Buffer.alloc(0), {
          aio_lio_opcode: LIO_WRITEV,
          aio_iov: [Buffer.from('c'), Buffer.from('de')],
          aio_offset: 12,
          aio_sigevent: calling(told, 'writev'),
        }),
      ];
      lio_listio(LIO_NOWAIT, list, calling(told, 'list'));
      await until(() => told.length === 5);
      expect(told[4]).toBe('list');
      expect([...told].sort()).toEqual(['list', 'read', 'readv', 'write', 'writev']);
      expect(finishAll(list)).toEqual([3, 2, 3, 3].map((count) => [0, count]));
      expect(readFileSync(join(folder.path, 'kinds'), 'utf8')).toBe('0123456789abcde');
      closeSync(fd);
    });

    test('G2, NB-10: LIO_NOWAIT returns at once, and tells once, after all have completed', async () => {
      const { device, complete } = openManual();
      const told: unknown[] = [];
      const list = writesTo(device, 5);
      const all = new WeakRef({});
      lio_listio(LIO_NOWAIT, list, calling(told, all.deref()));
      for (let left = 5; left > 0; left--) {
        await new Promise((resolve) => setImmediate(resolve));
        expect(told).toEqual([]);
        complete();
      }
      await until(() => told.length > 0);
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(told).toEqual([{}]);
      expect(finishAll(list)).toEqual(list.map(() => [0, 1]));
      // The blocks hold nothing of their list any more.
      told.length = 0;
      expect(await isCollected(all)).toBe(true);
      expect(list).toHaveLength(5);
      lio_listio(LIO_NOWAIT, writesTo(open('no-notification'), 2), null);
    });

    test('lio empty_nowait, empty_wait: an empty list is done at once, and tells so', async () => {
      const told: unknown[] = [];
      for (const list of [[], [null], [blockOf(-1, Buffer.alloc(1), { aio_lio_opcode: LIO_NOP })]] as AioList[]) {
        lio_listio(LIO_WAIT, list);
        await lio_listioAsync(list);
        lio_listio(LIO_NOWAIT, list, calling(told, 'empty'));
      }
      await until(() => told.length === 3);
    });

    test('G4, NB-11: null entries and LIO_NOP are ignored in both modes', () => {
      const fd = open('ignored');
      const nop = blockOf(-1, Buffer.alloc(1), { aio_lio_opcode: LIO_NOP, aio_offset: -5 });
      for (const mode of [LIO_WAIT, LIO_NOWAIT]) {
        const writes = writesTo(fd, 2);
        // What is not there is as good as null, as with aio_suspend.
        const missing = undefined as unknown as null;
        lio_listio(mode, [null, writes[0] as aiocb, nop, writes[1] as aiocb, null, missing]);
        expect(finishAll(writes)).toEqual([
          [0, 1],
          [0, 1],
        ]);
        failsWith(() => aio_error(nop), 'EINVAL', 'aio_error');
      }
      closeSync(fd);
    });

    test('G6, G7, G10: one failure stops no other; LIO_WAIT is EIO then, and each has its own error', async () => {
      const fd = open('one-fails');
      for (const call of [(list: AioList) => lio_listio(LIO_WAIT, list), lio_listioAsync]) {
        const list = writesTo(fd, 4, (index) =>
          index === 1 ? { aio_fildes: 99_999 } : index === 2 ? { aio_offset: 2 ** 53 - 1 } : {},
        );
        const failed = await (async () => call(list))().catch((error) => error);
        expect(failed).toMatchObject({ code: 'EIO', syscall: 'lio_listio' });
        expect(finishAll(list)).toEqual([
          [0, 1],
          [EBADF, -1],
          [27, -1],
          [0, 1],
        ]);
      }
      closeSync(fd);
    });

    test('a bad descriptor in LIO_NOWAIT is the request’s, not the call’s: all notifications come', async () => {
      const fd = open('fourteen');
      const told: unknown[] = [];
      const list = writesTo(fd, 10, (index) => ({ aio_fildes: index === 4 ? -1 : fd, aio_sigevent: calling(told, index) }));
      lio_listio(LIO_NOWAIT, list);
      await until(() => told.length === 10);
      expect(finishAll(list).filter(([error]) => error !== 0)).toEqual([[EBADF, -1]]);
      closeSync(fd);
    });

    test('G8, G9: a wrong mode, list, block or sigevent is EINVAL, too much EAGAIN, with nothing initiated', () => {
      const { device, started } = openManual();
      const writes = writesTo(device, 3);
      const wrong: [AioList, sigevent | null][] = [
        [[...writes, writes[0] as aiocb], null],
        [[...writes, {} as aiocb], null],
        [writes, { sigev_notify: 77 }],
        [writesTo(device, 2, (index) => (index === 1 ? { aio_sigevent: { sigev_notify: SIGEV_THREAD } } : {})), null],
        [writesTo(device, 2, (index) => (index === 1 ? { aio_fildes: null as unknown as number } : {})), null],
        [null as unknown as AioList, null],
      ];
      for (const [list, sig] of wrong) failsWith(() => lio_listio(LIO_NOWAIT, list, sig), 'EINVAL', 'lio_listio');
      for (const mode of [-1, 2, 0.5])
        expect(failsWith(() => lio_listio(mode, writes), 'EINVAL', 'lio_listio')).toContain('mode');
      const before = sysconf(_SC_AIO_MAX);
      configure({ AIO_LISTIO_MAX: 2 });
      expect(failsWith(() => lio_listio(LIO_WAIT, writes), 'EINVAL', 'lio_listio')).toContain('AIO_LISTIO_MAX');
      configure({ AIO_LISTIO_MAX: 1024, AIO_MAX: 2 });
      expect(failsWith(() => lio_listio(LIO_WAIT, writes), 'EAGAIN', 'lio_listio')).toContain('AIO_MAX');
      configure({ AIO_MAX: before });
      expect(started).toEqual([]);
      for (const cb of writes) failsWith(() => aio_error(cb), 'EINVAL', 'aio_error');
    });

    test('G8: a signal ends LIO_WAIT with EINTR, and the requests go on', () => {
      const ignore = (): void => {};
      process.on('SIGUSR2', ignore);
      const pipe = new Pipe();
      const cb = pipe.readOf(4, { aio_lio_opcode: LIO_READ });
      const stopSending = sendSignals();
      failsWith(() => lio_listio(LIO_WAIT, [cb]), 'EINTR', 'lio_listio');
      stopSending();
      expect(aio_error(cb)).toBe(EINPROGRESS);
      pipe.write('data');
      expect(finish(cb)).toEqual([0, 4]);
      process.off('SIGUSR2', ignore);
      pipe.close();
    });

    test('G9, B14: a block in progress is EINVAL, with nothing initiated and that request undisturbed', () => {
      const pipe = new Pipe();
      const cb = pipe.readOf(1, { aio_lio_opcode: LIO_READ });
      aio_read(cb);
      const { device, started } = openManual();
      failsWith(() => lio_listio(LIO_WAIT, [...writesTo(device, 2), cb]), 'EINVAL', 'lio_listio');
      expect([started.length, aio_error(cb)]).toEqual([0, EINPROGRESS]);
      pipe.write('x');
      expect(finish(cb)).toEqual([0, 1]);
      pipe.close();
    });

    test('G11: an invalid opcode is EIO, that entry EINVAL, the others are fine, in both modes', () => {
      const fd = open('opcodes');
      for (const mode of [LIO_WAIT, LIO_NOWAIT]) {
        for (const aio_lio_opcode of [-1, 77, 0.5]) {
          const list = writesTo(fd, 3, (index) => (index === 1 ? { aio_lio_opcode } : {}));
          failsWith(() => lio_listio(mode, list), 'EIO', 'lio_listio');
          expect(finishAll(list)).toEqual([
            [0, 1],
            [EINVAL, -1],
            [0, 1],
          ]);
        }
      }
      closeSync(fd);
    });

    test('NB-12: while one caller waits for a list, others submit, cancel and suspend', async () => {
      const pipes = [new Pipe(), new Pipe()] as const;
      const waiting = lio_listioAsync([pipes[0].readOf(1, { aio_lio_opcode: LIO_READ })]);
      const fd = open('meanwhile');
      const list = writesTo(fd, 4);
      lio_listio(LIO_WAIT, list);
      expect(finishAll(list)).toEqual(list.map(() => [0, 1]));
      const cb = pipes[1].readOf(1);
      aio_read(cb);
      expect(aio_cancel(pipes[1].readEnd)).toBe(AIO_CANCELED);
      aio_suspend([cb]);
      pipes[0].write('x');
      await waiting;
      // The same from a notification that comes while the thread blocks in LIO_WAIT.
      const inner: unknown[] = [];
      const first = blockOf(fd, Buffer.from('1'), {
        aio_lio_opcode: LIO_WRITE,
        aio_sigevent: {
          sigev_notify: SIGEV_THREAD,
          sigev_notify_function: () => {
            lio_listio(LIO_WAIT, writesTo(fd, 2));
            inner.push(true);
            pipes[1].write('y');
          },
        },
      });
      lio_listio(LIO_WAIT, [first, pipes[1].readOf(1, { aio_lio_opcode: LIO_READ })]);
      expect(inner).toEqual([true]);
      for (const pipe of pipes) pipe.close();
      closeSync(fd);
    });

    test.skipIf(!isRing)('a list of 32 is one system call to the kernel, and holds its files', () => {
      const fd = open('one-call', 'x'.repeat(32));
      const memory = IoBuffer.allocate(32);
      const list = Array.from({ length: 32 }, (_, index) =>
        blockOf(fd, memory.bytes.subarray(index, index + 1), { aio_lio_opcode: LIO_READ, aio_offset: index }),
      );
      lio_listio(LIO_WAIT, list);
      const before = threadRing().ring.statistics();
      lio_listio(LIO_NOWAIT, list);
      const after = threadRing().ring.statistics();
      expect([after.calls - before.calls, after.submitted - before.submitted]).toEqual([1, 32]);
      closeSync(fd);
      const other = open('one-call-other', 'y'.repeat(32));
      expect(other).toBe(fd);
      expect(finishAll(list)).toEqual(list.map(() => [0, 1]));
      expect(Buffer.from(memory.bytes.subarray(0, 32)).toString()).toBe('x'.repeat(32));
      closeSync(other);
    });

    test.skipIf(!isRing)(
      'a list of what waits for each other is handed over one by one, each with a duplicate of the descriptor',
      () => {
        const path = join(folder.path, 'appended-by-list');
        writeFileSync(path, '');
        const pipe = new Pipe();
        const appends = openSync(path, 'a');
        const lists = [Array.from({ length: 8 }, () => pipe.readOf(1, { aio_lio_opcode: LIO_READ })), writesTo(appends, 8)];
        const descriptors = (): number => readdirSync('/proc/self/fd').length;
        for (const list of lists) {
          const [open, { calls, submitted }] = [descriptors(), threadRing().ring.statistics()];
          lio_listio(LIO_NOWAIT, list);
          const after = threadRing().ring.statistics();
          // The first is with the kernel, and the others hold the file until their turn comes.
          expect([after.calls - calls, after.submitted - submitted, descriptors() - open]).toEqual([1, 1, 7]);
          pipe.write('12345678');
          expect(finishAll(list)).toEqual(list.map(() => [0, 1]));
          expect(threadRing().ring.statistics().submitted - submitted).toBe(8);
          expect(threadRing().ring.statistics().calls - calls).toBeGreaterThanOrEqual(8);
          expect(descriptors() - open).toBe(0);
        }
        closeSync(appends);
        pipe.close();
      },
    );

    test('G3: a list on several files and streams at once', () => {
      const [pipe, fd] = [new Pipe(), open('several', 'file')];
      const list = [
        pipe.readOf(6, { aio_lio_opcode: LIO_READ }),
        pipe.writeOf('stream', { aio_lio_opcode: LIO_WRITE }),
        blockOf(fd, Buffer.alloc(4), { aio_lio_opcode: LIO_READ }),
        blockOf(openManual().device, Buffer.alloc(0), { aio_lio_opcode: LIO_NOP }),
      ];
      lio_listio(LIO_WAIT, list);
      expect(list.slice(0, 3).map(aio_return)).toEqual([6, 6, 4]);
      pipe.close();
      closeSync(fd);
    });
  });
}
