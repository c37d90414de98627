import { channel } from 'node:diagnostics_channel';
import type { AbortVerdict } from '@biodone/blockdev';
import type { AioOp, AioOpOwner, AioPriority } from './aio-op.js';
import { nameOf } from './operation-name.js';

const submits = channel('biodone:aio:submit');
const starts = channel('biodone:aio:start');
const completes = channel('biodone:aio:complete');
const cancels = channel('biodone:aio:cancel');

/** What all messages have: which operation of which pool it is about. It is a copy, and may be kept. */
export class AioMessage<Pool = AioOpOwner> {
  /** The pool that the operation is with. */
  readonly pool: Pool;
  /** Names this use of the operation: the same in all of its messages. */
  readonly id: number;
  /** The operation's name: `'read'`, `'timeout'` or `'link-timeout'`. */
  readonly operation: string;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly priority: AioPriority;

  /** @internal */
  constructor(pool: Pool, op: AioOp) {
    this.pool = pool;
    this.id = op.id;
    this.operation = nameOf(op);
    this.offset = op.offset;
    this.lengthBytes = op.lengthBytes;
    this.priority = op.priority;
  }
}

/** On `biodone:aio:start`: the operation goes to the device, or to service threads. */
export class AioStartMessage<Pool = AioOpOwner> extends AioMessage<Pool> {
  /** How long it has waited in its pool, in microseconds. */
  readonly waitedUs: number;

  /** @internal */
  constructor(pool: Pool, op: AioOp, waitedUs: number) {
    super(pool, op);
    this.waitedUs = waitedUs;
  }
}

/** On `biodone:aio:complete`: it is done, and its callback is called next. */
export class AioCompleteMessage<Pool = AioOpOwner> extends AioMessage<Pool> {
  /** 0, or the positive errno. */
  readonly error: number;
  readonly transferredBytes: number;
  /** How long it took from its submission, in microseconds. */
  readonly tookUs: number;

  /** @internal */
  constructor(pool: Pool, op: AioOp, tookUs: number) {
    super(pool, op);
    this.error = op.error;
    this.transferredBytes = op.transferredBytes;
    this.tookUs = tookUs;
  }
}

/** On `biodone:aio:cancel`: somebody has asked for its end, or its deadline or signal has. */
export class AioCancelMessage<Pool = AioOpOwner> extends AioMessage<Pool> {
  readonly verdict: AbortVerdict;

  /** @internal */
  constructor(pool: Pool, op: AioOp, verdict: AbortVerdict) {
    super(pool, op);
    this.verdict = verdict;
  }
}

/** Whether anybody listens. Pools look once a batch: when the clock is read. */
export function isTraced(): boolean {
  return completes.hasSubscribers || submits.hasSubscribers || starts.hasSubscribers || cancels.hasSubscribers;
}

export function traceSubmit(pool: AioOpOwner, op: AioOp): void {
  if (submits.hasSubscribers) submits.publish(new AioMessage(pool, op));
}

export function traceStart(pool: AioOpOwner, op: AioOp, waitedUs: number): void {
  if (starts.hasSubscribers) starts.publish(new AioStartMessage(pool, op, waitedUs));
}

export function traceComplete(pool: AioOpOwner, op: AioOp, tookUs: number): void {
  if (completes.hasSubscribers) completes.publish(new AioCompleteMessage(pool, op, tookUs));
}

export function traceCancel(pool: AioOpOwner, op: AioOp, verdict: AbortVerdict): void {
  if (cancels.hasSubscribers) cancels.publish(new AioCancelMessage(pool, op, verdict));
}
