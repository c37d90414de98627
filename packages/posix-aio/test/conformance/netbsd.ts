import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  _SC_AIO_MAX,
  aio_cancel,
  aio_error,
  aio_fsync,
  aio_read,
  aio_return,
  aio_suspend,
  aio_waitcomplete,
  aio_write,
  aiocb,
  configure,
  EINPROGRESS,
  LIO_READ,
  LIO_WAIT,
  lio_listio,
  O_DSYNC,
  sysconf,
} from '@biodone/posix-aio';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { finish, finishAll } from '../support/expect.js';
import { type Folder, makeFolder } from '../support/files.js';
import { blockOf, Pipe } from '../support/pipe.js';
import { randomFrom, seedOf } from '../support/random.js';

const ECANCELED = 125;

/** A result that nobody has taken; null if there is none. */
function take(): unknown {
  try {
    return aio_waitcomplete(0);
  } catch {
    // Something is in progress, and nothing is done.
    return null;
  }
}

/** The defects of NetBSD's implementation of 2025 that are not shown beside the assertion that they are about. */
export function testNetbsd(): void {
  describe('what NetBSD 1.52 has wrong', () => {
    let folder: Folder;
    beforeAll(() => {
      folder = makeFolder();
    });
    afterAll(() => folder.remove());

    test('NB-1: a request that comes while the last one of its order ends is done, in random schedules', async () => {
      const seed = seedOf();
      const random = randomFrom(seed);
      const pipes = [new Pipe(), new Pipe()] as const;
      const path = join(folder.path, 'appended');
      writeFileSync(path, '');
      const fd = openSync(path, 'a');
      const live = new Set<aiocb>();
      let ends = 0;
      let starts = 0;
      const again = (cb: aiocb): void => {
        live.delete(cb);
        ends += 1;
        // Whatever is left of the order: the next one comes right at its end, or a little later.
        if (starts < 2000 && random() < 0.9) start();
      };
      const start = (): void => {
        starts += 1;
        const kind = Math.floor(random() * 3);
        const cb = kind === 0 ? pipes[0].readOf(1) : kind === 1 ? pipes[1].writeOf('x') : blockOf(fd, Buffer.from('x'));
        cb.aio_sigevent = { sigev_notify: 2, sigev_notify_function: () => again(cb) };
        live.add(cb);
        if (kind === 0) {
          pipes[0].write('y');
          aio_read(cb);
        } else {
          aio_write(cb);
        }
      };
      while (starts < 2000) {
        start();
        const turn = random();
        if (turn < 0.3) await new Promise((resolve) => setImmediate(resolve));
        else if (turn < 0.6 && live.size > 0) aio_suspend([...live]);
      }
      while (live.size > 0) aio_suspend([...live]);
      expect({ seed, ends }).toEqual({ seed, ends: starts });
      closeSync(fd);
      for (const pipe of pipes) pipe.close();
    });

    test('NB-2: submitting, cancelling and closing, in any order, never hang', async () => {
      const random = randomFrom(seedOf());
      for (let round = 0; round < 200; round++) {
        const pipe = new Pipe();
        const path = join(folder.path, 'races');
        writeFileSync(path, 'content');
        const fd = openSync(path, 'r+');
        const sync = Object.assign(new aiocb(), { aio_fildes: fd });
        const list = [pipe.readOf(1), pipe.readOf(1), blockOf(fd, Buffer.alloc(4)), blockOf(fd, Buffer.from('x'))];
        const steps = [
          () => aio_read(list[0] as aiocb),
          () => aio_read(list[1] as aiocb),
          () => aio_read(list[2] as aiocb),
          () => aio_write(list[3] as aiocb),
          () => aio_fsync(O_DSYNC, sync),
          () => aio_cancel(pipe.readEnd),
          () => aio_cancel(fd),
        ].sort(() => random() - 0.5);
        for (const step of steps) step();
        closeSync(fd);
        aio_cancel(pipe.readEnd);
        pipe.close();
        for (const [error] of finishAll([...list, sync])) expect([0, ECANCELED]).toContain(error);
      }
    });

    test('NB-13: far more requests than AIO_MAX, one after the other', () => {
      const before = sysconf(_SC_AIO_MAX);
      configure({ AIO_MAX: 4 });
      const path = join(folder.path, 'many');
      writeFileSync(path, 'content');
      const fd = openSync(path, 'r+');
      const list = Array.from({ length: 4 }, (_, index) =>
        blockOf(fd, Buffer.alloc(1), { aio_lio_opcode: LIO_READ, aio_offset: index }),
      );
      for (let round = 0; round < 500; round++) {
        for (const cb of list) aio_write(cb);
        expect(finishAll(list)).toEqual(list.map(() => [0, 1]));
        lio_listio(LIO_WAIT, list);
        // Reaped now and then only.
        if (round % 2 === 0) for (const cb of list) aio_return(cb);
      }
      configure({ AIO_MAX: before });
      closeSync(fd);
    });

    test('NB-16: results that nobody takes, and waits that end without one, leave nothing behind', () => {
      const pipe = new Pipe();
      const blocked = pipe.readOf(1);
      aio_read(blocked);
      const before = sysconf(_SC_AIO_MAX);
      configure({ AIO_MAX: 8 });
      for (let round = 0; round < 100; round++) {
        const cb = blockOf(-1, Buffer.alloc(1));
        aio_read(cb);
        expect(() => aio_suspend([blocked], 0)).toThrow(expect.objectContaining({ code: 'EAGAIN' }));
        // The block keeps its own result.
        expect(aio_error(cb)).toBe(9);
      }
      let kept = 0;
      while (take() !== null) kept += 1;
      expect(kept).toBe(8);
      configure({ AIO_MAX: before });
      expect(aio_error(blocked)).toBe(EINPROGRESS);
      pipe.write('x');
      expect(finish(blocked)).toEqual([0, 1]);
      pipe.close();
    });
  });
}
