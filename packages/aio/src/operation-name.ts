import { BLOCK_OPERATION_NAMES } from '@biodone/blockdev';
import { type AioOp, IS_TIMER } from './aio-op.js';
import { isGuard } from './links.js';

/** What a timeout is called, in statistics, dumps and messages, and one that covers the operation before it. */
export const TIMEOUT = 'timeout';
export const LINK_TIMEOUT = 'link-timeout';

/** What an operation is called there. */
export function nameOf(op: AioOp): string {
  if ((op.features & IS_TIMER) !== 0) return isGuard(op) ? LINK_TIMEOUT : TIMEOUT;
  return BLOCK_OPERATION_NAMES[op.operation] ?? String(op.operation);
}
