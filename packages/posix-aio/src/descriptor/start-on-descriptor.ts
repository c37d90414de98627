import type { AioServicePool, SubmitResult } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_READ, type BlockOperation } from '@biodone/blockdev';
import { EMFILE, ENFILE, libc, RingFile } from '@biodone/uring';
import { type DescriptorOp, INLINE_MAX_BYTES, letGo } from './descriptor-op.js';
import { engineOf } from './engines.js';
import { O_APPEND, O_NONBLOCK } from './file-status.js';
import { reopenTerminal } from './terminal.js';
import { flushPoolOf, type Vnode } from './vnode.js';
import { vnodeOf } from './vnode-table.js';

// From linux/fcntl.h.
const F_DUPFD_CLOEXEC = 1030;

/** The file that a descriptor is of now, with its pool; null for what is no open descriptor. One system call. */
export function lookUp(fd: number): Vnode | null {
  return vnodeOf(fd, engineOf);
}

/** The pool for an operation on a file. */
export function poolOf(operation: BlockOperation, fd: number, vnode: Vnode): AioServicePool {
  return operation === BLOCK_FLUSH ? flushPoolOf(vnode, fd) : vnode.pool;
}

/**
 * Starts a read, a write or a flush on a descriptor. When this returns, the kernel has the request, or the operation holds the open file by a
 * duplicate, so closing the descriptor no longer matters to it; and what is opened under its number later is never touched (rule 13).
 *
 * Reads and writes of regular files and block devices are positional and run in parallel; with O_APPEND writes follow one another, in call
 * order, and so do the reads, and the writes, of a stream, whose `offset` is not looked at. A flush covers what was started on the file through
 * whatever descriptor of this thread.
 *
 * The callback of an operation that has never reached the kernel finds it still holding its file: call {@link letGo} in each callback, which
 * costs one look.
 *
 * A duplicate costs two system calls, and when it is closed the process loses the locks of fcntl(2) on the file, as with every close.
 *
 * @param op filled in but for what DescriptorOp adds to AioOp; `dataOnly` and `ioPriority` are the caller's
 * @param vnode what {@link lookUp} has just said of `fd`, in the same turn
 * @param flags the open file's, by `flagsOf`
 * @param pool the file's, by {@link poolOf}
 * @returns 0, and the callback will come; or, with nothing done: EAGAIN if there is no descriptor left to hold the file by, or no room
 * @throws as `AioServicePool.submit`
 */
export function startOnDescriptor(
  op: DescriptorOp,
  fd: number,
  vnode: Vnode,
  flags: number,
  pool: AioServicePool,
): SubmitResult | 11 {
  op.fd = fd;
  op.begun = false;
  op.isStream = vnode.isStream;
  const isWrite = op.operation !== BLOCK_READ && op.operation !== BLOCK_FLUSH;
  const isNonBlocking = vnode.isStream && (flags & O_NONBLOCK) !== 0;
  op.isWhole = vnode.isStream && isWrite && !isNonBlocking;
  op.isNonBlocking = isNonBlocking;
  if (vnode.isStream) op.orderingKey = isWrite ? vnode.writes : vnode.reads;
  else op.orderingKey = isWrite && (flags & O_APPEND) !== 0 ? vnode.writes : null;
  // What waits, goes on after its first part, is polled first, or left to a thread of the kernel's may find another file under the number by then.
  const isLate = op.operation === BLOCK_FLUSH || (!vnode.isStream && op.lengthBytes > INLINE_MAX_BYTES);
  const holds =
    isLate || vnode.engine.holdsAll || op.isWhole || isNonBlocking || vnode.isTerminal || (op.orderingKey?.pending ?? 0) > 0;
  if (holds && !(vnode.isTerminal && !isNonBlocking && reopen(op)) && !hold(op)) return 11;
  op.file = vnode;
  const refused = pool.submit(op);
  if (refused !== 0) letGo(op);
  else if (!op.begun && op.held === null && !hold(op)) pool.cancel(op);
  return refused;
}

/** Holds a terminal by an opening of it that does not block. False where there is none to be had: then it is held as it is. */
function reopen(op: DescriptorOp): boolean {
  const fd = reopenTerminal(op.fd);
  if (fd < 0) return false;
  op.held = RingFile.adopt(fd);
  op.isNonBlocking = true;
  return true;
}

/** Holds the open file by a descriptor of our own. False if there is none left; EBADF comes with the request. */
function hold(op: DescriptorOp): boolean {
  const { fcntl, errno } = libc();
  const fd = fcntl(op.fd, F_DUPFD_CLOEXEC, 0);
  if (fd >= 0) {
    op.held = RingFile.adopt(fd, { native: true });
    return true;
  }
  const error = errno();
  return error !== EMFILE && error !== ENFILE;
}
