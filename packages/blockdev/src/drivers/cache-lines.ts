import type { BlockIo } from '../block-io.js';
import { type CacheIndex, NO_SLOT } from './cache-index.js';

/** How a cached device is cut into lines, and which of them are there. Where their contents are is for who extends it. */
export class CacheLines {
  readonly index: CacheIndex;
  readonly lineBytes: number;
  /** How large the cached device is. Its last line may be shorter than the others. */
  readonly sizeBytes: number;
  /** Exact, as a line is a power of two long, and takes a third of the time of a division. */
  readonly #linesPerByte: number;

  constructor(index: CacheIndex, lineBytes: number, sizeBytes: number) {
    this.index = index;
    this.lineBytes = lineBytes;
    this.sizeBytes = sizeBytes;
    this.#linesPerByte = 1 / lineBytes;
  }

  lineAt(offset: number): number {
    return Math.floor(offset * this.#linesPerByte);
  }

  /** The first line behind a range. */
  lineBehind(offset: number, lengthBytes: number): number {
    return Math.ceil((offset + lengthBytes) * this.#linesPerByte);
  }

  /** How many lines are missing, from one on. */
  missingFrom(line: number, behind: number): number {
    let count = 0;
    while (line + count < behind && this.index.find(line + count) === NO_SLOT) count += 1;
    return count;
  }

  lengthOf(line: number): number {
    return Math.min(this.lineBytes, this.sizeBytes - line * this.lineBytes);
  }

  /** Which part of a request lies in a line: the answer is in {@link part}. */
  partOf(io: BlockIo, line: number): void {
    const begin = line * this.lineBytes;
    const from = Math.max(begin, io.offset);
    const to = Math.min(begin + this.lineBytes, io.offset + io.lengthBytes);
    part.within = from - begin;
    part.position = from - io.offset;
    part.lengthBytes = to - from;
  }
}

/** The answer of {@link CacheLines.partOf}. One object for all: read it before the next call. */
export const part: { within: number; position: number; lengthBytes: number } = { within: 0, position: 0, lengthBytes: 0 };
