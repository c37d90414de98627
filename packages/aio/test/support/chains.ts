import { type AioOp, AioServicePool, type AioServicePoolOptions } from '@biodone/aio';
import { openNull, threadTimers } from '@biodone/blockdev';
import { type Manual, type ManualOptions, openManual } from './manual-device.js';
import { fill, type OpFields } from './operations.js';

/** A pool on a device whose requests complete when the test says so, or at once. */
export function manualPool(options: ManualOptions & AioServicePoolOptions & { instant?: boolean } = {}): {
  readonly manual: Manual;
  readonly pool: AioServicePool;
  readonly log: string[];
} {
  const {
    abortable = false,
    polled = true,
    fua = 'emulate',
    nowait = false,
    timers = threadTimers,
    instant = false,
    ...others
  } = options;
  const manual = openManual({ abortable, polled, fua, nowait, timers });
  const pool = new AioServicePool(instant ? openNull() : manual.device, { ...others, timers });
  return { manual, pool, log: [] };
}

/** Submits operations by their names, and writes down how they end. */
export function refusedChain(
  pool: AioServicePool,
  log: string[],
  members: Readonly<Record<string, OpFields>>,
): { readonly ops: AioOp[]; readonly taken: number; readonly verdicts: number[] } {
  const ops = Object.entries(members).map(([name, fields]) => {
    const callback = ({ error }: AioOp): void => void log.push(error === 0 ? name : `${name}:${error}`);
    return fill(pool.allocate(), { callback, ...fields });
  });
  const verdicts: number[] = [];
  return { ops, taken: pool.submitAll(ops, verdicts), verdicts };
}

/** As {@link refusedChain}, of what is to be taken. */
export function chain(pool: AioServicePool, log: string[], members: Readonly<Record<string, OpFields>>): AioOp[] {
  const { ops, taken, verdicts } = refusedChain(pool, log, members);
  if (taken !== ops.length) throw new Error(`refused: ${verdicts}`);
  return ops;
}
