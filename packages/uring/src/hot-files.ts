import { IORING_FEAT_RW_ATTR } from './abi.js';
import { SystemError } from './errors.js';
import type { HotPlace } from './held-descriptor.js';
import {
  IORING_OP_READ,
  IORING_OP_READ_FIXED,
  IORING_OP_READV,
  IORING_OP_READV_FIXED,
  IORING_OP_WRITE,
  IORING_OP_WRITE_FIXED,
  IORING_OP_WRITEV,
  IORING_OP_WRITEV_FIXED,
} from './opcodes/abi.js';
import { putFile, ResourceUpdate, type TableRing } from './resource-table.js';
import type { RingFile } from './ring-file.js';
import type { RingRequest } from './ring-request.js';

/** How many places a table has for files that are used much, behind those of its user. */
export const HOT_PLACES = 64;

/** By opcode, 1 for the operations that find their file by its place: reads and writes, which come in great numbers. */
const BY_PLACE = new Uint8Array(256);
for (const opcode of [
  IORING_OP_READ,
  IORING_OP_WRITE,
  IORING_OP_READV,
  IORING_OP_WRITEV,
  IORING_OP_READ_FIXED,
  IORING_OP_WRITE_FIXED,
  IORING_OP_READV_FIXED,
  IORING_OP_WRITEV_FIXED,
]) {
  BY_PLACE[opcode] = 1;
}

/**
 * Whether the kernel lets go of a registered file as soon as that has left the table and its own requests are done. Before Linux 6.13 it
 * also waited for those on other files of the table, so a closed file could have stayed open for long; 6.14 shows that it is newer.
 */
export function hotFilesPossible(ring: TableRing): boolean {
  return (ring.features & IORING_FEAT_RW_ATTR) !== 0;
}

/**
 * The files that have a place in a ring's table of registered files without anybody's asking, because many requests were started on them:
 * that saves the kernel a reference taken and dropped with each request, some percent of a read that the page cache answers.
 *
 * A place is its file's until that is closed or collected, which is after the completion of its last request. So it does not matter when
 * the kernel looks for the file of a request, and a place can have another file at once. Files that find none are named by their
 * descriptors, as those are that are used less.
 */
export class HotFiles {
  readonly #ring: TableRing;
  readonly #free: number[];
  readonly #taken = new Set<HotPlace>();
  readonly #update = new ResourceUpdate(1);

  /** @param first the first place in the table, of `count` */
  constructor(ring: TableRing, first: number, count: number) {
    this.#ring = ring;
    this.#free = Array.from({ length: count }, (_, index) => first + index);
  }

  /** The place of a request's file, if it is to be used instead of the descriptor; else -1. */
  placeOf(request: RingRequest): number {
    const { file } = request;
    // Whoever sets flags, or another descriptor, knows what the kernel is to make of it.
    if (file === null || request.flags !== 0 || BY_PLACE[request.opcode] !== 1 || request.fd !== file.fd) return -1;
    const { place } = file;
    if (place !== null && place.owner === this) return place.index;
    return file.isHot() ? this.#admit(file) : -1;
  }

  /** Gives all places up, before the ring is closed: the kernel lets go of its table some time later. */
  clear(): void {
    for (const place of this.#taken) place.giveUp();
  }

  #admit(file: RingFile): number {
    // One place is enough: where the file is used by several rings, the first has it.
    const index = file.place?.owner ? undefined : this.#free.pop();
    if (index === undefined) return -1;
    if (putFile(this.#ring, this.#update, index, file.fd) < 0) {
      this.#free.push(index);
      return -1;
    }
    const place: HotPlace = { owner: this, index, giveUp: () => this.#giveUp(place) };
    this.#taken.add(place);
    file.take(place);
    return index;
  }

  #giveUp(place: HotPlace): void {
    if (place.owner === null) return;
    place.owner = null;
    this.#taken.delete(place);
    const result = putFile(this.#ring, this.#update, place.index, -1);
    // Not to be used again, because the kernel still has the file there.
    if (result < 0) throw new SystemError(-result, 'io_uring_register');
    this.#free.push(place.index);
  }
}
