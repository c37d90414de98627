import { closeSync, fdatasync, fsync, openSync, read, write } from 'node:fs';
import type { CompletionSink } from '../run/completion-sink.js';
import { IO_FDATASYNC, IO_READ, IO_WRITE, type IoUnit } from '../run/io-unit.js';
import { type EngineOpening, type EngineSession, type IoEngine, nothingToDo, type OpenOptions } from './io-engine.js';
import { openFlags, pathOf } from './open-target.js';

type Callback = (error: NodeJS.ErrnoException | null, count?: number) => void;

/** Node's callbacks, in its thread pool. */
export const fsEngine: IoEngine = {
  isSynchronous: false,
  async open(options: OpenOptions): Promise<EngineOpening> {
    const fd = openSync(pathOf(options), openFlags(options));
    return {
      alignmentBytes: 4096,
      attach: (sink, units) => new FsSession(sink, fd, units),
      close: async () => closeSync(fd),
    };
  },
};

class FsSession implements EngineSession {
  readonly completes = 'events' as const;
  readonly flush = nothingToDo;
  readonly wait = nothingToDo;
  readonly #fd: number;
  readonly #callbacks: Callback[];

  constructor(sink: CompletionSink, fd: number, units: readonly IoUnit[]) {
    this.#fd = fd;
    // One closure for each unit, made before the first I/O: a user who cares for speed does the same.
    this.#callbacks = units.map((unit) => (error, count) => sink.done(unit, resultOf(unit, error, count)));
  }

  start(unit: IoUnit): void {
    const { operation, buffer, lengthBytes, offset } = unit;
    const callback = this.#callbacks[unit.index] as Callback;
    if (operation === IO_READ) read(this.#fd, buffer.bytes, 0, lengthBytes, offset, callback);
    else if (operation === IO_WRITE) write(this.#fd, buffer.bytes, 0, lengthBytes, offset, callback);
    else if (operation === IO_FDATASYNC) fdatasync(this.#fd, callback);
    else fsync(this.#fd, callback);
  }
}

function resultOf(unit: IoUnit, error: NodeJS.ErrnoException | null, count: number | undefined): number {
  if (error !== null) return error.errno ?? -5;
  return count ?? unit.lengthBytes;
}
