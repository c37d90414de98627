import { IORING_REGISTER_FILES_UPDATE2 } from './abi.js';
import { checkRange } from './ring-options.js';
import type { RingRequest } from './ring-request.js';
import { libc } from './syscalls.js';

/** The ring that a table belongs to. */
export interface TableRing {
  readonly fd: number;
  readonly closed: boolean;
  readonly features: number;
  register(opcode: number, argument: NodeJS.TypedArray, count: number): number;
  submitAll(): boolean;
  tag(request: RingRequest): void;
  untag(request: RingRequest): void;
}

/** Checks a place in a table. @throws RangeError ERR_OUT_OF_RANGE */
export function checkPlace(index: number, length: number, option: string): void {
  if (length > 0) {
    checkRange('index', index, 0, length - 1);
    return;
  }
  const message = `The value of "index" is out of range: the ring was opened without ${option}. Received ${index}`;
  throw Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}

/** `struct io_uring_rsrc_register`: nr, flags, resv2, data, tags. */
export function sparseTable(count: number, flags: number): BigUint64Array {
  const words = new Uint32Array(8);
  words[0] = count;
  words[1] = flags;
  return new BigUint64Array(words.buffer);
}

/** `struct io_uring_rsrc_update2` for one place (offset, resv, data, tags, nr, resv2), and what its pointers point to. */
export class ResourceUpdate {
  static readonly BYTES = 32;
  /** The structure itself. */
  readonly words: BigUint64Array = new BigUint64Array(4);
  readonly #offset = new Uint32Array(this.words.buffer);
  readonly #data: BigUint64Array;
  readonly #fd: Int32Array;
  readonly #tag = new BigUint64Array(1);

  /** @param dataWords words of 64 bits for one place: an iovec has two, a descriptor less than one */
  constructor(dataWords: number) {
    this.#data = new BigUint64Array(dataWords);
    this.#fd = new Int32Array(this.#data.buffer);
    const { address } = libc();
    this.words[1] = BigInt(address(this.#data));
    this.words[2] = BigInt(address(this.#tag));
    this.words[3] = 1n;
  }

  setFile(index: number, fd: number, tag: bigint): void {
    this.#offset[0] = index;
    this.#fd[0] = fd;
    this.#tag[0] = tag;
  }

  setBuffer(index: number, bufferAddress: number, lengthBytes: number, tag: bigint): void {
    this.#offset[0] = index;
    this.#data[0] = BigInt(bufferAddress);
    this.#data[1] = BigInt(lengthBytes);
    this.#tag[0] = tag;
  }
}

/** Puts a file into a place of a table; -1 empties it. Returns a negative errno where the kernel refuses. */
export function putFile(ring: TableRing, update: ResourceUpdate, index: number, fd: number, tag = 0n): number {
  update.setFile(index, fd, tag);
  return ring.register(IORING_REGISTER_FILES_UPDATE2, update.words, ResourceUpdate.BYTES);
}

/** A request's user_data, by which the kernel tells that it has let go of a resource; 0 for none. */
export function tagOf(request: RingRequest | null): bigint {
  return request === null ? 0n : (BigInt(request.generation) << 32n) | BigInt(request.slot);
}
