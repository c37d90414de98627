import { readFileSync } from 'node:fs';
import { SystemError } from '@biodone/uring';
import { describe, expect, it } from 'vitest';

describe('SystemError', () => {
  it("has the shape and the message of Node's own errors", () => {
    let nodes: NodeJS.ErrnoException | undefined;
    try {
      readFileSync('/nowhere/at/all');
    } catch (error) {
      nodes = error as NodeJS.ErrnoException;
    }
    const ours = new SystemError(2, 'open', '/nowhere/at/all');
    expect(ours).toBeInstanceOf(Error);
    expect(ours.message).toBe(nodes?.message);
    const { code, errno, syscall, path } = ours;
    expect({ code, errno, syscall, path }).toEqual({
      code: nodes?.code,
      errno: nodes?.errno,
      syscall: nodes?.syscall,
      path: nodes?.path,
    });
    expect(ours.name).toBe('SystemError');
  });

  it('has no path where none is known, and ends with the advice', () => {
    const error = new SystemError(1, 'io_uring_setup', undefined, 'ask the administrator');
    expect('path' in error).toBe(false);
    expect(error.message).toBe('EPERM: operation not permitted, io_uring_setup: ask the administrator');
    expect(new SystemError(5, 'read', '/dev/x', 'replace it').message).toBe("EIO: i/o error, read '/dev/x': replace it");
  });

  it('names errors that libuv does not know, and numbers that nobody knows', () => {
    expect(new SystemError(35, 'biowait')).toMatchObject({ code: 'EDEADLK', errno: -35 });
    expect(new SystemError(62, 'wait')).toMatchObject({ code: 'ETIME', errno: -62 });
    expect(new SystemError(122, 'write').message).toBe('EDQUOT: disk quota exceeded, write');
    // libuv has these too, and speaks of connections and sockets, or of bytes that are letters.
    expect(new SystemError(114, 'resume').message).toBe('EALREADY: already in progress, or done before, resume');
    expect(new SystemError(95, 'handle').message).toBe('ENOTSUP: operation not supported, handle');
    expect(new SystemError(9, 'claim').message).toBe('EBADF: closed, or no open descriptor, claim');
    expect(new SystemError(84, 'replay').message).toBe('EILSEQ: the data is not what it should be, replay');
    expect(new SystemError(9999, 'read')).toMatchObject({
      code: 'E9999',
      message: 'E9999: unknown error, read',
    });
  });
});
