import type { AioOp, AioServiceClass, AioServicePool } from '@biodone/aio';
import { BLOCK_READ, type BlockOperation } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

const buffer = IoBuffer.allocate(65536);

/** What a test sets of an operation. */
export type OpFields = Partial<
  Pick<
    AioOp,
    | 'operation'
    | 'offset'
    | 'lengthBytes'
    | 'priority'
    | 'flags'
    | 'orderingKey'
    | 'drain'
    | 'deadlineMs'
    | 'signal'
    | 'link'
    | 'timer'
    | 'callback'
    | 'private'
  >
>;

/** Fills in an operation: a read of 512 bytes, unless told otherwise. */
export function fill(op: AioOp, fields: OpFields = {}): AioOp {
  return Object.assign(
    op,
    { operation: BLOCK_READ as BlockOperation, buffer, bufferOffset: 0, offset: 0, lengthBytes: 512 },
    fields,
  );
}

/** Submits an operation of the pool's, and writes down how it ends. */
export function start(pool: AioServicePool | AioServiceClass, log: string[], name: string, fields: OpFields = {}): AioOp {
  const op = fill(pool.allocate(), fields);
  op.callback = ({ error }) => {
    log.push(error === 0 ? name : `${name}:${error}`);
  };
  const refused = pool.submit(op);
  if (refused !== 0) throw new Error(`${name} was refused: ${refused}`);
  return op;
}
