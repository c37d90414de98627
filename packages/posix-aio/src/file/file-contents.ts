/** FileHandle's read of a file up to this long ends with the first read, however short. */
const SINGLE_READ_MAX_BYTES = 2 ** 19;
/** How much is read at a time of a file that says that it is empty, as those of /proc do. */
const CHUNK_BYTES = 2 ** 16;

/**
 * What FileHandle's readFile reads of a regular file: from the file's own position on as many bytes as the file had at the beginning, or to its end if that comes
 * first. The memory is made for it, so nobody else has seen it yet.
 */
export class FileContents {
  readonly #sizeBytes: number;
  /** What has been read before, of a file that does not say how long it is. */
  readonly #chunks: Buffer[] = [];
  #memory: Buffer<ArrayBuffer>;
  #count = 0;

  /** @param sizeBytes 0 for a file that does not say how long it is */
  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
    this.#memory = Buffer.allocUnsafeSlow(sizeBytes === 0 ? CHUNK_BYTES : sizeBytes);
  }

  /** Where the next read goes, from {@link count} on. */
  get memory(): Buffer<ArrayBuffer> {
    return this.#memory;
  }

  /** How much of {@link memory} has been read. */
  get count(): number {
    return this.#count;
  }

  /** A read has been short for another reason than the end of the file. */
  skip(count: number): void {
    this.#count += count;
  }

  /** A read has come to `count` bytes. @returns whether it was the last */
  take(count: number): boolean {
    const size = this.#sizeBytes;
    this.#count += count;
    if (count === 0 || this.#count === size || (size !== 0 && size <= SINGLE_READ_MAX_BYTES)) return true;
    if (size === 0) {
      this.#chunks.push(this.#memory.subarray(0, this.#count));
      this.#memory = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      this.#count = 0;
    }
    return false;
  }

  result(encoding: BufferEncoding | null): string | Buffer {
    const last = this.#count === this.#memory.length ? this.#memory : this.#memory.subarray(0, this.#count);
    const all = this.#chunks.length === 0 ? last : Buffer.concat([...this.#chunks, last]);
    return encoding === null ? all : all.toString(encoding);
  }
}
