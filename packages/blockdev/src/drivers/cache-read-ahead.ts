import type { CacheCore } from './cache-core.js';
import { NO_SLOT } from './cache-index.js';
import type { CacheOp, CacheWork } from './cache-op.js';

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
export class CacheReadAhead implements CacheWork {
  readonly #core: CacheCore;
  readonly #limitBytes: number;
  /** For each reader: where it goes on, up to where has been read ahead, where to look again, how far to go next, and its reads in a row. */
  readonly #next: Float64Array = new Float64Array(STREAMS).fill(-1);
  readonly #ahead: Float64Array = new Float64Array(STREAMS);
  readonly #mark: Float64Array = new Float64Array(STREAMS);
  readonly #window: Float64Array = new Float64Array(STREAMS);
  readonly #inARow: Int32Array = new Int32Array(STREAMS);
  #victim = 0;

  constructor(core: CacheCore, limitBytes: number) {
    this.#core = core;
    this.#limitBytes = Math.floor(limitBytes / core.store.lineBytes) * core.store.lineBytes;
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

  entered(): void {
    // It never waits for a range.
  }

  resume(): void {
    // Nor for anything else.
  }

  childDone(op: CacheOp): void {
    const { error, transferredBytes, lengthBytes } = op.io;
    // Whoever needs what could not be read asks for it again, and gets the error then.
    if (error === 0 && transferredBytes === lengthBytes) this.#core.install(op);
    this.#core.end(op, 0, 0);
  }

  #follow(stream: number, end: number): void {
    const inARow = (this.#inARow[stream] as number) + 1;
    this.#next[stream] = end;
    this.#inARow[stream] = Math.min(inARow, READS_IN_A_ROW);
    if (inARow < READS_IN_A_ROW || end < (this.#mark[stream] as number)) return;
    const { store } = this.#core;
    const from = Math.max(end, this.#ahead[stream] as number);
    const window = Math.min(this.#window[stream] as number, this.#limitBytes);
    const to = Math.min(end + 2 * window, from + window, store.sizeBytes);
    if (to <= from) return;
    this.#ahead[stream] = to;
    this.#mark[stream] = from;
    this.#window[stream] = Math.min(2 * window, this.#limitBytes);
    this.#fetch(store.lineAt(from), store.lineBehind(to, 0));
  }

  /** Reads those lines that are not there, unless somebody is at work on them. */
  #fetch(first: number, behind: number): void {
    const core = this.#core;
    const { index } = core.store;
    let begin = first;
    while (begin < behind && index.find(begin) !== NO_SLOT) begin += 1;
    let end = behind;
    while (end > begin && index.find(end - 1) !== NO_SLOT) end -= 1;
    if (begin === end) return;
    const op = core.take(this, null, begin, end);
    if (core.ranges.isTaken(op)) {
      core.end(op, 0, 0);
      return;
    }
    core.ranges.enter(op);
    core.aimRead(op, begin, end - begin);
    core.counters.readAheadBytes += op.io.lengthBytes;
    if (op.send(core.device)) this.childDone(op);
  }
}
