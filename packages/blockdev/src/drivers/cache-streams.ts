import type { CacheLines } from './cache-lines.js';

/** How many sequential readers are told apart. */
const STREAMS = 8;
/** How long the first read ahead is; each is twice as long as the one before, up to the limit. */
const FIRST_BYTES = 16_384;
/** After how many reads, each of which began where one had ended, a reader counts as sequential. */
const READS_IN_A_ROW = 2;

/**
 * Reads ahead of who reads sequentially, as a file system does: twice as far each time, up to a limit, and again when the reader has come to the
 * middle of what was read ahead. Readers are told apart by where they would have to go on.
 */
export class CacheStreams {
  readonly #lines: CacheLines;
  readonly #fetch: (first: number, behind: number) => void;
  readonly #limitBytes: number;
  /** For each reader: where it goes on, up to where has been read ahead, where to look again, how far to go next, and its reads in a row. */
  readonly #next: Float64Array = new Float64Array(STREAMS).fill(-1);
  readonly #ahead: Float64Array = new Float64Array(STREAMS);
  readonly #mark: Float64Array = new Float64Array(STREAMS);
  readonly #window: Float64Array = new Float64Array(STREAMS);
  readonly #inARow: Int32Array = new Int32Array(STREAMS);
  #victim = 0;

  /** @param fetch reads lines, from the first up to another, as far as they are missing */
  constructor(lines: CacheLines, limitBytes: number, fetch: (first: number, behind: number) => void) {
    this.#lines = lines;
    this.#fetch = fetch;
    this.#limitBytes = Math.floor(limitBytes / lines.lineBytes) * lines.lineBytes;
  }

  /** Somebody reads this. */
  look(offset: number, lengthBytes: number): void {
    if (this.#limitBytes === 0) return;
    const next = this.#next;
    for (let stream = 0; stream < STREAMS; stream++) {
      if (next[stream] === offset) {
        this.#follow(stream, offset + lengthBytes);
        return;
      }
    }
    const stream = this.#victim;
    this.#victim = (stream + 1) % STREAMS;
    next[stream] = offset + lengthBytes;
    this.#inARow[stream] = 0;
    this.#window[stream] = FIRST_BYTES;
    this.#ahead[stream] = 0;
    this.#mark[stream] = 0;
  }

  #follow(stream: number, end: number): void {
    const inARow = (this.#inARow[stream] as number) + 1;
    this.#next[stream] = end;
    this.#inARow[stream] = Math.min(inARow, READS_IN_A_ROW);
    if (inARow < READS_IN_A_ROW || end < (this.#mark[stream] as number)) return;
    const lines = this.#lines;
    const from = Math.max(end, this.#ahead[stream] as number);
    const window = Math.min(this.#window[stream] as number, this.#limitBytes);
    const to = Math.min(end + 2 * window, from + window, lines.sizeBytes);
    if (to <= from) return;
    this.#ahead[stream] = to;
    this.#mark[stream] = from;
    this.#window[stream] = Math.min(2 * window, this.#limitBytes);
    this.#fetch(lines.lineAt(from), lines.lineBehind(to, 0));
  }
}
