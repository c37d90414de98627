import { AioServicePool, promises } from '@biodone/aio';
import { probe } from '@biodone/uring';
import type { CompletionSink } from '../run/completion-sink.js';
import { IO_READ, IO_TRIM, IO_WRITE, type IoUnit } from '../run/io-unit.js';
import { type EngineOpening, type EngineSession, type IoEngine, nothingToDo, type OpenOptions } from './io-engine.js';
import { openBlockTarget } from './open-target.js';
import { requireIoUring } from './pool-engine.js';
import { writeFlags } from './sync-engine.js';

/** biodone with promises, served inline by the thread's io_uring, whose completions its event loop brings. */
export const promisesEngine: IoEngine = {
  isSynchronous: false,
  async open(options: OpenOptions): Promise<EngineOpening> {
    if (options.target.kind !== 'stack') requireIoUring();
    const device = await openBlockTarget(options, probe().available ? 'uring' : 'fs');
    const pool = new AioServicePool(device, { depth: Math.max(2, options.depth) });
    const flags = writeFlags(options);
    return {
      alignmentBytes: Math.max(4096, device.limits.memoryAlignmentBytes),
      attach: (sink) => promiseSession(sink, (unit) => transfer(pool, unit, flags)),
      async close() {
        await pool.close();
        await device.close();
      },
    };
  },
};

/** A session of which each I/O is a promise. */
export function promiseSession(sink: CompletionSink, transferUnit: (unit: IoUnit) => Promise<number>): EngineSession {
  const run = async (unit: IoUnit): Promise<void> => {
    let result: number;
    try {
      result = await transferUnit(unit);
    } catch (error) {
      const { errno } = error as NodeJS.ErrnoException;
      if (errno === undefined) throw error;
      result = -Math.abs(errno);
    }
    sink.done(unit, result);
  };
  return { completes: 'events', start: (unit) => void run(unit), flush: nothingToDo, wait: nothingToDo };
}

async function transfer(pool: AioServicePool, unit: IoUnit, flags: number): Promise<number> {
  const { operation, buffer, offset, lengthBytes } = unit;
  if (operation === IO_READ) return promises.read(pool, buffer, offset, { lengthBytes });
  if (operation === IO_WRITE) return promises.write(pool, buffer, offset, { lengthBytes, flags });
  if (operation === IO_TRIM) await promises.discard(pool, offset, lengthBytes);
  else await promises.flush(pool);
  return lengthBytes;
}
