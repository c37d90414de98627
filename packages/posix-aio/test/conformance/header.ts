import { inspect } from 'node:util';
import * as aio from '@biodone/posix-aio';
import { describe, expect, test } from 'vitest';

/** A: the control block and the header. What needs requests in progress stands with those. */
export function testHeader(): void {
  describe('<aio.h>', () => {
    test('A1: aiocb has the members of POSIX', () => {
      const members = ['aio_fildes', 'aio_offset', 'aio_buf', 'aio_nbytes', 'aio_reqprio', 'aio_sigevent', 'aio_lio_opcode'];
      expect(Object.keys(new aio.aiocb())).toEqual(expect.arrayContaining(members));
    });

    test('a block shows its members, and nothing of the library’s', () => {
      const cb = Object.assign(new aio.aiocb(), { aio_fildes: 3, aio_nbytes: 4 });
      expect(inspect(cb)).toBe(
        `aiocb {
  aio_fildes: 3,
  aio_offset: 0,
  aio_buf: null,
  aio_nbytes: 4,
  aio_reqprio: 0,
  aio_sigevent: { sigev_notify: 1 },
  aio_lio_opcode: 2,
  aio_iov: null
}`,
      );
      expect([aio.aiocb, aio.AioFile, aio.AioEvents, aio.AioCompletionEvent].map(({ name }) => name)).toEqual([
        'aiocb',
        'AioFile',
        'AioEvents',
        'AioCompletionEvent',
      ]);
    });

    test('configure names what it does not know, and what is of no use to it', () => {
      const wrong: [string, string, unknown][] = [
        ['ERR_INVALID_ARG_VALUE', 'AIOMAX', { AIOMAX: 5 }],
        ['ERR_INVALID_ARG_TYPE', 'realTimeSignals', { realTimeSignals: 'no' }],
        ['ERR_INVALID_ARG_TYPE', 'configuration', null],
        ['ERR_OUT_OF_RANGE', 'engine', { engine: 'epoll' }],
      ];
      for (const [code, name, configuration] of wrong) {
        const message = expect.stringContaining(name);
        expect(() => aio.configure(configuration as aio.AioConfiguration)).toThrow(expect.objectContaining({ code, message }));
      }
    });

    test('A2: the constants exist, with glibc’s values on Linux', () => {
      const { AIO_ALLDONE, AIO_CANCELED, AIO_NOTCANCELED, LIO_NOP, LIO_NOWAIT, LIO_READ, LIO_WAIT, LIO_WRITE } = aio;
      expect([AIO_CANCELED, AIO_NOTCANCELED, AIO_ALLDONE]).toEqual([0, 1, 2]);
      expect([LIO_READ, LIO_WRITE, LIO_NOP, LIO_WAIT, LIO_NOWAIT]).toEqual([0, 1, 2, 0, 1]);
      const { SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, SI_ASYNCIO, O_DSYNC, O_SYNC, EINPROGRESS } = aio;
      expect([SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, SI_ASYNCIO]).toEqual([0, 1, 2, -4]);
      expect([O_DSYNC, O_SYNC, EINPROGRESS]).toEqual([0o10000, 0o4010000, 115]);
      expect(new Set([aio.LIO_READ, aio.LIO_WRITE, aio.LIO_NOP, aio.LIO_READV, aio.LIO_WRITEV]).size).toBe(5);
    });

    test('A4: the limits are as large as POSIX asks for, can be set, and are what sysconf says', () => {
      const { _SC_AIO_LISTIO_MAX, _SC_AIO_MAX, _SC_AIO_PRIO_DELTA_MAX, configure, sysconf } = aio;
      expect(sysconf(_SC_AIO_LISTIO_MAX)).toBeGreaterThanOrEqual(2);
      expect(sysconf(_SC_AIO_MAX)).toBeGreaterThanOrEqual(1);
      expect(sysconf(_SC_AIO_PRIO_DELTA_MAX)).toBeGreaterThanOrEqual(0);
      const before = sysconf(_SC_AIO_MAX);
      configure({ AIO_MAX: 7, AIO_LISTIO_MAX: 5, AIO_PRIO_DELTA_MAX: 3 });
      expect([_SC_AIO_MAX, _SC_AIO_LISTIO_MAX, _SC_AIO_PRIO_DELTA_MAX].map(sysconf)).toEqual([7, 5, 3]);
      configure({ AIO_MAX: before, AIO_LISTIO_MAX: 1024, AIO_PRIO_DELTA_MAX: 20 });
      expect(() => sysconf(1)).toThrow(expect.objectContaining({ code: 'EINVAL', syscall: 'sysconf' }));
      for (const wrong of [{ AIO_MAX: 0 }, { AIO_LISTIO_MAX: 1 }, { AIO_PRIO_DELTA_MAX: 21 }, { AIO_MAX: 1.5 }]) {
        expect(() => configure({ ...wrong, realTimeSignals: true })).toThrow(
          expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
        );
      }
      expect(sysconf(_SC_AIO_MAX)).toBe(before);
    });
  });
}
