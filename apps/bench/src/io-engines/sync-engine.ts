import { type AioOp, AioServicePool } from '@biodone/aio';
import {
  BLOCK_DISCARD,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_SYNC,
  BLOCK_WRITE,
  type BlockOperation,
} from '@biodone/blockdev';
import type { CompletionSink } from '../run/completion-sink.js';
import { IO_READ, IO_TRIM, IO_WRITE, type IoUnit } from '../run/io-unit.js';
import { type EngineOpening, type EngineSession, type IoEngine, nothingToDo, type OpenOptions } from './io-engine.js';
import { openBlockTarget } from './open-target.js';

/** biodone with a null callback: the calling thread does the I/O. It needs no io_uring. */
export const syncEngine: IoEngine = {
  isSynchronous: true,
  async open(options: OpenOptions): Promise<EngineOpening> {
    const device = await openBlockTarget(options, 'fs');
    const pool = new AioServicePool(device, { service: 'inline' });
    return {
      alignmentBytes: Math.max(4096, device.limits.memoryAlignmentBytes),
      attach: (sink) => new SyncSession(sink, pool, writeFlags(options)),
      async close() {
        await pool.close();
        await device.close();
      },
    };
  },
};

class SyncSession implements EngineSession {
  readonly completes = 'inside' as const;
  readonly flush = nothingToDo;
  readonly wait = nothingToDo;
  readonly #sink: CompletionSink;
  readonly #pool: AioServicePool;
  readonly #op: AioOp;
  readonly #writeFlags: number;

  constructor(sink: CompletionSink, pool: AioServicePool, flags: number) {
    this.#sink = sink;
    this.#pool = pool;
    this.#op = pool.allocate();
    this.#op.callback = null;
    this.#writeFlags = flags;
  }

  start(unit: IoUnit): void {
    const op = this.#op;
    fillOperation(op, unit, this.#writeFlags);
    this.#pool.submit(op);
    this.#sink.done(unit, resultOf(op, unit));
  }
}

/** What `sync=` means for an operation. */
export function writeFlags({ sync }: OpenOptions): number {
  return sync === 'none' ? 0 : sync === 'sync' ? BLOCK_SYNC : BLOCK_FUA;
}

/** Makes an operation what a unit asks for. */
export function fillOperation(op: AioOp, unit: IoUnit, flags: number): void {
  const { operation } = unit;
  op.operation = operationOf(operation);
  op.flags = operation === IO_WRITE ? flags : 0;
  op.buffer = operation <= IO_WRITE ? unit.buffer : null;
  op.bufferOffset = 0;
  op.offset = unit.offset;
  op.lengthBytes = unit.lengthBytes;
}

/** What became of an operation: a count of bytes, or a negative errno. Trims and flushes count no bytes. */
export function resultOf(op: AioOp, unit: IoUnit): number {
  if (op.error !== 0) return -op.error;
  return unit.operation <= IO_WRITE ? op.transferredBytes : unit.lengthBytes;
}

function operationOf(operation: number): BlockOperation {
  if (operation === IO_READ) return BLOCK_READ;
  if (operation === IO_WRITE) return BLOCK_WRITE;
  return operation === IO_TRIM ? BLOCK_DISCARD : BLOCK_FLUSH;
}
