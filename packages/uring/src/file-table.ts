import { IORING_REGISTER_FILE_ALLOC_RANGE, IORING_REGISTER_FILES2, IORING_RSRC_REGISTER_SPARSE } from './abi.js';
import { EBADF, EBUSY, EINVAL } from './errno.js';
import { SystemError } from './errors.js';
import { HOT_PLACES, HotFiles, hotFilesPossible } from './hot-files.js';
import { checkPlace, putFile, ResourceUpdate, sparseTable, type TableRing, tagOf } from './resource-table.js';
import { FixedFile, type RingFile } from './ring-file.js';
import type { RingRequest } from './ring-request.js';
import type { RingGuard } from './thread-end.js';

/**
 * A ring's table of registered files: a request that names a file by its place takes no reference on it, which saves the kernel two atomic
 * operations a request on a descriptor table that threads share. Opened with `fileTableEntries`, all places empty (Linux 5.19).
 *
 * A file in the table is held open by the kernel. {@link RingFile.close} gives its places up.
 */
export class FileTable {
  /** How many places there are. */
  readonly length: number;
  /** The files that have a place by themselves. @internal */
  readonly hot: HotFiles;
  readonly #ring: TableRing;
  readonly #places: (FixedFile | null)[];
  /** The last file of each place, which requests may still be looking for. */
  readonly #former: (FixedFile | null)[];
  readonly #update = new ResourceUpdate(1);

  /** @internal */
  constructor(ring: TableRing, length: number, guard: RingGuard | null) {
    this.#ring = ring;
    this.length = length;
    this.#places = new Array<FixedFile | null>(length).fill(null);
    this.#former = [...this.#places];
    // One place more than the user sees.
    const count = guard === null ? length : length + 1;
    const hotCount = hotFilesPossible(ring) && this.#open(count + HOT_PLACES) >= 0 ? HOT_PLACES : 0;
    this.hot = new HotFiles(ring, count, hotCount);
    if (hotCount > 0) {
      // Places that the kernel chooses itself are the user's.
      ring.register(IORING_REGISTER_FILE_ALLOC_RANGE, Uint32Array.of(0, length, 0, 0), 0);
    } else if (count > 0) {
      const result = this.#open(count);
      if (result < 0) throw new SystemError(-result, 'io_uring_register', undefined, result === -EINVAL ? NEEDS : undefined);
    }
    if (guard === null) return;
    this.#put(length, guard.writeEnd, 0n);
    guard.arm();
  }

  /**
   * Puts a file into a place, instead of the one that is there.
   *
   * @param index 0 to `length - 1`
   * @param onRelease completes, with 0, when the kernel lets go of the file again: after it has left the table and its last request is done
   * @throws RangeError ERR_OUT_OF_RANGE, also where the ring was opened without `fileTableEntries`; SystemError EBADF if the file is closed; EBUSY while requests are in flight that name the file that
   * is there or was, and that the kernel looks up only when they run: members of a chain, behind a drain, with IOSQE_ASYNC, fsync and the
   * like. They would get hold of the new file.
   * @throws Error ERR_INVALID_STATE if `onRelease` is under way
   */
  set(index: number, file: RingFile, onRelease: RingRequest | null = null): FixedFile {
    checkPlace(index, this.length, 'fileTableEntries');
    if (file.closing) throw new SystemError(EBADF, 'io_uring_register', file.path, 'the file is closed');
    if ((this.#former[index]?.lateRequests ?? 0) > 0) {
      throw new SystemError(EBUSY, 'io_uring_register', file.path, `requests in flight name the file in place ${index}`);
    }
    if (onRelease !== null) this.#ring.tag(onRelease);
    try {
      this.#places[index]?.clear();
      this.#put(index, file.fd, tagOf(onRelease));
    } catch (error) {
      if (onRelease !== null) this.#ring.untag(onRelease);
      throw error;
    }
    const fixed = new FixedFile(this.#ring, file, index, (place) => this.#clear(place));
    this.#places[index] = fixed;
    this.#former[index] = fixed;
    return fixed;
  }

  /** The file in a place. */
  get(index: number): FixedFile | null {
    return this.#places[index] ?? null;
  }

  /** Gives all places up. */
  clear(): void {
    for (const fixed of this.#places) fixed?.clear();
  }

  #clear(index: number): void {
    this.#places[index] = null;
    if (this.#ring.closed) return;
    // Requests that are prepared with the index must not find another file there.
    if (!this.#ring.submitAll())
      throw new SystemError(EBUSY, 'io_uring_register', undefined, 'the kernel does not take the requests before');
    this.#put(index, -1, 0n);
  }

  #open(count: number): number {
    return this.#ring.register(IORING_REGISTER_FILES2, sparseTable(count, IORING_RSRC_REGISTER_SPARSE), 32);
  }

  #put(index: number, fd: number, tag: bigint): void {
    const result = putFile(this.#ring, this.#update, index, fd, tag);
    if (result < 0) throw new SystemError(-result, 'io_uring_register');
  }
}

const NEEDS = 'a table of registered files needs Linux 5.19';
