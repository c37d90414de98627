import { EAGAIN, EBADF, EINVAL, SystemError } from '@biodone/uring';
import type { aiocb } from './aiocb.js';
import { requestOf } from './check-block.js';
import { O_DSYNC, O_SYNC } from './constants.js';
import { S_IFBLK, S_IFDIR, S_IFREG } from './descriptor/file-status.js';
import { notificationOf } from './notification.js';
import { checkRoom, look, startFlush } from './submit.js';
import { poolFor } from './target.js';

/**
 * Starts to make stable what has been queued on the file of `aio_fildes` before, through whatever descriptor of this thread, and returns at once.
 * As aio_fsync(3p). It fails with the error of the first of these requests that fails. The descriptor need not be writable.
 *
 * After a failed one the open file is poisoned, with its duplicates: later ones fail with the same error, since the kernel has forgotten what it could not
 * write. What is opened afterwards has its own.
 *
 * @param op `O_SYNC` for what fsync(2) does, `O_DSYNC` for fdatasync(2)
 * @param cb of which `aio_fildes` and `aio_sigevent` are used
 * @throws SystemError EBADF at once for what is no open descriptor, EINVAL for another `op`, for a file that cannot be synchronized, such as a pipe, and for
 * a block whose request is in progress; EAGAIN and ENOTSUP as `aio_read`
 */
export function aio_fsync(op: number, cb: aiocb): void {
  if (op !== O_SYNC && op !== O_DSYNC)
    throw new SystemError(EINVAL, 'aio_fsync', undefined, `op is ${op}, neither O_SYNC nor O_DSYNC`);
  const request = requestOf(cb, 'aio_fsync');
  const notification = notificationOf(cb.aio_sigevent, 'aio_fsync');
  const known = look(cb.aio_fildes);
  const pool = known === null ? poolFor(cb.aio_fildes, 'aio_fsync') : null;
  if (known !== null) {
    const { vnode, fd } = known;
    if (vnode === null) throw new SystemError(EBADF, 'aio_fsync', undefined, `${fd} is no open descriptor`);
    if (!SYNCHRONIZABLE.includes(vnode.kind)) {
      throw new SystemError(EINVAL, 'aio_fsync', undefined, `descriptor ${fd} is no file that can be synchronized`);
    }
  }
  checkRoom(1, 'aio_fsync');
  request.notification = notification;
  if (startFlush(request, op === O_DSYNC, pool, known) === EAGAIN) {
    request.notification = null;
    throw new SystemError(EAGAIN, 'aio_fsync', undefined, 'no descriptor is left to hold the file by');
  }
}

const SYNCHRONIZABLE: readonly number[] = [S_IFREG, S_IFBLK, S_IFDIR];
