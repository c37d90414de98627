import { type AioOp, AioServicePool } from '@biodone/aio';
import { probe } from '@biodone/uring';
import type { CompletionSink } from '../run/completion-sink.js';
import type { IoUnit } from '../run/io-unit.js';
import { type EngineOpening, type EngineSession, type IoEngine, type OpenOptions, Unavailable } from './io-engine.js';
import { openBlockTarget } from './open-target.js';
import { fillOperation, resultOf, writeFlags } from './sync-engine.js';

/** biodone with callbacks, served inline by the thread's io_uring. The thread waits for completions as a C program does, without its event loop. */
export const uringEngine: IoEngine = {
  isSynchronous: false,
  async open(options: OpenOptions): Promise<EngineOpening> {
    if (options.target.kind !== 'stack') requireIoUring();
    return openPool(options, 'inline');
  },
};

/** biodone with callbacks, served by service threads: with io_uring where it is to be had, otherwise with blocking calls. */
export const threadsEngine: IoEngine = {
  isSynchronous: false,
  open: (options: OpenOptions): Promise<EngineOpening> => openPool(options, 'threads'),
};

/** @throws Unavailable with the reason */
export function requireIoUring(): void {
  const { available, reason } = probe();
  if (!available) throw new Unavailable(`io_uring is not available: ${reason}`);
}

async function openPool(options: OpenOptions, service: 'inline' | 'threads'): Promise<EngineOpening> {
  const device = await openBlockTarget(options, probe().available ? 'uring' : 'fs');
  const depth = Math.max(2, options.depth);
  const pool = new AioServicePool(device, { depth, service });
  return {
    alignmentBytes: Math.max(4096, device.limits.memoryAlignmentBytes),
    attach: (sink, units) => {
      // A device that only the event loop completes cannot be waited for.
      const isWaitable = service === 'threads' || device.capabilities.progress !== 'event-loop';
      return new PoolSession(sink, pool, units, { writeFlags: writeFlags(options), completes: isWaitable ? 'wait' : 'events' });
    },
    async close() {
      await pool.close();
      await device.close();
    },
  };
}

interface SessionOptions {
  readonly writeFlags: number;
  readonly completes: 'wait' | 'events';
}

class PoolSession implements EngineSession {
  readonly completes: 'wait' | 'events';
  readonly #pool: AioServicePool;
  readonly #operations: AioOp[];
  readonly #writeFlags: number;

  constructor(
    sink: CompletionSink,
    pool: AioServicePool,
    units: readonly IoUnit[],
    { writeFlags: flags, completes }: SessionOptions,
  ) {
    this.#pool = pool;
    this.#writeFlags = flags;
    this.completes = completes;
    this.#operations = units.map((unit) => {
      const op = pool.allocate();
      op.callback = () => {
        sink.done(unit, resultOf(op, unit));
        return true;
      };
      return op;
    });
  }

  start(unit: IoUnit): void {
    const op = this.#operations[unit.index] as AioOp;
    fillOperation(op, unit, this.#writeFlags);
    this.#pool.submit(op);
  }

  flush(): void {
    this.#pool.poll();
  }

  wait(timeoutMs: number): void {
    if (timeoutMs === 0) this.#pool.poll();
    else this.#pool.wait(timeoutMs);
  }
}
