import type { AioOp } from '@biodone/aio';
import type { BlockIo } from '@biodone/blockdev';
import { AbortError } from '@biodone/sync';
import { FileContents } from './file-contents.js';
import type { FileEngine } from './file-work.js';
import { unseenMemoryOf } from './memory-of.js';
import { WholeWork } from './whole-work.js';

/** FileHandle's readFile of a regular file, mostly all at once. */
export class ReadFileWork extends WholeWork<string | Buffer> {
  readonly #sizeNow: () => number;
  readonly #encoding: BufferEncoding | null;
  #contents: FileContents | null = null;

  /** @param sizeNow says how much is to be read, 0 for as much as there is, or -1 for what FileHandle is to read */
  constructor(
    sizeNow: () => number,
    encoding: BufferEncoding | null,
    byHandle: () => Promise<string | Buffer>,
    resolve: (value: string | Buffer) => void,
    reject: (error: unknown) => void,
  ) {
    super(true, byHandle, resolve, reject);
    this.#sizeNow = sizeNow;
    this.#encoding = encoding;
  }

  protected override first(io: BlockIo, engine: FileEngine): void {
    const sizeBytes = this.#sizeNow();
    if (sizeBytes < 0) {
      this.call(io);
      return;
    }
    const contents = new FileContents(sizeBytes);
    this.#contents = contents;
    this.#read(io, engine, contents);
  }

  protected override next(io: BlockIo, engine: FileEngine): void {
    const contents = this.#contents as FileContents;
    if (!contents.take(io.transferredBytes)) {
      this.#read(io, engine, contents);
      return;
    }
    this.#contents = null;
    io.buffer = null;
    this.succeed(io, contents.result(this.#encoding));
  }

  /** Who has aborted it wants no data any more, though it came. */
  protected override done(op: AioOp): void {
    const { signal } = this;
    if (op.error === 0 && signal?.aborted === true) this.refused(new AbortError(signal.reason));
    else super.done(op);
  }

  #read(io: BlockIo, engine: FileEngine, { memory, count }: FileContents): void {
    if (count === 0) io.buffer = unseenMemoryOf(memory);
    io.bufferOffset = count;
    io.lengthBytes = memory.length - count;
    engine.transfer(io, true);
  }
}
