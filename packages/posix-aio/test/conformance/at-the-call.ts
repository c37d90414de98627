import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  aio_error,
  aio_read,
  aio_readv,
  aio_write,
  aiocb,
  EINPROGRESS,
  LIO_NOWAIT,
  LIO_READ,
  lio_listio,
  SIGEV_THREAD,
} from '@biodone/posix-aio';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { finish, finishAll, until } from '../support/expect.js';
import { type Folder, makeFolder } from '../support/files.js';
import { blockOf, Pipe } from '../support/pipe.js';

interface Growable extends SharedArrayBuffer {
  grow(lengthBytes: number): void;
}

/** What the library of TypeScript does not know of ES2024. */
function growable(lengthBytes: number, maxByteLength: number): Growable {
  return Reflect.construct(SharedArrayBuffer, [lengthBytes, { maxByteLength }]) as Growable;
}

/** What a call has taken, and what it has not: members that the program changes later, and memory. */
export function testAtTheCall(): void {
  describe('at the call', () => {
    let folder: Folder;
    beforeAll(() => {
      folder = makeFolder();
    });
    afterAll(() => folder.remove());

    test('one sigevent can be filled in anew for each request', async () => {
      const pipe = new Pipe();
      const told: unknown[] = [];
      const sigevent = {
        sigev_notify: SIGEV_THREAD,
        sigev_value: 0,
        sigev_notify_function: (value: unknown) => told.push(value),
      };
      for (let value = 0; value < 3; value++) {
        sigevent.sigev_value = value;
        aio_read(pipe.readOf(1, { aio_sigevent: sigevent }));
        lio_listio(LIO_NOWAIT, [pipe.readOf(1, { aio_lio_opcode: LIO_READ })], sigevent);
      }
      pipe.write('abcdef');
      await until(() => told.length === 6);
      expect(told).toEqual([0, 0, 1, 1, 2, 2]);
      pipe.close();
    });

    test('the parts of aio_iov are those of the call', () => {
      const pipe = new Pipe();
      const [first, second, other] = [Buffer.alloc(4), Buffer.alloc(4), Buffer.alloc(4)] as const;
      const parts = [first, second];
      const cb = Object.assign(new aiocb(), { aio_fildes: pipe.readEnd, aio_iov: parts });
      aio_readv(cb);
      parts.splice(0, 2, other);
      pipe.write('abcdefgh');
      expect(finish(cb)).toEqual([0, 8]);
      expect([first.toString(), second.toString(), other[0]]).toEqual(['abcd', 'efgh', 0]);
      pipe.close();
    });

    test('a SharedArrayBuffer that has grown', () => {
      const pipe = new Pipe();
      const memory = growable(4, 8192);
      const all = new Uint8Array(memory);
      const cb = blockOf(pipe.readEnd, all);
      pipe.write('abcd');
      aio_read(cb);
      expect(finish(cb)).toEqual([0, 4]);
      memory.grow(8192);
      pipe.write('12345678');
      for (const view of [all, new Uint8Array(memory, 4096)]) {
        const grown = blockOf(pipe.readEnd, view, { aio_nbytes: 4 });
        aio_read(grown);
        expect(finish(grown)).toEqual([0, 4]);
      }
      expect(Buffer.from(memory).toString('latin1', 0, 4)).toBe('1234');
      expect(Buffer.from(memory).toString('latin1', 4096, 4100)).toBe('5678');
      pipe.close();
    });

    test('G9: a count beyond what a system call moves is cut, also within a list', async () => {
      const path = join(folder.path, 'short');
      writeFileSync(path, 'abc');
      const fd = openSync(path, 'r');
      let told = 0;
      // Nobody touches the pages, so they are not there.
      const large = new Uint8Array(2 ** 31 + 4096);
      const list = [blockOf(fd, Buffer.alloc(4)), blockOf(fd, large)];
      for (const cb of list) cb.aio_lio_opcode = LIO_READ;
      lio_listio(LIO_NOWAIT, list, { sigev_notify: SIGEV_THREAD, sigev_notify_function: () => (told += 1) });
      expect(finishAll(list)).toEqual([
        [0, 3],
        [0, 3],
      ]);
      await until(() => told === 1);
      closeSync(fd);
    });

    test('a transfer of megabytes is whole, and holds its file', () => {
      const path = join(folder.path, 'long');
      writeFileSync(path, Buffer.alloc(2 ** 22, 'x'));
      const fd = openSync(path, 'r+');
      const memory = new Uint8Array(new SharedArrayBuffer(2 ** 22));
      const cb = blockOf(fd, memory);
      aio_read(cb);
      expect(finish(cb)).toEqual([0, 2 ** 22]);
      expect(memory[2 ** 22 - 1]).toBe(0x78);
      aio_write(cb);
      closeSync(fd);
      expect(finish(cb)).toEqual([0, 2 ** 22]);
    });

    test('O_APPEND: aio_offset is not looked at, at the offset maximum either', () => {
      const path = join(folder.path, 'appended');
      writeFileSync(path, '');
      const fd = openSync(path, 'a+');
      const cb = blockOf(fd, Buffer.from('end'), { aio_offset: 2 ** 53 - 1 });
      aio_write(cb);
      expect(finish(cb)).toEqual([0, 3]);
      closeSync(fd);
    });

    test('a thread that does nothing but ask aio_error sees the end', () => {
      const path = join(folder.path, 'asked');
      writeFileSync(path, '');
      const fd = openSync(path, 'r+');
      let told = 0;
      const cb = blockOf(fd, Buffer.from('written'), {
        aio_sigevent: { sigev_notify: SIGEV_THREAD, sigev_notify_function: () => (told += 1) },
      });
      aio_write(cb);
      while (aio_error(cb) === EINPROGRESS);
      expect(told).toBe(0);
      expect(finish(cb)).toEqual([0, 7]);
      closeSync(fd);
    });
  });
}
