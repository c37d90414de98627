import { aio_error, aio_read, aio_return, aio_suspend, aio_write, aiocb, EINPROGRESS } from '@biodone/posix-aio';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failsWith, finish } from '../support/expect.js';
import { type Folder, makeFolder } from '../support/files.js';
import { openManual } from '../support/manual-device.js';
import { blockOf, Pipe } from '../support/pipe.js';
import { type Subject, subjectKinds } from '../support/subjects.js';

/** D: aio_error and aio_return. */
export function testStatus(): void {
  describe('aio_error and aio_return', () => {
    let folder: Folder;
    beforeAll(() => {
      folder = makeFolder();
    });
    afterAll(() => folder.remove());

    for (const kind of subjectKinds) {
      test.skipIf(kind.refusal !== null)(`D1, D3, D4, D5: tell once what came of a request, on ${kind.name}`, async () => {
        const subject: Subject = await kind.open(folder.path);
        const cb = blockOf(subject.writer, Buffer.from('status'));
        for (let use = 0; use < 3; use++) {
          aio_write(cb);
          aio_suspend([cb]);
          expect(aio_error(cb)).toBe(0);
          expect(aio_error(cb)).toBe(0);
          expect(aio_return(cb)).toBe(6);
          failsWith(() => aio_return(cb), 'EINVAL', 'aio_return');
          failsWith(() => aio_error(cb), 'EINVAL', 'aio_error');
          subject.take(6);
        }
        await subject.close();
      });
    }

    test('D1: EINPROGRESS until it is done', () => {
      const pipe = new Pipe();
      const cb = pipe.readOf(1);
      aio_read(cb);
      expect(aio_error(cb)).toBe(EINPROGRESS);
      pipe.write('x');
      expect(finish(cb)).toEqual([0, 1]);
      pipe.close();
    });

    test('D2: a block that was never submitted is EINVAL', () => {
      expect(failsWith(() => aio_error(new aiocb()), 'EINVAL', 'aio_error')).toContain('never submitted');
      expect(failsWith(() => aio_return(new aiocb()), 'EINVAL', 'aio_return')).toContain('never submitted');
    });

    test('what is no control block is EINVAL', () => {
      for (const wrong of [null, undefined, {}, 5] as unknown as aiocb[]) {
        expect(failsWith(() => aio_error(wrong), 'EINVAL', 'aio_error')).toContain('aiocb');
        expect(failsWith(() => aio_return(wrong), 'EINVAL', 'aio_return')).toContain('aiocb');
      }
      expect(failsWith(() => aio_suspend([{} as aiocb]), 'EINVAL', 'aio_suspend')).toContain('aiocb');
      expect(failsWith(() => aio_suspend(null as unknown as []), 'EINVAL', 'aio_suspend')).toContain('array');
    });

    test('D6, NB-5: aio_return before the end is EINVAL, and the request is kept', () => {
      const pipe = new Pipe();
      const cb = pipe.readOf(4);
      aio_read(cb);
      for (let time = 0; time < 3; time++) {
        expect(failsWith(() => aio_return(cb), 'EINVAL', 'aio_return')).toContain('in progress');
      }
      expect(aio_error(cb)).toBe(EINPROGRESS);
      pipe.write('data');
      expect(finish(cb)).toEqual([0, 4]);
      pipe.close();
    });

    test('NB-6: a block that is done and was never reaped can be submitted again; one in progress cannot', () => {
      const { device, started, complete } = openManual();
      const cb = blockOf(device, Buffer.alloc(8));
      for (let use = 0; use < 3; use++) {
        aio_write(cb);
        failsWith(() => aio_write(cb), 'EINVAL', 'aio_write');
        expect(started.length).toBe(1);
        complete(undefined, use === 1 ? 5 : 0);
        expect(aio_error(cb)).toBe(use === 1 ? 5 : 0);
      }
      expect(aio_return(cb)).toBe(8);
    });
  });
}
