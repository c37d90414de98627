import type { CompletionSink } from '../run/completion-sink.js';
import type { IoUnit } from '../run/io-unit.js';
import { type EngineOpening, type EngineSession, type IoEngine, nothingToDo, type OpenOptions } from './io-engine.js';

/**
 * Does nothing: what remains is the cost of the program itself. As fio's, it completes an I/O in the call at depth 1, as an engine that blocks
 * does, and keeps deeper queues until they are waited for.
 */
export const nullEngine: IoEngine = {
  isSynchronous: false,
  async open({ target, depth }: OpenOptions): Promise<EngineOpening> {
    const isQueued = target.kind === 'none' && target.isQueued !== undefined ? target.isQueued : depth > 1;
    return {
      alignmentBytes: 4096,
      attach: (sink, units) => (isQueued ? new QueuedSession(sink, units.length) : new BlockingSession(sink)),
      close: async () => {},
    };
  },
};

class BlockingSession implements EngineSession {
  readonly completes = 'inside' as const;
  readonly flush = nothingToDo;
  readonly wait = nothingToDo;
  readonly #sink: CompletionSink;

  constructor(sink: CompletionSink) {
    this.#sink = sink;
  }

  start(unit: IoUnit): void {
    this.#sink.done(unit, unit.lengthBytes);
  }
}

class QueuedSession implements EngineSession {
  readonly completes = 'wait' as const;
  readonly flush = nothingToDo;
  readonly #sink: CompletionSink;
  readonly #queue: IoUnit[];
  #count = 0;

  constructor(sink: CompletionSink, depth: number) {
    this.#sink = sink;
    this.#queue = new Array<IoUnit>(depth);
  }

  start(unit: IoUnit): void {
    this.#queue[this.#count] = unit;
    this.#count += 1;
  }

  wait(): void {
    const count = this.#count;
    this.#count = 0;
    for (let index = 0; index < count; index++) {
      const unit = this.#queue[index] as IoUnit;
      this.#sink.done(unit, unit.lengthBytes);
    }
  }
}
