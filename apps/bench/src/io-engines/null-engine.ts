import type { CompletionSink } from '../run/completion-sink.js';
import type { IoUnit } from '../run/io-unit.js';
import type { EngineOpening, EngineSession, IoEngine } from './io-engine.js';

/** Does nothing: what remains is the cost of the program itself. It keeps the depth, as an engine with a queue does. */
export const nullEngine: IoEngine = {
  isSynchronous: false,
  async open(): Promise<EngineOpening> {
    return { alignmentBytes: 4096, attach: (sink, units) => new NullSession(sink, units.length), close: async () => {} };
  },
};

class NullSession implements EngineSession {
  readonly completes = 'wait' as const;
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
