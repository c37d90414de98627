import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import {
  AioEvents,
  aio_cancel,
  aio_error,
  aio_fsync,
  aio_read,
  aio_return,
  aio_suspend,
  aio_waitcomplete,
  aiocb,
  EINPROGRESS,
  LIO_NOWAIT,
  LIO_READ,
  lio_listio,
  O_SYNC,
  SIGEV_KEVENT,
  SIGEV_NONE,
  SIGEV_SIGNAL,
  SIGEV_THREAD,
  type sigevent,
} from '@biodone/posix-aio';
import { describe, expect, test } from 'vitest';
import { failsWith, finish, until } from '../support/expect.js';
import { blockOf, Pipe } from '../support/pipe.js';
import { sendSignals } from '../support/signal-sender.js';

const { SIGUSR2 } = constants.signals;

/** A3: how completions are told. What comes with a signal is shown by strace, in process.test.ts. */
export function testNotifications(): void {
  describe('sigevent', () => {
    test('A3: SIGEV_NONE tells nothing, and is what a new block has', () => {
      expect(new aiocb().aio_sigevent).toEqual({ sigev_notify: SIGEV_NONE });
      const pipe = new Pipe();
      const cb = pipe.readOf(1, { aio_sigevent: null as unknown as sigevent });
      pipe.write('x');
      aio_read(cb);
      expect(finish(cb)).toEqual([0, 1]);
      pipe.close();
    });

    test('A3: SIGEV_THREAD calls the function with the value, on the event loop, when the state is final', async () => {
      const pipe = new Pipe();
      const told: unknown[] = [];
      const cb = pipe.readOf(4);
      const value = { any: 'thing' };
      cb.aio_sigevent = {
        sigev_notify: SIGEV_THREAD,
        sigev_value: value,
        sigev_notify_attributes: null,
        sigev_notify_function: (given) => told.push(given, aio_error(cb), aio_return(cb)),
      };
      aio_read(cb);
      pipe.write('data');
      expect(told).toEqual([]);
      await until(() => told.length > 0);
      expect(told).toEqual([value, 0, 4]);
      pipe.close();
    });

    test('A3: SIGEV_THREAD calls it on the waiting thread if that blocks, and before the call returns', () => {
      const pipe = new Pipe();
      const told: string[] = [];
      const notification = { sigev_notify: SIGEV_THREAD, sigev_notify_function: () => told.push('called') };
      const cb = pipe.readOf(4, { aio_sigevent: notification });
      aio_read(cb);
      pipe.write('data');
      aio_suspend([cb]);
      told.push('returned');
      expect(told).toEqual(['called', 'returned']);
      pipe.close();
    });

    test('A3: a thread that never returns to its event loop is told by aio_suspend and aio_waitcomplete, also of what was done before', () => {
      const pipe = new Pipe();
      for (const wait of [(cb: aiocb) => aio_suspend([cb]), () => void aio_waitcomplete()]) {
        while (aio_waitcomplete(0) !== null);
        let told = 0;
        const cb = pipe.readOf(1, { aio_sigevent: { sigev_notify: SIGEV_THREAD, sigev_notify_function: () => (told += 1) } });
        pipe.write('x');
        aio_read(cb);
        while (aio_error(cb) === EINPROGRESS);
        expect(told).toBe(0);
        wait(cb);
        expect(told).toBe(1);
      }
      pipe.close();
    });

    test('a notification is never given inside the call that submits, also if all is done there', async () => {
      const fd = openSync(process.execPath, 'r');
      const told: string[] = [];
      const notification = { sigev_notify: SIGEV_THREAD, sigev_notify_function: () => told.push('called') };
      aio_read(blockOf(fd, Buffer.alloc(4), { aio_sigevent: notification }));
      aio_read(blockOf(-1, Buffer.alloc(4), { aio_sigevent: notification }));
      aio_fsync(O_SYNC, Object.assign(new aiocb(), { aio_fildes: fd, aio_sigevent: notification }));
      told.push('returned');
      await until(() => told.length === 4);
      expect(told[0]).toBe('returned');
      closeSync(fd);
    });

    test('A3: SIGEV_SIGNAL sends a signal to the process, one for each request, the cancelled too', async () => {
      const pipe = new Pipe();
      let signals = 0;
      const count = (): void => {
        signals += 1;
      };
      process.on('SIGUSR2', count);
      const cb = pipe.readOf(4, { aio_sigevent: { sigev_notify: SIGEV_SIGNAL, sigev_signo: SIGUSR2, sigev_value: 42 } });
      aio_read(cb);
      pipe.write('data');
      await until(() => signals === 1);
      expect(finish(cb)).toEqual([0, 4]);
      aio_read(cb);
      aio_cancel(pipe.readEnd);
      await until(() => signals === 2);
      lio_listio(LIO_NOWAIT, [blockOf(-1, Buffer.alloc(1), { aio_lio_opcode: LIO_READ })], {
        sigev_notify: SIGEV_SIGNAL,
        sigev_signo: SIGUSR2,
        sigev_value: 2n ** 63n,
      });
      await until(() => signals === 3);
      process.off('SIGUSR2', count);
      pipe.close();
    });

    test('E6: a signal ends aio_suspend with EINTR, also that of another request’s completion; the request goes on', () => {
      const ignore = (): void => {};
      process.on('SIGUSR2', ignore);
      const pipes = [new Pipe(), new Pipe()] as const;
      const blocked = pipes[0].readOf(1);
      aio_read(blocked);
      const own = pipes[1].readOf(1, { aio_sigevent: { sigev_notify: SIGEV_SIGNAL, sigev_signo: SIGUSR2 } });
      aio_read(own);
      pipes[1].write('x');
      expect(failsWith(() => aio_suspend([blocked]), 'EINTR', 'aio_suspend')).toContain('signal');
      expect(finish(own)).toEqual([0, 1]);
      // A process of its own sends it while this one blocks.
      const stopSending = sendSignals();
      failsWith(() => aio_suspend([blocked]), 'EINTR', 'aio_suspend');
      stopSending();
      // The awaited one’s own signal comes with its end, which is a success.
      expect(aio_cancel(pipes[0].readEnd)).toBe(0);
      blocked.aio_sigevent = { sigev_notify: SIGEV_SIGNAL, sigev_signo: SIGUSR2 };
      aio_read(blocked);
      pipes[0].write('y');
      aio_suspend([blocked]);
      expect(finish(blocked)).toEqual([0, 1]);
      process.off('SIGUSR2', ignore);
      for (const pipe of pipes) pipe.close();
    });

    test('SIGEV_KEVENT: events of an EventTarget, and in an async loop', async () => {
      const events = new AioEvents();
      const seen: unknown[] = [];
      events.addEventListener('completion', (event) => seen.push((event as unknown as { value: unknown }).value));
      const pipe = new Pipe();
      const list = ['a', 'b', 'c'].map((value) =>
        pipe.readOf(1, { aio_lio_opcode: LIO_READ, aio_sigevent: events.notification(value) }),
      );
      expect(list[0]?.aio_sigevent.sigev_notify).toBe(SIGEV_KEVENT);
      lio_listio(LIO_NOWAIT, list, events.notification('list'));
      pipe.write('123');
      const looped: unknown[] = [];
      for await (const { aiocb: cb, value } of events) {
        looped.push(value);
        if (cb === null) break;
        expect(finish(cb)).toEqual([0, 1]);
      }
      expect(looped).toEqual(['a', 'b', 'c', 'list']);
      expect(seen).toEqual(looped);
      pipe.close();
    });

    test('a loop over AioEvents that has ended stays ended, and what it waits for is settled', async () => {
      const pipe = new Pipe();
      const events = new AioEvents();
      const iterator = events[Symbol.asyncIterator]();
      const waiting = iterator.next();
      await iterator.return?.();
      await iterator.return?.();
      expect([await waiting, await iterator.next()]).toEqual([
        { done: true, value: undefined },
        { done: true, value: undefined },
      ]);
      const next = events[Symbol.asyncIterator]();
      const cb = pipe.readOf(1, { aio_sigevent: events.notification('told') });
      aio_read(cb);
      pipe.write('x');
      aio_suspend([cb]);
      expect((await next.next()).value.value).toBe('told');
      pipe.close();
    });

    test('what is wrong with a sigevent is told by its member, and nothing is queued', () => {
      const wrong: [string, string, sigevent][] = [
        ['EINVAL', 'sigev_notify', { sigev_notify: 9 }],
        ['EINVAL', 'the sigevent is 1', SIGEV_NONE as unknown as sigevent],
        ['EINVAL', "sigev_signo is 'SIGUSR2'", { sigev_notify: SIGEV_SIGNAL, sigev_signo: 'SIGUSR2' as unknown as number }],
        ['EINVAL', 'sigev_signo', { sigev_notify: SIGEV_SIGNAL }],
        ['EINVAL', 'sigev_signo', { sigev_notify: SIGEV_SIGNAL, sigev_signo: 65 }],
        ['EINVAL', 'sigev_value', { sigev_notify: SIGEV_SIGNAL, sigev_signo: SIGUSR2, sigev_value: 'text' }],
        ['EINVAL', 'sigev_notify_function', { sigev_notify: SIGEV_THREAD }],
        ['EINVAL', 'sigev_notify_kqueue', { sigev_notify: SIGEV_KEVENT }],
        ['ENOTSUP', 'real-time', { sigev_notify: SIGEV_SIGNAL, sigev_signo: 34 }],
      ];
      for (const [code, member, aio_sigevent] of wrong) {
        const cb = blockOf(0, Buffer.alloc(1), { aio_sigevent });
        expect(failsWith(() => aio_read(cb), code, 'aio_read')).toContain(member);
        failsWith(() => aio_error(cb), 'EINVAL', 'aio_error');
      }
    });
  });
}
