import type { TailQueueEntry } from '@biodone/sync';
import { ECANCELED } from '@biodone/uring';
import { beginSubmit, endSubmit } from './biodone.js';
import type { BlockDevice } from './block-device.js';
import { type AbortVerdict, BLOCK_EXTENTS, BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockIo } from './block-io.js';
import type { BlockClaim } from './claims.js';
import { ExtentList } from './extent-list.js';
import { aim, type Layout, type NestedIo, type NestedPool, startChild } from './nested-io.js';

/** How many child requests of one request are under way at a time. */
const CHILDREN_AT_ONCE = 8;

/** How many devices' answers one BLOCK_EXTENTS is put together from at most: who asks goes on where the answer ends. */
const ANSWERS_MAX = 1024;

/** The devices of a {@link NestedTransfer}. */
interface TransferChildren {
  readonly count: number;
  device(index: number): BlockDevice;
  claim(index: number): BlockClaim | null;
}

/** What a {@link NestedTransfer} needs of the device that it works for. */
export interface TransferParts {
  readonly children: TransferChildren;
  readonly layout: Layout;
  readonly pool: NestedPool;
  /** The request is done; `error` and `transferredBytes` are for it. */
  readonly done: (transfer: NestedTransfer, error: number) => void;
}

/**
 * The work on a request that takes several child requests. A range goes to the devices in its order, some parts at a time; a flush goes to
 * all of them.
 *
 * If several children fail, the request has the error of the one at the lowest position, and what was moved before it (rule 12). A read that
 * is short ends the transfer there.
 */
export class NestedTransfer implements TailQueueEntry {
  parent: BlockIo | null = null;
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  readonly #parts: TransferParts;
  /** Up to where the range has been handed out: in bytes, of a flush in devices. */
  #position = 0;
  #end = 0;
  #outstanding = 0;
  #error = 0;
  #errorPosition = 0;
  #answers = 0;
  #extents: ExtentList | null = null;

  constructor(parts: TransferParts) {
    this.#parts = parts;
  }

  /** Starts the work. It completes by `parts.done`, perhaps before this returns. */
  begin(parent: BlockIo): void {
    this.#set(parent);
    this.resume();
  }

  /** Goes on, at the beginning or after it has stood in line. */
  resume(): void {
    if (this.#issue()) this.#finish();
  }

  /** Does all of the work in the calling thread, and returns the error. */
  runSync(parent: BlockIo): number {
    const { pool } = this.#parts;
    this.#set(parent);
    const nested = pool.takeSync();
    while (this.#hasMore()) {
      this.#cut(nested).strategySync(nested.io);
      this.#absorb(nested);
    }
    pool.giveBackSync(nested);
    return this.#result();
  }

  /** Takes a child request that is done. */
  advance(nested: NestedIo): void {
    const { pool } = this.#parts;
    this.#outstanding -= 1;
    this.#absorb(nested);
    pool.giveBack(nested);
    // Those in line come first, or one long request could keep all child requests to itself.
    pool.serve();
    this.resume();
  }

  /** Hands nothing more out; what is under way is asked to end. */
  abort(): AbortVerdict {
    this.#fail(this.#position, ECANCELED);
    if (this.#parts.pool.leave(this)) {
      this.#finish();
      return 'cancelled';
    }
    const { parent } = this;
    beginSubmit();
    try {
      if (parent !== null) this.#parts.pool.eachOf(parent, ({ child, io }) => child?.abort(io));
    } finally {
      endSubmit();
    }
    return 'in-progress';
  }

  #set(parent: BlockIo): void {
    this.parent = parent;
    this.#position = 0;
    this.#end = parent.operation === BLOCK_FLUSH ? this.#parts.children.count : parent.lengthBytes;
    this.#outstanding = 0;
    this.#error = 0;
    this.#errorPosition = Number.POSITIVE_INFINITY;
    this.#answers = 0;
    if (parent.operation !== BLOCK_EXTENTS) return;
    parent.extents?.clear();
    this.#extents ??= new ExtentList();
  }

  #hasMore(): boolean {
    if (this.#position >= this.#end) return false;
    // A flush goes to all, whatever becomes of some.
    return this.#error === 0 || this.parent?.operation === BLOCK_FLUSH;
  }

  /** Hands parts out, as many as may be. True if the request is done. */
  #issue(): boolean {
    const { pool } = this.#parts;
    // Where an answer ends says where the next question begins.
    const most = this.parent?.operation === BLOCK_EXTENTS ? 1 : CHILDREN_AT_ONCE;
    while (this.#outstanding < most && this.#hasMore()) {
      const nested = pool.take(this.#nextIndex());
      if (nested === null) {
        if (this.#outstanding > 0) return false;
        pool.await(this);
        return false;
      }
      nested.transfer = this;
      if (startChild(nested, this.#cut(nested))) {
        this.#absorb(nested);
        pool.giveBack(nested);
      } else {
        this.#outstanding += 1;
      }
    }
    return this.#outstanding === 0;
  }

  /** Which device has the next part. */
  #nextIndex(): number {
    const { parent } = this;
    if (parent?.operation === BLOCK_FLUSH) return this.#position;
    const { layout } = this.#parts;
    layout.locate((parent as BlockIo).offset + this.#position);
    return layout.index;
  }

  /** Aims at the next part, and says which device has it. */
  #cut(nested: NestedIo): BlockDevice {
    const parent = this.parent as BlockIo;
    const { layout } = this.#parts;
    if (parent.operation === BLOCK_FLUSH) {
      const index = this.#position;
      this.#position += 1;
      return this.#aim(nested, index, 0, index, 0);
    }
    const position = this.#position;
    layout.locate(parent.offset + position);
    const length = Math.min(layout.lengthBytes, this.#end - position);
    const child = this.#aim(nested, layout.index, layout.offset, position, length);
    if (parent.operation === BLOCK_EXTENTS) nested.io.extents = this.#extents;
    else this.#position += length;
    return child;
  }

  #aim(nested: NestedIo, index: number, offset: number, position: number, lengthBytes: number): BlockDevice {
    const { children } = this.#parts;
    const child = children.device(index);
    aim(nested, this.parent as BlockIo, child, children.claim(index), offset, position, lengthBytes);
    return child;
  }

  /** Takes what has become of a part. */
  #absorb(nested: NestedIo): void {
    const { io, position } = nested;
    const { operation, error, transferredBytes } = io;
    if (error !== 0) {
      this.#fail(operation === BLOCK_FLUSH ? position : position + transferredBytes, error);
    } else if (operation === BLOCK_EXTENTS) {
      this.#join(nested);
    } else if ((operation === BLOCK_READ || operation === BLOCK_WRITE) && transferredBytes < io.lengthBytes) {
      this.#end = Math.min(this.#end, position + transferredBytes);
    }
  }

  /** Adds a device's extents to the request's, at their places in the whole. */
  #join({ io, position }: NestedIo): void {
    const parent = this.parent as BlockIo;
    const answer = this.#extents as ExtentList;
    const shift = parent.offset + position - io.offset;
    const begin = this.#position;
    const length = Math.min(io.transferredBytes, io.lengthBytes);
    for (let index = 0; index < answer.count; index++) {
      const from = Math.max(answer.offset(index), io.offset);
      const to = Math.min(answer.offset(index) + answer.lengthBytes(index), io.offset + length);
      if (to <= from) continue;
      if (parent.extents?.add(from + shift, to - from, answer.kind(index)) !== true) {
        this.#end = this.#position;
        return;
      }
      this.#position += to - from;
    }
    this.#answers += 1;
    if (this.#position === begin || this.#answers === ANSWERS_MAX) this.#end = this.#position;
  }

  #fail(position: number, error: number): void {
    if (position >= this.#errorPosition) return;
    this.#error = error;
    this.#errorPosition = position;
  }

  #finish(): void {
    this.#parts.done(this, this.#result());
  }

  /** The error, with what was moved before it. What lies behind the end of a short read does not count. */
  #result(): number {
    const parent = this.parent as BlockIo;
    // At the end is a stable write that has moved all of it, and whose flush has failed (rule 8).
    const error = this.#errorPosition <= this.#end ? this.#error : 0;
    const moved = Math.min(this.#end, this.#errorPosition);
    parent.transferredBytes = parent.operation === BLOCK_FLUSH ? 0 : moved;
    return error;
  }
}
