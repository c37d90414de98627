import { IO_DONE } from '@biodone/blockdev';
import { EALREADY, EINVAL, SystemError } from '@biodone/uring';
import type { AioOp } from './aio-op.js';

/**
 * As a callback, keeps the completion of an operation until it is reaped: by `reap`, `waitComplete` or `completions`. A callback can call it too, once,
 * and then whoever reaps the operation has it, whatever that callback returns. It keeps its place in `depth`; who submits another operation first, and keeps
 * this one then, has given the place away, and there is one more than `depth` until one is reaped.
 *
 * @throws SystemError EALREADY for an operation that is in flight or kept already, EINVAL for one that is not done
 */
export function queueCompletion(op: AioOp): true {
  if (op.submitted)
    throw new SystemError(EALREADY, 'queueCompletion', undefined, `operation ${op.id} is not done, or is kept already`);
  if (op.owner === null || op.state !== IO_DONE)
    throw new SystemError(EINVAL, 'queueCompletion', undefined, `operation ${op.id} is not done: call it in the callback`);
  op.owner.keepCompletion(op);
  return true;
}
