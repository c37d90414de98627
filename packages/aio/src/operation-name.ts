import { BLOCK_OPERATION_NAMES } from '@biodone/blockdev';
import { type AioOp, IS_TIMER } from './aio-op.js';
import { isGuard } from './links.js';

/** What an operation is called in statistics, dumps and messages. */
export function nameOf(op: AioOp): string {
  if ((op.features & IS_TIMER) !== 0) return isGuard(op) ? 'link-timeout' : 'timeout';
  return BLOCK_OPERATION_NAMES[op.operation] ?? String(op.operation);
}
