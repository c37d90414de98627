import type { AbortVerdict } from '@biodone/blockdev';
import type { AioFile, CancelCounts, CancelFilter } from './aio-file.js';
import type { AioOp } from './aio-op.js';

/** Asks for the end of those of the operations that are of the kind, by `cancel`, and counts what comes of it. */
export function cancelAmong(
  ops: readonly AioOp[],
  { operation }: CancelFilter,
  file: AioFile,
  cancel: (op: AioOp) => AbortVerdict,
): CancelCounts {
  // In the order of the phases those that wait come first: the end of others would make room for them at the device.
  const sorted = [...ops].sort((left, right) => left.phase - right.phase);
  const counts = { cancelled: 0, 'in-progress': 0, done: 0 };
  file.freeze();
  try {
    for (const op of sorted) {
      // A timeout does none of them.
      const isMeant = operation === undefined || (op.operation === operation && op.timer === null);
      if (isMeant && op.submitted) counts[cancel(op)] += 1;
    }
  } finally {
    file.thaw();
  }
  return { cancelled: counts.cancelled, inProgress: counts['in-progress'] };
}
