import type { IoUnit } from './io-unit.js';

/** Who is told of completions. */
export interface CompletionSink {
  /** @param result how many bytes were moved, or a negative errno; an I/O that moves none gives its length */
  done(unit: IoUnit, result: number): void;
}
