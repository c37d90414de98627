import { type AioOp, AioServicePool } from '@biodone/aio';
import { BLOCK_READ, type BlockOperation, wrapDescriptor } from '@biodone/blockdev';
import { type IoBuffer, SystemError } from '@biodone/uring';
import type { aiocb, RequestState } from './aiocb.js';
import { AIO_MAX, AIO_PRIO_DELTA_MAX, EAGAIN, EFAULT, EINVAL, ENOTSUP, SIGEV_NONE } from './constants.js';
import { giveBounce, shareable, takeBounce } from './memory.js';

/** The pools of this thread, by descriptor. A pool knows nothing of the file, so a descriptor that is used again finds a right one. */
const pools = new Map<number, AioServicePool>();
let inProgress = 0;

/** Starts a control block's request. The kernel has it when this returns. */
export function submit(cb: aiocb, operation: BlockOperation, syscall: string): void {
  check(cb, syscall);
  const pool = poolOf(cb.aio_fildes);
  const op = pool.allocate();
  op.operation = operation;
  op.offset = cb.aio_offset;
  op.lengthBytes = cb.aio_nbytes;
  op.private = cb;
  op.callback = done;
  setMemory(op, cb);
  const { request } = cb;
  request.status = 'in progress';
  inProgress += 1;
  pool.submit(op);
}

/** The pool in which a control block's request is. */
export function poolOf(fd: number): AioServicePool {
  let pool = pools.get(fd);
  if (pool === undefined) {
    pool = new AioServicePool(wrapDescriptor(fd), { depth: AIO_MAX });
    pools.set(fd, pool);
  }
  return pool;
}

function check(cb: aiocb, syscall: string): void {
  const { aio_buf, aio_nbytes, aio_offset, aio_reqprio, aio_sigevent, request } = cb;
  if (request.status === 'in progress')
    throw new SystemError(EINVAL, syscall, undefined, 'this control block has a request in progress');
  if (!Number.isSafeInteger(aio_offset) || aio_offset < 0) throw invalid(syscall, 'aio_offset', aio_offset);
  if (!Number.isSafeInteger(aio_nbytes) || aio_nbytes < 0) throw invalid(syscall, 'aio_nbytes', aio_nbytes);
  if (aio_buf === null || aio_buf.byteLength < aio_nbytes) throw invalid(syscall, 'aio_buf', `shorter than ${aio_nbytes} bytes`);
  if (!Number.isInteger(aio_reqprio) || aio_reqprio < 0 || aio_reqprio > AIO_PRIO_DELTA_MAX) {
    throw invalid(syscall, 'aio_reqprio', aio_reqprio);
  }
  if (aio_sigevent.sigev_notify !== SIGEV_NONE)
    throw new SystemError(ENOTSUP, syscall, undefined, 'only SIGEV_NONE is supported yet');
  if (inProgress >= AIO_MAX) throw new SystemError(EAGAIN, syscall, undefined, `${AIO_MAX} requests are in progress`);
}

function setMemory(op: AioOp, cb: aiocb): void {
  const view = cb.aio_buf as Uint8Array;
  const whole = shareable(view);
  if (whole !== null) {
    op.buffer = whole;
    op.bufferOffset = view.byteOffset;
    return;
  }
  const bounce = takeBounce(cb.aio_nbytes);
  if (op.operation !== BLOCK_READ) bounce.bytes.set(view.subarray(0, cb.aio_nbytes));
  cb.request.bounce = bounce;
  op.buffer = bounce;
  op.bufferOffset = 0;
}

function done(op: AioOp): void {
  const cb = op.private as aiocb;
  const { request } = cb;
  let { error } = op;
  if (request.bounce !== null) {
    if (error === 0 && op.operation === BLOCK_READ && !copyBack(cb, request.bounce, op.transferredBytes)) error = EFAULT;
    giveBounce(request.bounce);
    request.bounce = null;
  }
  inProgress -= 1;
  request.error = error;
  request.result = error === 0 ? op.transferredBytes : -1;
  // The state is final before anybody is told (rule 5).
  request.status = 'done';
  tell(request);
}

/** False if the memory has been taken away meanwhile. */
function copyBack(cb: aiocb, bounce: IoBuffer, lengthBytes: number): boolean {
  const view = cb.aio_buf;
  if (view === null || view.byteLength < lengthBytes) return false;
  view.set(bounce.bytes.subarray(0, lengthBytes));
  return true;
}

function tell(request: RequestState): void {
  if (request.waiters.length === 0) return;
  const { waiters } = request;
  request.waiters = [];
  for (const waiter of waiters) waiter();
}

function invalid(syscall: string, member: string, value: unknown): SystemError {
  return new SystemError(EINVAL, syscall, undefined, `${member} is ${value}`);
}
