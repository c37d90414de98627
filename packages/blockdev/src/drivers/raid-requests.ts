import type { TailQueueEntry } from '@biodone/sync';
import { ECANCELED } from '@biodone/uring';
import { beginSubmit, endSubmit } from '../biodone.js';
import { type AbortVerdict, BLOCK_DISCARD, type BlockIo, IO_DONE } from '../block-io.js';
import { FreeList } from '../free-list.js';
import type { RaidSet } from './raid-set.js';
import type { RaidStripe, StripeJob } from './raid-stripe.js';
import type { RaidStripes } from './raid-stripes.js';

/** How many parts of one request are worked on at a time. */
const PARTS_AT_ONCE = 16;

/** What the parts of requests need of the raid. */
export interface RowParts {
  readonly set: RaidSet;
  readonly stripes: RaidStripes;
}

/** A request on its way. If several parts fail, it has the error of the lowest, and what was moved before it (rule 12). */
class RowRequest {
  parent: BlockIo | null = null;
  position = 0;
  end = 0;
  outstanding = 0;
  issuing = false;
  error = 0;
  errorPosition = 0;

  fail(position: number, error: number): void {
    if (position >= this.errorPosition) return;
    this.error = error;
    this.errorPosition = position;
  }
}

/** The part of a request that lies in one row. */
export abstract class RowPart implements StripeJob {
  request: RowRequest | null = null;
  row = 0;
  isPartial = false;
  /** Where in the row's data it begins and ends, and where in its request. */
  begins = 0;
  ends = 0;
  position = 0;
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  protected readonly set: RaidSet;
  protected readonly stripes: RaidStripes;
  protected stripe: RaidStripe | null = null;
  readonly #owner: RowRequests<RowPart>;

  constructor({ set, stripes }: RowParts, owner: RowRequests<RowPart>) {
    this.set = set;
    this.stripes = stripes;
    this.#owner = owner;
  }

  abstract begin(stripe: RaidStripe): void;
  abstract loaded(error: number): void;
  abstract stored(error: number): void;
  /** Asks for the end of what has begun, where that does no harm. */
  abstract stop(): void;

  get io(): BlockIo {
    return this.request?.parent as BlockIo;
  }

  /** Ends it, if it waits; or asks for its end. */
  abort(): void {
    if (this.stripes.cancel(this)) this.end(ECANCELED);
    else if (this.stripe !== null) this.stop();
  }

  /** Gives the row back. */
  protected leaveRow(): void {
    const { stripe } = this;
    this.stripe = null;
    if (stripe !== null) this.stripes.leave(stripe);
  }

  end(error: number): void {
    this.#owner.partDone(this, error);
  }
}

/** Requests that are cut into parts of rows: some of them are worked on at a time, each when its row is free. */
export class RowRequests<Part extends RowPart> {
  readonly #set: RaidSet;
  readonly #stripes: RaidStripes;
  readonly #make: (owner: RowRequests<RowPart>) => Part;
  readonly #done: (io: BlockIo, error: number) => void;
  /** What a part does not cross, and whether what is less is `isPartial`. */
  readonly #unitBytes: number;
  readonly #isPlugged: boolean;
  readonly #free = new FreeList<RowRequest>();
  readonly #freeParts = new FreeList<Part>();
  /** All there are, for `abort`. */
  readonly #all: RowRequest[] = [];
  readonly #allParts: Part[] = [];

  constructor(
    { set, stripes }: RowParts,
    unitBytes: number,
    isPlugged: boolean,
    make: (owner: RowRequests<RowPart>) => Part,
    done: (io: BlockIo, error: number) => void,
  ) {
    this.#set = set;
    this.#stripes = stripes;
    this.#unitBytes = unitBytes;
    this.#isPlugged = isPlugged;
    this.#make = make;
    this.#done = done;
  }

  start(io: BlockIo): void {
    this.#issue(this.#take(io));
  }

  /** Does it in the calling thread, and returns the error: `busy` where it would have to wait. */
  run(io: BlockIo, busy: number): number {
    const request = this.#take(io);
    while (request.error === 0 && request.position < request.end) {
      const part = this.#cut(request);
      if (!this.#stripes.enterNow(part)) part.end(busy);
    }
    const { error } = request;
    this.#end(request);
    return error;
  }

  /** Whether somebody has a row of a range. */
  isTaken(io: BlockIo): boolean {
    const { rowBytes } = this.#set.geometry;
    const last = Math.floor((io.offset + Math.max(1, io.lengthBytes) - 1) / rowBytes);
    for (let row = Math.floor(io.offset / rowBytes); row <= last; row++) if (this.#stripes.isTaken(row)) return true;
    return false;
  }

  /** Asks for the end of a request; undefined if it is none of these. */
  abort(io: BlockIo): AbortVerdict | undefined {
    const request = this.#all.find(({ parent }) => parent === io);
    if (request === undefined) return undefined;
    request.fail(request.position, ECANCELED);
    // What ends at once comes back by the queue of done requests, not in the middle of this.
    beginSubmit();
    try {
      for (const part of this.#allParts) if (part.request === request) part.abort();
    } finally {
      endSubmit();
    }
    return io.state === IO_DONE ? 'cancelled' : 'in-progress';
  }

  /** For parts alone. */
  partDone(part: RowPart, error: number): void {
    const request = part.request as RowRequest;
    if (error !== 0) request.fail(part.position, error);
    part.request = null;
    this.#freeParts.put(part as Part);
    request.outstanding -= 1;
    if (!this.#set.inThread) this.#issue(request);
  }

  #take(io: BlockIo): RowRequest {
    let request = this.#free.take();
    if (request === null) {
      request = new RowRequest();
      this.#all.push(request);
    }
    request.parent = io;
    request.position = 0;
    request.end = io.lengthBytes;
    request.outstanding = 0;
    request.error = 0;
    request.errorPosition = Number.POSITIVE_INFINITY;
    if (io.operation === BLOCK_DISCARD) this.#skipPartialRows(request);
    return request;
  }

  /** Part of a row would have to be written to go with its parity: a discard is advice, and leaves it out. */
  #skipPartialRows(request: RowRequest): void {
    const { dataCount, rowBytes } = this.#set.geometry;
    if (dataCount === 1) return;
    const { offset, lengthBytes } = request.parent as BlockIo;
    request.position = Math.ceil(offset / rowBytes) * rowBytes - offset;
    request.end = Math.floor((offset + lengthBytes) / rowBytes) * rowBytes - offset;
  }

  #issue(request: RowRequest): void {
    // What is done at once comes back in here.
    if (request.issuing) return;
    request.issuing = true;
    while (request.error === 0 && request.position < request.end && request.outstanding < PARTS_AT_ONCE) {
      this.#stripes.enter(this.#cut(request));
    }
    request.issuing = false;
    if (request.outstanding > 0) return;
    const { error } = request;
    this.#done(this.#end(request), error);
  }

  /** The next part. */
  #cut(request: RowRequest): Part {
    let part = this.#freeParts.take();
    if (part === null) {
      part = this.#make(this as unknown as RowRequests<RowPart>);
      this.#allParts.push(part);
    }
    const unit = this.#unitBytes;
    const { rowBytes } = this.#set.geometry;
    const offset = (request.parent as BlockIo).offset + request.position;
    const row = Math.floor(offset / rowBytes);
    const begin = offset - row * rowBytes;
    const length = Math.min(unit - (begin % unit), request.end - request.position);
    part.request = request;
    part.row = row;
    part.begins = begin;
    part.ends = begin + length;
    part.position = request.position;
    part.isPartial = this.#isPlugged && length < unit;
    request.position += length;
    request.outstanding += 1;
    return part;
  }

  #end(request: RowRequest): BlockIo {
    const io = request.parent as BlockIo;
    io.transferredBytes = request.error === 0 ? io.lengthBytes : request.errorPosition;
    request.parent = null;
    this.#free.put(request);
    return io;
  }
}
