import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openMem } from '@biodone/blockdev';
import {
  aio_error,
  aio_fsync,
  aio_read,
  aio_return,
  aio_suspend,
  aio_write,
  aiocb,
  EINPROGRESS,
  O_DSYNC,
  O_SYNC,
} from '@biodone/posix-aio';
import { libc } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failsWith, finish, finishAll } from '../support/expect.js';
import { type Folder, makeFolder } from '../support/files.js';
import { type FullDevice, makeFullDevice } from '../support/full-device.js';
import { openManual } from '../support/manual-device.js';
import { blockOf, Pipe } from '../support/pipe.js';
import { type Subject, subjectKinds } from '../support/subjects.js';

const EIO = 5;
const EFBIG = 27;

/** C: aio_fsync. */
export function testFsync(): void {
  describe('aio_fsync', () => {
    let folder: Folder;
    beforeAll(() => {
      folder = makeFolder();
    });
    afterAll(() => folder.remove());
    const open = (name: string, flags = 'r+'): number => {
      writeFileSync(join(folder.path, name), 'content');
      return openSync(join(folder.path, name), flags);
    };
    const syncOf = (fildes: aiocb['aio_fildes'], members: Partial<aiocb> = {}): aiocb =>
      Object.assign(new aiocb(), { aio_fildes: fildes }, members);

    for (const kind of subjectKinds.filter(({ isStream }) => !isStream)) {
      test.skipIf(kind.refusal !== null)(`C2: works with O_SYNC and O_DSYNC, after writes, on ${kind.name}`, async () => {
        const subject: Subject = await kind.open(folder.path);
        for (const op of [O_SYNC, O_DSYNC]) {
          const writes = Array.from({ length: 16 }, (_, index) =>
            blockOf(subject.writer, Buffer.alloc(512, index), { aio_offset: index * 512 }),
          );
          for (const cb of writes) aio_write(cb);
          const sync = syncOf(subject.writer);
          aio_fsync(op, sync);
          while (aio_error(sync) === EINPROGRESS) aio_suspend([sync]);
          // FreeBSD's test: the fsync completes last.
          expect(writes.map(aio_error)).toEqual(writes.map(() => 0));
          expect([aio_error(sync), aio_return(sync)]).toEqual([0, 0]);
        }
        await subject.close();
      });
    }

    test('NB-7: an aio_fsync by itself starts and completes', () => {
      const fd = open('alone');
      const sync = syncOf(fd);
      aio_fsync(O_SYNC, sync);
      expect(finish(sync)).toEqual([0, 0]);
      closeSync(fd);
    });

    test('NB-8: O_DSYNC is an operation', () => {
      const fd = open('dsync');
      const sync = syncOf(fd);
      aio_fsync(O_DSYNC, sync);
      expect(finish(sync)).toEqual([0, 0]);
      closeSync(fd);
    });

    test('C1: covers what was queued before, and not what is queued later', () => {
      const { device, started, complete } = openManual();
      const before = blockOf(device, Buffer.alloc(8));
      aio_write(before);
      const sync = syncOf(device);
      aio_fsync(O_SYNC, sync);
      const later = blockOf(device, Buffer.alloc(8));
      aio_write(later);
      expect(started.map(({ operation }) => operation)).toEqual([1, 1]);
      complete();
      // The later one is still with the device, and the flush has started.
      expect(started.map(({ operation }) => operation)).toEqual([1, 2]);
      complete(started[1]);
      expect(finish(sync)).toEqual([0, 0]);
      expect(aio_error(later)).toBe(EINPROGRESS);
      complete();
      expect(finishAll([before, later])).toEqual([
        [0, 8],
        [0, 8],
      ]);
    });

    test('NB-9, C1: waits for writes through every descriptor of the same file', () => {
      const path = join(folder.path, 'shared');
      writeFileSync(path, '');
      const fds = Array.from({ length: 4 }, () => openSync(path, 'r+'));
      for (let round = 0; round < 20; round++) {
        const writes = fds.flatMap((fd, file) =>
          Array.from({ length: 8 }, (_, index) => blockOf(fd, Buffer.alloc(4096), { aio_offset: (file * 8 + index) * 4096 })),
        );
        for (const cb of writes) aio_write(cb);
        const other = openSync(path, 'r');
        const sync = syncOf(other);
        aio_fsync(O_DSYNC, sync);
        closeSync(other);
        while (aio_error(sync) === EINPROGRESS) aio_suspend([sync]);
        expect(writes.map(aio_error)).toEqual(writes.map(() => 0));
        expect(finish(sync)).toEqual([0, 0]);
      }
      for (const fd of fds) closeSync(fd);
    });

    test('C3: EINPROGRESS while queued; D: not to be taken before', () => {
      const { device, complete } = openManual();
      const sync = syncOf(device);
      aio_fsync(O_SYNC, sync);
      expect(aio_error(sync)).toBe(EINPROGRESS);
      failsWith(() => aio_return(sync), 'EINVAL', 'aio_return');
      complete();
      expect(finish(sync)).toEqual([0, 0]);
    });

    test('C4: uses nothing but aio_fildes and aio_sigevent', () => {
      const fd = open('members');
      const sync = syncOf(fd, { aio_nbytes: -1, aio_buf: null, aio_reqprio: -1, aio_offset: -1, aio_lio_opcode: -1 });
      aio_fsync(O_SYNC, sync);
      expect(finish(sync)).toEqual([0, 0]);
      closeSync(fd);
    });

    test('C5: a bad descriptor is EBADF at once; another op, and what cannot be synchronized, EINVAL', () => {
      failsWith(() => aio_fsync(O_SYNC, syncOf(-1)), 'EBADF', 'aio_fsync');
      failsWith(() => aio_fsync(O_SYNC, syncOf(99_999)), 'EBADF', 'aio_fsync');
      const fd = open('op');
      for (const op of [-1, 0, 1]) expect(failsWith(() => aio_fsync(op, syncOf(fd)), 'EINVAL', 'aio_fsync')).toContain('O_DSYNC');
      closeSync(fd);
      const pipe = new Pipe();
      failsWith(() => aio_fsync(O_SYNC, syncOf(pipe.writeEnd)), 'EINVAL', 'aio_fsync');
      pipe.close();
    });

    test('C6: fails with the errno of the first covered operation that fails', async () => {
      const { device, started, complete } = openManual();
      const writes = [blockOf(device, Buffer.alloc(8)), blockOf(device, Buffer.alloc(8))];
      for (const cb of writes) aio_write(cb);
      const sync = syncOf(device);
      aio_fsync(O_SYNC, sync);
      complete(started[1], 28);
      complete(started[0], EIO);
      complete();
      expect(finish(sync)).toEqual([EIO, -1]);
      expect(finishAll(writes)).toEqual([
        [EIO, -1],
        [28, -1],
      ]);
    });

    test('C6: also on a descriptor', () => {
      const fd = open('failing');
      const write = blockOf(fd, Buffer.from('x'), { aio_offset: -0 + 2 ** 52 });
      aio_write(write);
      const sync = syncOf(fd);
      aio_fsync(O_SYNC, sync);
      const error = finish(sync)[0];
      // A file system that takes so large a file has nothing to complain of.
      expect(finish(write)[0]).toBe(error);
      expect([0, EFBIG]).toContain(error);
      closeSync(fd);
    });

    test('C7: the descriptor need not be writable', () => {
      const fd = open('read-only', 'r');
      const sync = syncOf(fd);
      aio_fsync(O_SYNC, sync);
      expect(finish(sync)).toEqual([0, 0]);
      closeSync(fd);
    });

    test('a failed flush poisons the file: later ones fail too, reads and writes do not', async () => {
      const { device, complete } = openManual();
      const sync = syncOf(device);
      aio_fsync(O_SYNC, sync);
      complete(undefined, EIO);
      expect(finish(sync)).toEqual([EIO, -1]);
      aio_fsync(O_SYNC, sync);
      expect(finish(sync)).toEqual([EIO, -1]);
      const memory = openMem(4096);
      const cb = blockOf(memory, Buffer.alloc(4));
      aio_read(cb);
      expect(finish(cb)).toEqual([0, 4]);
    });

    test('C6: a failed flush poisons the open file, and its duplicates; one that is opened then knows nothing of it', (context) => {
      let device: FullDevice;
      try {
        device = makeFullDevice(folder.path);
      } catch (error) {
        return context.skip(`no device whose writes fail: ${(error as Error).message}`);
      }
      const fd = openSync(device.path, 'r+');
      const [write, sync] = [blockOf(fd, Buffer.alloc(device.sizeBytes, 'x')), syncOf(fd)];
      aio_write(write);
      aio_fsync(O_SYNC, sync);
      expect(finishAll([write, sync])).toEqual([
        [0, device.sizeBytes],
        [EIO, -1],
      ]);
      const duplicate = openSync('/dev/null', 'r');
      libc().dup3(fd, duplicate, 0);
      device.repair();
      for (const through of [fd, duplicate, fd]) {
        const again = syncOf(through);
        aio_fsync(O_DSYNC, again);
        expect(finish(again)).toEqual([EIO, -1]);
      }
      const opened = openSync(device.path, 'r+');
      // What is queued through the other one is covered all the same.
      const list = [blockOf(fd, Buffer.from('y')), syncOf(opened)] as const;
      aio_write(list[0]);
      aio_fsync(O_SYNC, list[1]);
      expect(finishAll(list)).toEqual([
        [0, 1],
        [0, 0],
      ]);
      aio_fsync(O_SYNC, sync);
      expect(finish(sync)).toEqual([EIO, -1]);
      for (const one of [fd, duplicate]) closeSync(one);
      // Under the same number.
      const reopened = openSync(device.path, 'r+');
      expect(reopened).toBe(Math.min(fd, duplicate));
      const after = syncOf(reopened);
      aio_fsync(O_SYNC, after);
      expect(finish(after)).toEqual([0, 0]);
      for (const one of [opened, reopened]) closeSync(one);
      device.remove();
    });
  });
}
