import { closeSync, fdatasyncSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import type { CompletionSink } from '../run/completion-sink.js';
import { IO_FDATASYNC, IO_READ, IO_WRITE, type IoUnit } from '../run/io-unit.js';
import { type EngineOpening, type EngineSession, type IoEngine, nothingToDo, type OpenOptions } from './io-engine.js';
import { openFlags, pathOf } from './open-target.js';

/** Node's own blocking calls. */
export const fsSyncEngine: IoEngine = {
  isSynchronous: true,
  async open(options: OpenOptions): Promise<EngineOpening> {
    const fd = openSync(pathOf(options), openFlags(options));
    return {
      alignmentBytes: 4096,
      attach: (sink) => new FsSyncSession(sink, fd),
      close: async () => closeSync(fd),
    };
  },
};

class FsSyncSession implements EngineSession {
  readonly completes = 'inside' as const;
  readonly flush = nothingToDo;
  readonly wait = nothingToDo;
  readonly #sink: CompletionSink;
  readonly #fd: number;

  constructor(sink: CompletionSink, fd: number) {
    this.#sink = sink;
    this.#fd = fd;
  }

  start(unit: IoUnit): void {
    let result: number;
    try {
      result = transfer(this.#fd, unit);
    } catch (error) {
      const { errno } = error as NodeJS.ErrnoException;
      if (errno === undefined) throw error;
      result = errno;
    }
    this.#sink.done(unit, result);
  }
}

function transfer(fd: number, { operation, buffer, lengthBytes, offset }: IoUnit): number {
  if (operation === IO_READ) return readSync(fd, buffer.bytes, 0, lengthBytes, offset);
  if (operation === IO_WRITE) return writeSync(fd, buffer.bytes, 0, lengthBytes, offset);
  if (operation === IO_FDATASYNC) fdatasyncSync(fd);
  else fsyncSync(fd);
  return lengthBytes;
}
