import { closeSync, openSync } from 'node:fs';
import {
  aio_cancel,
  aio_error,
  aio_read,
  aio_return,
  aio_suspend,
  aio_suspendAsync,
  aio_waitcomplete,
  aio_waitcompleteAsync,
  aio_write,
  aiocb,
  EINPROGRESS,
  SIGEV_THREAD,
} from '@biodone/posix-aio';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { heldBytes } from '../support/collect.js';
import { failsWith, finish } from '../support/expect.js';
import { type Folder, makeFolder } from '../support/files.js';
import { blockOf, Pipe } from '../support/pipe.js';
import { type Subject, subjectKinds } from '../support/subjects.js';

const ECANCELED = 125;

/** E: aio_suspend, and FreeBSD's aio_waitcomplete. */
export function testSuspend(): void {
  describe('aio_suspend', () => {
    let folder: Folder;
    beforeAll(() => {
      folder = makeFolder();
    });
    afterAll(() => folder.remove());

    for (const kind of subjectKinds) {
      test.skipIf(kind.refusal !== null)(`E1, E7: blocks until one is done, on ${kind.name}`, async () => {
        const subject: Subject = await kind.open(folder.path);
        const cb = blockOf(subject.writer, Buffer.from('suspended'));
        aio_write(cb);
        expect(aio_suspend([cb])).toBeUndefined();
        expect(aio_error(cb)).toBe(0);
        aio_write(cb);
        await aio_suspendAsync([cb]);
        expect(aio_return(cb)).toBe(9);
        await subject.close();
      });
    }

    test('E1: ends with the first of several, whatever they are on', async () => {
      const pipes = [new Pipe(), new Pipe()] as const;
      const mem = await (subjectKinds.find(({ name }) => name.includes('memory')) as (typeof subjectKinds)[number]).open(
        folder.path,
      );
      const list = [pipes[0].readOf(1), null, pipes[1].readOf(1), blockOf(mem.writer, Buffer.from('x'))];
      aio_read(list[0] as aiocb);
      aio_read(list[2] as aiocb);
      aio_write(list[3] as aiocb);
      aio_suspend(list);
      expect(finish(list[3] as aiocb)).toEqual([0, 1]);
      pipes[1].write('y');
      aio_suspend(list.slice(0, 3));
      expect([list[0], list[2]].map((cb) => aio_error(cb as aiocb))).toEqual([EINPROGRESS, 0]);
      expect(aio_cancel(pipes[0].readEnd)).toBe(0);
      for (const pipe of pipes) pipe.close();
      await mem.close();
    });

    test('E2, NB-14: what is done ends it at once, with no time too; that counts for a cancelled one', () => {
      const pipe = new Pipe();
      const [blocked, other] = [pipe.readOf(1), pipe.readOf(1)];
      aio_read(blocked);
      aio_read(other);
      failsWith(() => aio_suspend([blocked, other], 0), 'EAGAIN', 'aio_suspend');
      aio_cancel(pipe.readEnd, other);
      aio_suspend([blocked, null, other], 0);
      expect([aio_error(blocked), aio_error(other)]).toEqual([EINPROGRESS, ECANCELED]);
      pipe.write('x');
      aio_suspend([blocked]);
      aio_suspend([blocked], 0);
      expect(finish(blocked)).toEqual([0, 1]);
      pipe.close();
    });

    test('E3: null entries are ignored; a list of nothing has nothing to wait for', async () => {
      aio_suspend([null, null]);
      aio_suspend([]);
      await aio_suspendAsync([null]);
    });

    test('E4, E5: EAGAIN at the timeout, not before, by the monotonic clock, and the request goes on', async () => {
      const pipe = new Pipe();
      const cb = pipe.readOf(4);
      aio_read(cb);
      for (const timeoutMs of [30, 0.7]) {
        let start = performance.now();
        failsWith(() => aio_suspend([cb], timeoutMs), 'EAGAIN', 'aio_suspend');
        expect(performance.now() - start).toBeGreaterThanOrEqual(timeoutMs);
        start = performance.now();
        await expect(aio_suspendAsync([cb], timeoutMs)).rejects.toMatchObject({ code: 'EAGAIN', syscall: 'aio_suspend' });
        expect(performance.now() - start).toBeGreaterThanOrEqual(timeoutMs);
      }
      expect(aio_error(cb)).toBe(EINPROGRESS);
      pipe.write('data');
      expect(finish(cb)).toEqual([0, 4]);
      pipe.close();
    });

    test('NB-14: one deadline for the whole wait, however often others complete', () => {
      const pipe = new Pipe();
      const cb = pipe.readOf(1);
      aio_read(cb);
      const fd = openSync('/dev/zero', 'r');
      const start = performance.now();
      const busy = Array.from({ length: 4 }, () => blockOf(fd, Buffer.alloc(1)));
      let ends = 0;
      const again = (): void => {
        ends += 1;
        for (const one of busy) {
          if (performance.now() - start > 10_000) return;
          one.aio_sigevent = { sigev_notify: 2, sigev_notify_function: ends > 2000 ? () => {} : again };
          if (aio_error(one) !== EINPROGRESS) aio_read(one);
          return;
        }
      };
      (busy[0] as aiocb).aio_sigevent = { sigev_notify: 2, sigev_notify_function: again };
      aio_read(busy[0] as aiocb);
      failsWith(() => aio_suspend([cb], 40), 'EAGAIN', 'aio_suspend');
      expect(performance.now() - start).toBeLessThan(10_000);
      aio_cancel(pipe.readEnd);
      while (aio_error(busy[0] as aiocb) === EINPROGRESS) aio_suspend([busy[0] as aiocb]);
      pipe.close();
      closeSync(fd);
    });

    test('a bad timeout, and a block that was never submitted, are EINVAL', async () => {
      const pipe = new Pipe();
      const cb = pipe.readOf(1);
      aio_read(cb);
      failsWith(() => aio_suspend([cb], -1), 'EINVAL', 'aio_suspend');
      failsWith(() => aio_suspend([cb], Number.NaN), 'EINVAL', 'aio_suspend');
      expect(failsWith(() => aio_suspend([cb], '5' as never), 'EINVAL', 'aio_suspend')).toContain("'5'");
      failsWith(() => aio_suspend([cb, new aiocb()]), 'EINVAL', 'aio_suspend');
      await expect(aio_suspendAsync([cb], -1)).rejects.toMatchObject({ code: 'EINVAL' });
      aio_cancel(pipe.readEnd);
      pipe.close();
    });

    test('aio_suspendAsync leaves the event loop free, and forgets whom it has waited for', async () => {
      const pipe = new Pipe();
      const cb = pipe.readOf(4);
      aio_read(cb);
      // NB-16: memory for waiters stays in proportion to their number. One that was not forgotten would take some hundred bytes.
      const waitInVain = async (): Promise<void> => {
        const waits = await Promise.allSettled(Array.from({ length: 2000 }, () => aio_suspendAsync([cb], 0)));
        expect(waits.every((wait) => wait.status === 'rejected' && wait.reason.code === 'EAGAIN')).toBe(true);
      };
      await waitInVain();
      const before = heldBytes();
      await waitInVain();
      expect(heldBytes() - before).toBeLessThan(2000 * 50);
      setImmediate(() => pipe.write('data'));
      await Promise.all([aio_suspendAsync([cb]), aio_suspendAsync([cb, null])]);
      expect(aio_return(cb)).toBe(4);
      pipe.close();
    });

    test('aio_waitcomplete takes results in the order of the completions, and blocks for the next', async () => {
      while (aio_waitcomplete(0) !== null);
      expect(await aio_waitcompleteAsync()).toBeNull();
      const pipes = [new Pipe(), new Pipe()] as const;
      const [first, second] = [pipes[0].readOf(1), pipes[1].readOf(2)];
      aio_read(first);
      aio_read(second);
      failsWith(() => aio_waitcomplete(1), 'EAGAIN', 'aio_waitcomplete');
      await expect(aio_waitcompleteAsync(1)).rejects.toMatchObject({ code: 'EAGAIN', syscall: 'aio_waitcomplete' });
      pipes[1].write('22');
      expect(aio_waitcomplete()).toEqual({ aiocb: second, error: 0, result: 2 });
      failsWith(() => aio_return(second), 'EINVAL', 'aio_return');
      aio_cancel(pipes[0].readEnd);
      expect(await aio_waitcompleteAsync()).toEqual({ aiocb: first, error: ECANCELED, result: -1 });
      const third = pipes[0].readOf(1);
      aio_read(third);
      setImmediate(() => pipes[0].write('3'));
      expect((await aio_waitcompleteAsync(60_000))?.aiocb).toBe(third);
      expect(aio_waitcomplete()).toBeNull();
      for (const pipe of pipes) pipe.close();
    });

    test('E4: the time is over also while other requests complete again and again', () => {
      const [blocked, busy] = [new Pipe(), new Pipe()] as const;
      const never = blocked.readOf(1);
      aio_read(never);
      let stop = false;
      const cb = busy.readOf(1, {
        aio_sigevent: {
          sigev_notify: SIGEV_THREAD,
          sigev_notify_function: () => {
            if (stop) return;
            busy.write('x');
            aio_read(cb);
          },
        },
      });
      busy.write('x');
      aio_read(cb);
      failsWith(() => aio_suspend([never], 20), 'EAGAIN', 'aio_suspend');
      stop = true;
      finish(cb);
      aio_cancel(blocked.readEnd);
      for (const pipe of [blocked, busy]) pipe.close();
    });

    test('aio_suspendAsync and aio_waitcompleteAsync: longer than a timer takes, and for ever', async () => {
      // What the library schedules by setImmediate must not be lost with the fake clock.
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
      try {
        while (aio_waitcomplete(0) !== null);
        const pipe = new Pipe();
        const cb = pipe.readOf(1);
        aio_read(cb);
        const ended: string[] = [];
        const long = 2 ** 32;
        for (const timeoutMs of [long, Number.POSITIVE_INFINITY]) {
          const note = (): number => ended.push(`${timeoutMs}`);
          void aio_suspendAsync([cb], timeoutMs).catch(note);
          void aio_waitcompleteAsync(timeoutMs).catch(note);
        }
        await vi.advanceTimersByTimeAsync(long - 1);
        expect(ended).toEqual([]);
        await vi.advanceTimersByTimeAsync(2);
        expect(ended).toEqual([`${long}`, `${long}`]);
        aio_cancel(pipe.readEnd);
        pipe.close();
      } finally {
        vi.useRealTimers();
      }
    });
  });
}
