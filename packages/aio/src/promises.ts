import { BLOCK_FLUSH, BLOCK_OPERATION_NAMES, BLOCK_READ, BLOCK_WRITE, type BlockOperation } from '@biodone/blockdev';
import { type IoBuffer, SystemError } from '@biodone/uring';
import type { AioOp } from './aio-op.js';
import { type AioServicePool, EAGAIN } from './service-pool.js';

/** Which part of a buffer an operation uses. */
export interface BufferRange {
  /**
   * In bytes.
   * @default 0
   */
  bufferOffset?: number;
  /**
   * In bytes.
   * @default the rest of the buffer
   */
  lengthBytes?: number;
}

/**
 * Reads from `offset` into the buffer.
 *
 * @returns how many bytes were read, fewer than asked at the end of a file
 * @throws SystemError EAGAIN at once if the pool is full, EBADF if it is closed; otherwise the I/O's error, when it is done
 */
export function read(pool: AioServicePool, buffer: IoBuffer, offset: number, range?: BufferRange): Promise<number> {
  return run(pool, BLOCK_READ, buffer, offset, range);
}

/** Writes the buffer to `offset`. Returns and throws as {@link read}; completion is not durability (rule 8). */
export function write(pool: AioServicePool, buffer: IoBuffer, offset: number, range?: BufferRange): Promise<number> {
  return run(pool, BLOCK_WRITE, buffer, offset, range);
}

/** Makes all writes stable that have completed before. */
export async function flush(pool: AioServicePool): Promise<void> {
  await run(pool, BLOCK_FLUSH, null, 0);
}

function run(
  pool: AioServicePool,
  operation: BlockOperation,
  buffer: IoBuffer | null,
  offset: number,
  { bufferOffset = 0, lengthBytes = (buffer?.lengthBytes ?? 0) - bufferOffset }: BufferRange = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const op = pool.allocate();
    op.operation = operation;
    op.buffer = buffer;
    op.bufferOffset = bufferOffset;
    op.offset = offset;
    op.lengthBytes = lengthBytes;
    op.private = { resolve, reject } satisfies Settle;
    op.callback = settle;
    const refused = pool.submit(op);
    if (refused !== 0) {
      pool.release(op);
      const why = refused === EAGAIN ? `${pool.depth} operations are in flight` : 'the pool is closed';
      reject(new SystemError(refused, nameOf(operation), undefined, why));
    }
  });
}

interface Settle {
  resolve(transferredBytes: number): void;
  reject(error: SystemError): void;
}

function settle(op: AioOp): void {
  const { resolve, reject } = op.private as Settle;
  if (op.error === 0) resolve(op.transferredBytes);
  else reject(new SystemError(op.error, nameOf(op.operation)));
}

function nameOf(operation: BlockOperation): string {
  return BLOCK_OPERATION_NAMES[operation] ?? 'aio';
}
