import { AioServicePool } from '@biodone/aio';
import {
  aio_cancel,
  aio_error,
  aio_read,
  aio_suspend,
  type aiocb,
  EINPROGRESS,
  SIGEV_THREAD,
  type sigevent,
} from '@biodone/posix-aio';
import { hasEventFd, libc } from '@biodone/uring';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { failsWith, finish } from '../support/expect.js';
import { openGated } from '../support/gated-driver.mjs';
import { blockOf, Pipe } from '../support/pipe.js';

if (!hasEventFd()) console.warn('waits for requests of several engines are not tested: there is no eventfd');

const EINTR = 4;
/** Longer than any sleep of a wait that misses nothing. */
const LONG_MS = 20_000;

/** Two requests in progress: a read of an empty pipe, and one that a service thread of a pool blocks in. */
interface Stage {
  readonly pipe: Pipe;
  readonly ofPipe: aiocb;
  readonly ofPool: aiocb;
  openGate(): void;
  close(): Promise<void>;
}

function stage(aio_sigevent: sigevent | null = null): Stage {
  const pipe = new Pipe();
  const ofPipe = pipe.readOf(1);
  const { device, awaitComing, openGate } = openGated();
  const modules = [new URL('../support/gated-driver.mjs', import.meta.url).href];
  const pool = new AioServicePool(device, { service: 'threads', threads: 1, modules });
  const ofPool = blockOf(pool, Buffer.alloc(1), aio_sigevent === null ? {} : { aio_sigevent });
  aio_read(ofPipe);
  aio_read(ofPool);
  pool.poll();
  awaitComing();
  // All that was handed over has been taken, and nobody is nudged any more.
  for (const cb of [ofPipe, ofPool]) failsWith(() => aio_suspend([cb], 20), 'EAGAIN', 'aio_suspend');
  return {
    pipe,
    ofPipe,
    ofPool,
    openGate,
    close: async () => {
      openGate();
      aio_cancel(pipe.readEnd);
      finish(ofPool);
      pipe.close();
      await pool.close();
      await device.close();
    },
  };
}

/** E6, for a wait that no single request, thread or ring ends: it is as few system calls as possible, since a signal between two of them ends none. */
export function testSeveralEngines(): void {
  describe.skipIf(!hasEventFd())('a wait for requests of several engines', () => {
    afterEach(() => vi.restoreAllMocks());

    test.each(['a pipe', 'a service thread'])('E6: is one system call, which the first completion ends: by %s', async (by) => {
      const made = stage();
      const { poll } = libc();
      const calls: { doors: number; ended: number }[] = [];
      vi.spyOn(libc(), 'poll').mockImplementation((address, doors) => {
        if (calls.length === 0) by === 'a pipe' ? made.pipe.write('x') : made.openGate();
        calls.push({ doors, ended: poll(address, doors, LONG_MS) });
        return calls.at(-1)?.ended as number;
      });
      aio_suspend([made.ofPipe, made.ofPool]);
      vi.restoreAllMocks();
      expect(calls).toEqual([{ doors: expect.toSatisfy((doors) => doors > 1), ended: 1 }]);
      const expected = by === 'a pipe' ? [0, EINPROGRESS] : [EINPROGRESS, 0];
      expect([aio_error(made.ofPipe), aio_error(made.ofPool)]).toEqual(expected);
      await made.close();
    });

    test('the same for one of them, while another one has something to tell, at once', async () => {
      const made = stage({ sigev_notify: SIGEV_THREAD, sigev_notify_function: () => made.pipe.write('x') });
      const { poll } = libc();
      const ended: number[] = [];
      vi.spyOn(libc(), 'poll').mockImplementation((address, doors) => {
        if (ended.length === 0) made.openGate();
        ended.push(poll(address, doors, LONG_MS));
        return ended.at(-1) as number;
      });
      aio_suspend([made.ofPipe]);
      vi.restoreAllMocks();
      expect(ended).not.toContain(0);
      expect([aio_error(made.ofPipe), aio_error(made.ofPool)]).toEqual([0, 0]);
      await made.close();
    });

    test('E6: EINTR when a signal ends that', async () => {
      const made = stage();
      const poll = vi.spyOn(libc(), 'poll').mockReturnValue(-1);
      vi.spyOn(libc(), 'errno').mockReturnValue(EINTR);
      failsWith(() => aio_suspend([made.ofPipe, made.ofPool]), 'EINTR', 'aio_suspend');
      expect(poll).toHaveBeenCalledTimes(1);
      vi.restoreAllMocks();
      await made.close();
    });

    test('looks by itself what has come ever more seldom, and not longer than it was told', async () => {
      const made = stage();
      const sleptMs: number[] = [];
      let nowMs = 0;
      vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
      vi.spyOn(libc(), 'poll').mockImplementation((_address, _count, ms) => {
        sleptMs.push(ms);
        nowMs += ms;
        return 0;
      });
      failsWith(() => aio_suspend([made.ofPipe, made.ofPool], 5000), 'EAGAIN', 'aio_suspend');
      vi.restoreAllMocks();
      expect(sleptMs).toEqual([50, 100, 200, 400, 800, 1600, 1600, 250]);
      await made.close();
    });
  });
}
