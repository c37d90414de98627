import { BLOCK_COMPARE_AND_WRITE, BLOCK_READ, BLOCK_WRITE, IO_STARTED } from '@biodone/blockdev';
import { EALREADY, EINVAL, SystemError } from '@biodone/uring';
import { AIO_FREE, type AioOp, IS_TIMER, OBJECTS_MAX } from './aio-op.js';
import { isGuard } from './links.js';
import { notTheCallers, type OperationTable } from './operation-table.js';

/** Why an operation cannot be submitted to the pool of this table, by itself or in a chain: 0, EALREADY or EINVAL. */
export function misuseOf(op: AioOp, table: OperationTable): number {
  if (op.submitted || op.state === IO_STARTED || (op.queue !== null && op.phase !== AIO_FREE)) return EALREADY;
  if (op.phase === AIO_FREE || (op.number < OBJECTS_MAX && !table.owns(op))) return EINVAL;
  // Nobody would wait for the time.
  return (op.features & IS_TIMER) !== 0 && op.callback === null ? EINVAL : 0;
}

/**
 * Refuses an operation that is no caller's to fill in.
 *
 * @throws SystemError EALREADY if it is in flight, EINVAL if it has been taken back
 */
export function refuseUse(op: AioOp): never {
  if (op.phase === AIO_FREE) notTheCallers(op, 'submit');
  throw new SystemError(EALREADY, 'submit', undefined, `operation ${op.id} is in flight`);
}

/**
 * Says what is wrong with an operation that is submitted by itself.
 *
 * @throws SystemError EALREADY, EINVAL
 */
export function refuseMisuse(op: AioOp, misuse: number): void {
  if (misuse === EALREADY) refuseUse(op);
  if (isGuard(op)) throw new SystemError(EINVAL, 'submit', undefined, 'a link timeout has an operation before it in a chain');
  if (misuse === 0) return;
  const isOurs = op.phase !== AIO_FREE && op.timer !== null && op.callback === null;
  if (isOurs) throw new SystemError(EINVAL, 'submit', undefined, 'a timeout cannot be synchronous');
  notTheCallers(op, 'submit');
}

/** How many bytes of memory an operation moves. */
export function memoryBytes({ operation, lengthBytes, features }: AioOp): number {
  if ((features & IS_TIMER) !== 0) return 0;
  const moves = operation === BLOCK_READ || operation === BLOCK_WRITE || operation === BLOCK_COMPARE_AND_WRITE;
  // What is no length the device refuses.
  return moves && Number.isSafeInteger(lengthBytes) && lengthBytes > 0 ? lengthBytes : 0;
}

/** How many bytes of memory the members of a chain move. */
export function memoryBytesOf(ops: readonly AioOp[], start: number, end: number): number {
  let bytes = 0;
  for (let index = start; index < end; index++) bytes += memoryBytes(ops[index] as AioOp);
  return bytes;
}
