import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  AIO_ALLDONE,
  AIO_CANCELED,
  AIO_NOTCANCELED,
  aio_cancel,
  aio_error,
  aio_fsync,
  aio_read,
  aio_return,
  aio_suspend,
  aio_write,
  aiocb,
  EINPROGRESS,
  O_SYNC,
} from '@biodone/posix-aio';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failsWith, finish, finishAll, until } from '../support/expect.js';
import { type Folder, makeFolder } from '../support/files.js';
import { openManual } from '../support/manual-device.js';
import { blockOf, Pipe } from '../support/pipe.js';
import { type Subject, subjectKinds } from '../support/subjects.js';

const ECANCELED = 125;

/** F: aio_cancel. */
export function testCancel(): void {
  describe('aio_cancel', () => {
    let folder: Folder;
    beforeAll(() => {
      folder = makeFolder();
    });
    afterAll(() => folder.remove());

    for (const kind of subjectKinds.filter(({ isStream }) => isStream)) {
      test.skipIf(kind.refusal !== null)(`F1, F2, F4, NB-4: cancels one, and all, of what waits on ${kind.name}`, async () => {
        const subject: Subject = await kind.open(folder.path);
        const told: number[] = [];
        const list = Array.from({ length: 8 }, (_, index) =>
          blockOf(subject.reader, Buffer.alloc(1), {
            aio_sigevent: { sigev_notify: 2, sigev_value: index, sigev_notify_function: (value) => told.push(value as number) },
          }),
        );
        for (const cb of list) aio_read(cb);
        // One that waits for its turn, and the one that waits in the kernel.
        for (const index of [3, 0]) {
          const cb = list[index] as aiocb;
          expect(aio_cancel(subject.reader, cb)).toBe(AIO_CANCELED);
          expect([aio_error(cb), aio_return(cb)]).toEqual([ECANCELED, -1]);
          expect(aio_cancel(subject.reader, cb)).toBe(AIO_ALLDONE);
        }
        // Not inside the call.
        expect(told).toEqual([]);
        const left = list.filter((_, index) => index !== 0 && index !== 3);
        expect(left.map(aio_error)).toEqual(left.map(() => EINPROGRESS));
        // The turn of the next one has come.
        subject.feed(Buffer.from('x'));
        expect(finish(left[0] as aiocb)).toEqual([0, 1]);
        expect(aio_cancel(subject.reader)).toBe(AIO_CANCELED);
        expect(finishAll(left.slice(1))).toEqual(left.slice(1).map(() => [ECANCELED, -1]));
        // Each tells of its end once, the cancelled ones too.
        await until(() => told.length >= 8);
        expect([...told].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
        // The blocks can be used again.
        aio_read(list[0] as aiocb);
        subject.feed(Buffer.from('y'));
        expect(finish(list[0] as aiocb)).toEqual([0, 1]);
        await subject.close();
      });
    }

    for (const kind of subjectKinds) {
      test.skipIf(kind.refusal !== null)(`F4: all that has completed is AIO_ALLDONE, on ${kind.name}`, async () => {
        const subject: Subject = await kind.open(folder.path);
        expect(aio_cancel(subject.writer)).toBe(AIO_ALLDONE);
        const cb = blockOf(subject.writer, Buffer.from('done'));
        aio_write(cb);
        aio_suspend([cb]);
        expect(aio_cancel(subject.writer, cb)).toBe(AIO_ALLDONE);
        expect(aio_cancel(subject.writer)).toBe(AIO_ALLDONE);
        expect([aio_error(cb), aio_return(cb)]).toEqual([0, 4]);
        await subject.close();
      });
    }

    test('F3, NB-15: what runs goes on: AIO_NOTCANCELED by block and by descriptor, and it completes as if nothing had been', () => {
      const { device, complete } = openManual();
      const cb = blockOf(device, Buffer.alloc(8));
      const members = { ...cb };
      aio_write(cb);
      expect(aio_cancel(device, cb)).toBe(AIO_NOTCANCELED);
      expect(aio_cancel(device)).toBe(AIO_NOTCANCELED);
      expect(aio_error(cb)).toBe(EINPROGRESS);
      expect({ ...cb }).toEqual(members);
      complete();
      expect([aio_error(cb), aio_return(cb)]).toEqual([0, 8]);
    });

    test('F4: some cancelled and one that goes on are AIO_NOTCANCELED', () => {
      const { device, complete } = openManual();
      const write = blockOf(device, Buffer.alloc(8));
      const sync = Object.assign(new aiocb(), { aio_fildes: device });
      aio_write(write);
      aio_fsync(O_SYNC, sync);
      expect(aio_cancel(device)).toBe(AIO_NOTCANCELED);
      expect([aio_error(write), aio_error(sync)]).toEqual([EINPROGRESS, ECANCELED]);
      complete();
      expect(finishAll([write, sync])).toEqual([
        [0, 8],
        [ECANCELED, -1],
      ]);
    });

    test('F2: what a driver can end is cancelled too', () => {
      const { device } = openManual(true);
      const cb = blockOf(device, Buffer.alloc(8));
      aio_write(cb);
      expect(aio_cancel(device, cb)).toBe(AIO_CANCELED);
      expect([aio_error(cb), aio_return(cb)]).toEqual([ECANCELED, -1]);
    });

    test('F7, short_write_cancel: a write that has written a part ends with that', () => {
      const pipe = new Pipe();
      const cb = pipe.writeOf(Buffer.alloc(2 ** 20, 1));
      aio_write(cb);
      // A part of it is there: this would block otherwise.
      pipe.read(1);
      const behind = pipe.writeOf('behind');
      aio_write(behind);
      expect(aio_cancel(pipe.writeEnd)).toBe(AIO_NOTCANCELED);
      const [error, count] = finish(cb);
      expect(error).toBe(0);
      expect(count).toBeGreaterThan(0);
      expect(count).toBeLessThan(2 ** 20);
      expect(finish(behind)).toEqual([ECANCELED, -1]);
      pipe.close();
    });

    test('cancel_active_write: whatever the verdict on file I/O is, it agrees with what becomes of it', () => {
      const path = join(folder.path, 'active');
      writeFileSync(path, '');
      const fd = openSync(path, 'r+');
      for (let round = 0; round < 50; round++) {
        const list = Array.from({ length: 8 }, (_, index) =>
          blockOf(fd, Buffer.alloc(65_536, 1), { aio_offset: index * 65_536 }),
        );
        for (const cb of list) aio_write(cb);
        const cb = list[round % 8] as aiocb;
        const verdict = aio_cancel(fd, cb);
        if (verdict === AIO_CANCELED) expect(aio_error(cb)).toBe(ECANCELED);
        else if (verdict === AIO_ALLDONE) expect(aio_error(cb)).toBe(0);
        const ends = finishAll(list);
        expect(ends.every(([error, result]) => (error === 0 ? result === 65_536 : error === ECANCELED && result === -1))).toBe(
          true,
        );
        if (verdict === AIO_NOTCANCELED) expect([0, ECANCELED]).toContain(ends[round % 8]?.[0]);
      }
      closeSync(fd);
    });

    test('F5: a bad descriptor is EBADF; F6: a block of another descriptor is EINVAL', () => {
      failsWith(() => aio_cancel(-1), 'EBADF', 'aio_cancel');
      failsWith(() => aio_cancel(99_999), 'EBADF', 'aio_cancel');
      const pipes = [new Pipe(), new Pipe()] as const;
      const cb = pipes[0].readOf(1);
      aio_read(cb);
      failsWith(() => aio_cancel(pipes[1].readEnd, cb), 'EINVAL', 'aio_cancel');
      failsWith(() => aio_cancel(pipes[0].readEnd, new aiocb()), 'EINVAL', 'aio_cancel');
      expect(aio_error(cb)).toBe(EINPROGRESS);
      expect(aio_cancel(pipes[0].readEnd, cb)).toBe(AIO_CANCELED);
      for (const pipe of pipes) pipe.close();
    });

    test('F1: requests on another file that had the same number are not meant', () => {
      const pipe = new Pipe();
      const cb = pipe.readOf(4);
      aio_read(cb);
      const number = pipe.readEnd;
      pipe.closeReadEnd();
      const fd = openSync('/dev/null', 'r');
      expect(fd).toBe(number);
      expect(aio_cancel(fd)).toBe(AIO_ALLDONE);
      expect(aio_error(cb)).toBe(EINPROGRESS);
      // H1: it goes on as if the descriptor had not been closed.
      pipe.write('data');
      expect(finish(cb)).toEqual([0, 4]);
      closeSync(fd);
      pipe.close();
    });

    test('NB-3: cancelling a single request returns, also from a notification and again and again', async () => {
      const pipe = new Pipe();
      const list = Array.from({ length: 100 }, () => pipe.readOf(1));
      for (const cb of list) aio_read(cb);
      let next = 99;
      const verdicts: number[] = [];
      const one = (): void => {
        const cb = list[next] as aiocb;
        next -= 1;
        verdicts.push(aio_cancel(pipe.readEnd, cb));
      };
      (list[99] as aiocb).aio_sigevent = { sigev_notify: 2, sigev_notify_function: one };
      while (next >= 0) one();
      expect(verdicts).toEqual(list.map(() => AIO_CANCELED));
      expect(finishAll(list)).toEqual(list.map(() => [ECANCELED, -1]));
      pipe.close();
    });
  });
}
