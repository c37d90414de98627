import { channel } from 'node:diagnostics_channel';
import { type AbortVerdict, BLOCK_OPERATION_NAMES } from '@biodone/blockdev';
import type { AioOp, AioOpOwner, AioPriority } from './aio-op.js';

const submits = channel('biodone:aio:submit');
const starts = channel('biodone:aio:start');
const completes = channel('biodone:aio:complete');
const cancels = channel('biodone:aio:cancel');

/** What all messages have: which operation of which pool it is about. It is a copy, and may be kept. */
export interface AioMessage {
  /** The `AioServicePool` that the operation is with. */
  readonly pool: AioOpOwner;
  /** Names this use of the operation: the same in all of its messages. */
  readonly id: number;
  /** The operation's name: `'read'`. */
  readonly operation: string;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly priority: AioPriority;
}

/** On `biodone:aio:start`: the operation goes to the device, or to service threads. */
export interface AioStartMessage extends AioMessage {
  /** How long it has waited in its pool, in microseconds. */
  readonly waitedUs: number;
}

/** On `biodone:aio:complete`: it is done, and its callback is called next. */
export interface AioCompleteMessage extends AioMessage {
  /** 0, or the positive errno. */
  readonly error: number;
  readonly transferredBytes: number;
  /** How long it took from its submission, in microseconds. */
  readonly tookUs: number;
}

/** On `biodone:aio:cancel`: somebody has asked for its end, or its deadline or signal has. */
export interface AioCancelMessage extends AioMessage {
  readonly verdict: AbortVerdict;
}

/** Whether anybody listens. Pools look once a batch: see `PoolClock`. */
export function isTraced(): boolean {
  return completes.hasSubscribers || submits.hasSubscribers || starts.hasSubscribers || cancels.hasSubscribers;
}

export function traceSubmit(pool: AioOpOwner, op: AioOp): void {
  if (submits.hasSubscribers) submits.publish(message(pool, op));
}

export function traceStart(pool: AioOpOwner, op: AioOp, waitedUs: number): void {
  if (starts.hasSubscribers) starts.publish({ ...message(pool, op), waitedUs } satisfies AioStartMessage);
}

export function traceComplete(pool: AioOpOwner, op: AioOp, tookUs: number): void {
  if (!completes.hasSubscribers) return;
  const { error, transferredBytes } = op;
  completes.publish({ ...message(pool, op), error, transferredBytes, tookUs } satisfies AioCompleteMessage);
}

export function traceCancel(pool: AioOpOwner, op: AioOp, verdict: AbortVerdict): void {
  if (cancels.hasSubscribers) cancels.publish({ ...message(pool, op), verdict } satisfies AioCancelMessage);
}

function message(pool: AioOpOwner, { id, operation, offset, lengthBytes, priority }: AioOp): AioMessage {
  return { pool, id, operation: BLOCK_OPERATION_NAMES[operation] ?? String(operation), offset, lengthBytes, priority };
}
