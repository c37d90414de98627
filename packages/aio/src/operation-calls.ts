import {
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockOperation,
  type ExtentList,
  IO_STARTED,
} from '@biodone/blockdev';
import type { IoBuffer } from '@biodone/uring';
import { AIO_IDLE, AIO_UNREAPED, AioOp } from './aio-op.js';
import { invalidType } from './errors.js';
import { refuseUse } from './usable.js';

/** What `submit` returns when the pool is full. */
export const EAGAIN = 11 as const;
/** What `submit` returns when the pool is closed. */
export const EBADF = 9 as const;

/** What `submit` returns: 0, or why nothing was done. */
export type SubmitResult = 0 | typeof EAGAIN | typeof EBADF;

/** A call for each class of operations, which fills in an operation and submits it: what pools and classes of pools have in common. */
export abstract class OperationCalls {
  /** See {@link AioServicePool.submit} and {@link AioServiceClass.submit}. */
  abstract submit(op: AioOp): SubmitResult;

  /** Fills in a read and submits it. @returns and throws as {@link submit} */
  read(op: AioOp, buffer: IoBuffer, offset: number, lengthBytes: number = buffer.lengthBytes, bufferOffset = 0): SubmitResult {
    fillIn(op, BLOCK_READ, offset, lengthBytes);
    op.buffer = buffer;
    op.bufferOffset = bufferOffset;
    return this.submit(op);
  }

  /** Fills in a write and submits it. Completion is not durability (rule 8): see `flags`. @returns and throws as {@link submit} */
  write(op: AioOp, buffer: IoBuffer, offset: number, lengthBytes: number = buffer.lengthBytes, bufferOffset = 0): SubmitResult {
    fillIn(op, BLOCK_WRITE, offset, lengthBytes);
    op.buffer = buffer;
    op.bufferOffset = bufferOffset;
    return this.submit(op);
  }

  /**
   * Submits a flush: when it is done, all that was submitted to the file before, to whichever pool of a class, is done and stable, whatever the
   * priorities. It fails with the error of the first write, of any kind, of these operations that fails (ECANCELED or ETIMEDOUT for one that was
   * ended), or with its own. What is submitted later is not held back.
   *
   * @returns and throws as {@link submit}
   */
  sync(op: AioOp): SubmitResult {
    fillIn(op, BLOCK_FLUSH, 0, 0);
    op.buffer = null;
    return this.submit(op);
  }

  /** Submits a discard: nobody needs the range any more. @returns and throws as {@link submit} */
  discard(op: AioOp, offset: number, lengthBytes: number): SubmitResult {
    fillIn(op, BLOCK_DISCARD, offset, lengthBytes);
    return this.submit(op);
  }

  /** Submits a write of zeros. @returns and throws as {@link submit} */
  zeroes(op: AioOp, offset: number, lengthBytes: number): SubmitResult {
    fillIn(op, BLOCK_WRITE_ZEROES, offset, lengthBytes);
    return this.submit(op);
  }

  /** Asks which parts of a range hold data. @returns and throws as {@link submit} */
  extents(op: AioOp, list: ExtentList, offset: number, lengthBytes: number): SubmitResult {
    fillIn(op, BLOCK_EXTENTS, offset, lengthBytes);
    op.extents = list;
    return this.submit(op);
  }
}

function fillIn(op: AioOp, operation: BlockOperation, offset: number, lengthBytes: number): void {
  if (op?.phase !== AIO_IDLE || op.state === IO_STARTED) refuseUnlessTheCallers(op);
  op.operation = operation;
  op.offset = offset;
  op.lengthBytes = lengthBytes;
}

/** What is under way, or somebody else's, is not even touched. */
function refuseUnlessTheCallers(op: AioOp): void {
  if (!(op instanceof AioOp)) throw invalidType('op', 'an AioOp, from allocate() or new AioOp()', op);
  if (op.phase !== AIO_UNREAPED) refuseUse(op);
}
