import type { TailQueueEntry } from '@biodone/sync';
import { ECANCELED, EINVAL, ENOTSUP, type IoBuffer } from '@biodone/uring';
import { beginSubmit, endSubmit } from './biodone.js';
import {
  BLOCK_ATOMIC,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_FAST_ONLY,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_NOWAIT,
  BLOCK_READ,
  BLOCK_SYNC,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockIo,
} from './block-io.js';
import type { DriverPort } from './driver-port.js';
import { EILSEQ } from './errno.js';
import type { BlockCapabilities, BlockLimits } from './limits.js';
import { find, firstDifference, gather, place, scatter } from './memory-parts.js';
import type { Piece, PieceOwner, PiecePool } from './piece.js';

/** How many pieces of one request are with the driver at a time. */
const PIECES_AT_ONCE = 8;

/** What a request goes through, one after the other. */
type Pass = 'read' | 'write' | 'zero' | 'zero-natively' | 'discard' | 'compare' | 'flush';

/** What holds for each piece of a transfer, whatever the driver makes of {@link BLOCK_FUA}. */
const FLAGS_OF_PIECES = BLOCK_NOWAIT | BLOCK_ATOMIC;

/** What the driver is doing for a piece. */
const NOTHING_YET = 0;
const ITS_PART = 1;
const A_READ_TO_COPY_FROM = 2;
const A_READ_TO_CHANGE = 3;
const A_WRITE_OF_A_COPY = 4;

/** What a {@link LayeredIo} needs of the device that it works for. */
export interface LayerParts {
  readonly port: DriverPort;
  readonly pool: PiecePool;
  /** As they are now: the size can change. */
  limits: Required<BlockLimits>;
  readonly capabilities: Required<BlockCapabilities>;
  /** How much a piece copies at a time, at most: a multiple of the driver's unit. */
  readonly bounceBytes: number;
  /** Zeros, `bounceBytes` of them. */
  readonly zeros: () => IoBuffer;
  /** A request is done. */
  readonly done: (layered: LayeredIo, error: number) => void;
}

/**
 * The work on a request that the driver cannot take as it is: it is cut into pieces that fit, its memory is copied where it is not aligned, and
 * what the driver does not do is done by what it does. The same steps serve the asynchronous and the synchronous way.
 *
 * If several pieces fail, the request has the error of the one at the lowest position, and what was moved before it (rule 12).
 */
export class LayeredIo implements PieceOwner {
  parent: BlockIo | null = null;
  /** Whether no other write may touch the range meanwhile. */
  exclusive = false;
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  readonly #parts: LayerParts;
  #passes: readonly Pass[] = [];
  #pass: Pass = 'read';
  #passIndex = 0;
  /** Up to where the pass has been handed out. */
  #position = 0;
  /** Where it ends: earlier than asked for where a read found the end of a file. */
  #end = 0;
  #outstanding = 0;
  #error = 0;
  #errorPosition = 0;
  /** Whether somebody wanted it to end. */
  #aborted = false;
  /** How much the pass before a flush at the end has moved. */
  #movedBytes = 0;
  readonly #pieces: (Piece | null)[] = new Array<Piece | null>(PIECES_AT_ONCE).fill(null);

  constructor(parts: LayerParts) {
    this.#parts = parts;
  }

  /** Starts the work on a request. It completes by `parts.done`, not before this returns. */
  begin(parent: BlockIo): void {
    this.#set(parent);
    this.#issue();
  }

  /** Does all of the work in the calling thread, and returns the error. */
  runSync(parent: BlockIo): number {
    const { port, pool } = this.#parts;
    this.#set(parent);
    const piece = pool.takeSync();
    piece.layered = this;
    do {
      while (this.#error === 0 && this.#position < this.#end && this.#isWithin()) {
        this.#cut(piece);
        while (this.#prepare(piece)) {
          port.strategySync(piece);
          if (!this.#absorb(piece)) break;
        }
      }
    } while (this.#error === 0 && this.#nextPass());
    pool.giveBackSync(piece);
    return this.#finish();
  }

  /** Goes on after it has stood in line for a piece. */
  resume(): void {
    this.#issue();
  }

  /**
   * Hands nothing more out. What is with the driver completes, and then the request, with ECANCELED unless it has failed before.
   *
   * @returns whether nothing was with the driver
   */
  abort(): boolean {
    this.#aborted = true;
    this.#fail(this.#position, ECANCELED);
    // What ends at once comes back by the queue of done requests, not in the middle of this.
    beginSubmit();
    for (const piece of this.#pieces) if (piece !== null) this.#parts.port.abort(piece);
    endSubmit();
    if (this.#outstanding > 0) return false;
    if (this.#parts.pool.leave(this)) this.#parts.done(this, this.#finish());
    return true;
  }

  /** For the iodone of pieces alone. */
  advance(piece: Piece): void {
    if (this.#absorb(piece) && this.#prepare(piece)) {
      if (!this.#isFutile(piece)) {
        this.#start(piece);
        return;
      }
      if (this.#aborted) this.#fail(piece.position + piece.doneBytes, ECANCELED);
    }
    this.#pieces[this.#pieces.indexOf(piece)] = null;
    this.#outstanding -= 1;
    const { pool } = this.#parts;
    pool.giveBack(piece);
    // Those without a piece come first, or one long request could keep all pieces to itself.
    pool.next()?.resume();
    this.#issue();
  }

  /** Whether what a piece would do next is of no use any more: the request is to end, or has failed at a lower position. */
  #isFutile(piece: Piece): boolean {
    return this.#error !== 0 && (this.#aborted || piece.position >= this.#errorPosition);
  }

  #set(parent: BlockIo): void {
    this.parent = parent;
    this.#aborted = false;
    this.#movedBytes = 0;
    this.#passes = passesOf(parent, this.#parts);
    this.#passIndex = -1;
    this.#error = 0;
    this.#errorPosition = Number.POSITIVE_INFINITY;
    this.#outstanding = 0;
    this.#nextPass();
  }

  #nextPass(): boolean {
    if (this.#passIndex + 1 === this.#passes.length) return false;
    this.#movedBytes = this.#pass === 'discard' ? (this.parent as BlockIo).lengthBytes : this.#end;
    this.#passIndex += 1;
    this.#pass = this.#passes[this.#passIndex] as Pass;
    this.#position = 0;
    this.#end = this.#pass === 'flush' ? 1 : (this.parent as BlockIo).lengthBytes;
    if (this.#pass === 'discard') this.#skipPartialUnits(this.parent as BlockIo);
    return true;
  }

  /** Part of a unit cannot be discarded without the rest of it; a discard may leave out what it likes. */
  #skipPartialUnits({ offset, lengthBytes }: BlockIo): void {
    const unit = this.#parts.limits.transferUnitBytes;
    this.#position = ceilTo(offset, unit) - offset;
    this.#end = Math.max(this.#position, floorTo(offset + lengthBytes, unit) - offset);
  }

  /** Hands pieces out, as many as may be; the last to come back ends the pass. */
  #issue(): void {
    const { pool } = this.#parts;
    while (this.#error === 0 && this.#position < this.#end && this.#outstanding < PIECES_AT_ONCE && this.#isWithin()) {
      const piece = pool.take();
      if (piece === null) {
        if (this.#outstanding === 0) pool.await(this);
        return;
      }
      piece.layered = this;
      piece.iodone = pieceDone;
      this.#pieces[this.#pieces.indexOf(null)] = piece;
      this.#outstanding += 1;
      this.#cut(piece);
      this.#prepare(piece);
      this.#start(piece);
    }
    if (this.#outstanding > 0) return;
    if (this.#error === 0 && this.#nextPass()) this.#issue();
    else this.#parts.done(this, this.#finish());
  }

  #start(piece: Piece): void {
    // What completes inside strategy() comes back by the queue of done requests, so this does not go deeper and deeper.
    beginSubmit();
    try {
      this.#parts.port.strategy(piece);
    } finally {
      endSubmit();
    }
  }

  /** The error, with what was moved before it. */
  #finish(): number {
    const parent = this.parent as BlockIo;
    // A flush at the end moves nothing: the write before it is whole, and not stable.
    parent.transferredBytes = this.#pass === 'flush' ? this.#movedBytes : Math.min(this.#end, this.#errorPosition);
    if (this.#passes[0] === 'compare' && this.#pass === 'compare' && this.#error !== EILSEQ) parent.transferredBytes = 0;
    if (this.#passes[0] === 'flush') parent.transferredBytes = 0;
    if (this.#pass === 'discard' && this.#error === 0) parent.transferredBytes = parent.lengthBytes;
    return this.#error;
  }

  #fail(position: number, error: number): void {
    if (position >= this.#errorPosition) return;
    this.#error = error;
    this.#errorPosition = position;
  }

  /** Whether the device has not become too small for what is left. If it has, the request fails as if it came only now. */
  #isWithin(): boolean {
    const { sizeBytes } = this.#parts.limits;
    if (sizeBytes === null || this.#pass === 'flush') return true;
    if ((this.parent as BlockIo).offset + this.#position < sizeBytes) return true;
    this.#fail(this.#position, EINVAL);
    return false;
  }

  /** Decides what the next piece is: it does not cross what the driver has for limits, and can be moved in one go. */
  #cut(piece: Piece): void {
    const parent = this.parent as BlockIo;
    const { limits, bounceBytes } = this.#parts;
    const offset = parent.offset + this.#position;
    const unit = limits.transferUnitBytes;
    let length = this.#end - this.#position;
    piece.position = this.#position;
    piece.doneBytes = 0;
    piece.phase = NOTHING_YET;
    piece.claim = parent.claim;
    if (limits.boundaryBytes > 0) length = Math.min(length, limits.boundaryBytes - (offset % limits.boundaryBytes));
    if (this.#pass === 'discard') {
      length = Math.min(length, limits.maxDiscardBytes);
    } else if (this.#pass === 'zero-natively') {
      length = Math.min(length, limits.maxZeroesBytes);
    } else if (this.#pass !== 'flush') {
      const lead = offset % unit;
      const direct = lead === 0 ? this.#directLength(length) : 0;
      if (direct > 0) length = direct;
      else if (lead > 0 || length < unit) length = Math.min(length, unit - lead);
      else length = floorTo(Math.min(length, bounceBytes), unit);
    }
    piece.partBytes = length;
    this.#position += length;
  }

  /** How much can be moved between the driver and the request's own memory; 0 where it has to be copied. */
  #directLength(length: number): number {
    if (this.#pass !== 'read' && this.#pass !== 'write') return 0;
    const { limits } = this.#parts;
    const { transferUnitBytes, maxTransferBytes, memoryAlignmentBytes } = limits;
    find(this.parent as BlockIo, this.#position);
    const address = (place.buffer?.address ?? 0) + place.offset;
    if (memoryAlignmentBytes > 1 && address % memoryAlignmentBytes !== 0) return 0;
    return floorTo(Math.min(length, place.lengthBytes, maxTransferBytes), transferUnitBytes);
  }

  /** Makes the piece the next request to the driver that its part takes. False if there is none. */
  #prepare(piece: Piece): boolean {
    if (piece.phase === ITS_PART || piece.phase === A_READ_TO_COPY_FROM || piece.phase === A_WRITE_OF_A_COPY) {
      return this.#pass === 'zero-natively' && piece.doneBytes < piece.partBytes && this.#prepareZeros(piece);
    }
    const parent = this.parent as BlockIo;
    const { bounceBytes, capabilities, limits } = this.#parts;
    const unit = limits.transferUnitBytes;
    piece.flags = 0;
    piece.offset = parent.offset + piece.position;
    piece.lengthBytes = piece.partBytes;
    // Where the driver does not know BLOCK_FUA, a flush follows.
    const flags = capabilities.fua === 'native' ? parent.flags : parent.flags & ~BLOCK_SYNC;
    switch (this.#pass) {
      case 'flush':
        piece.flags = (parent.flags & BLOCK_SYNC) === BLOCK_SYNC ? BLOCK_SYNC : 0;
        return this.#plain(piece, BLOCK_FLUSH);
      case 'discard':
        piece.flags = flags;
        return this.#plain(piece, BLOCK_DISCARD);
      case 'zero-natively':
        piece.flags = flags;
        return this.#plain(piece, BLOCK_WRITE_ZEROES);
      case 'zero':
        if (piece.offset % unit === 0 && piece.partBytes % unit === 0) {
          piece.buffer = this.#parts.zeros();
          piece.bufferOffset = 0;
          return this.#write(piece, ITS_PART);
        }
        return this.#change(piece);
      case 'read':
        if (this.#isDirect(piece)) return this.#direct(piece, BLOCK_READ);
        return this.#readCopy(piece);
      case 'compare':
        return this.#readCopy(piece);
      default:
        if (this.#isDirect(piece)) return this.#direct(piece, BLOCK_WRITE);
        if (piece.offset % unit === 0 && piece.partBytes % unit === 0) {
          piece.buffer = piece.bounce(bounceBytes);
          piece.bufferOffset = 0;
          gather(parent, piece.position, piece.buffer, 0, piece.partBytes);
          return this.#write(piece, A_WRITE_OF_A_COPY);
        }
        return this.#change(piece);
    }
  }

  #isDirect(piece: Piece): boolean {
    const parent = this.parent as BlockIo;
    const { transferUnitBytes, memoryAlignmentBytes } = this.#parts.limits;
    if (piece.offset % transferUnitBytes !== 0 || piece.partBytes % transferUnitBytes !== 0) return false;
    find(parent, piece.position);
    return (
      place.lengthBytes >= piece.partBytes &&
      (memoryAlignmentBytes <= 1 || ((place.buffer?.address ?? 0) + place.offset) % memoryAlignmentBytes === 0)
    );
  }

  #plain(piece: Piece, operation: typeof BLOCK_FLUSH | typeof BLOCK_DISCARD | typeof BLOCK_WRITE_ZEROES): boolean {
    piece.operation = operation;
    piece.buffer = null;
    piece.phase = ITS_PART;
    return true;
  }

  #direct(piece: Piece, operation: typeof BLOCK_READ | typeof BLOCK_WRITE): boolean {
    piece.buffer = place.buffer;
    piece.bufferOffset = place.offset;
    if (operation === BLOCK_WRITE) return this.#write(piece, ITS_PART);
    piece.operation = operation;
    piece.flags = (this.parent as BlockIo).flags & FLAGS_OF_PIECES;
    piece.phase = ITS_PART;
    return true;
  }

  #write(piece: Piece, phase: number): boolean {
    piece.operation = BLOCK_WRITE;
    // Where the driver does not know it, a flush follows.
    const kept = this.#parts.capabilities.fua === 'native' ? BLOCK_SYNC | FLAGS_OF_PIECES : FLAGS_OF_PIECES;
    piece.flags = (this.parent as BlockIo).flags & kept;
    piece.phase = phase;
    return true;
  }

  /** Reads whole units into the piece's own memory. */
  #readCopy(piece: Piece): boolean {
    const unit = this.#parts.limits.transferUnitBytes;
    const lead = piece.offset % unit;
    piece.operation = BLOCK_READ;
    piece.flags = (this.parent as BlockIo).flags & BLOCK_NOWAIT;
    piece.buffer = piece.bounce(this.#parts.bounceBytes);
    piece.bufferOffset = 0;
    piece.offset -= lead;
    piece.lengthBytes = ceilTo(lead + piece.partBytes, unit);
    piece.phase = A_READ_TO_COPY_FROM;
    return true;
  }

  /** Writes part of a unit: reads the unit, changes it, and writes it. */
  #change(piece: Piece): boolean {
    const parent = this.parent as BlockIo;
    const lead = (parent.offset + piece.position) % this.#parts.limits.transferUnitBytes;
    if (piece.phase === NOTHING_YET) {
      this.#readCopy(piece);
      piece.phase = A_READ_TO_CHANGE;
      return true;
    }
    const buffer = piece.buffer as IoBuffer;
    const unit = this.#parts.limits.transferUnitBytes;
    // Behind the end of a file there is nothing yet.
    if (piece.transferredBytes < unit) buffer.bytes.fill(0, piece.transferredBytes, unit);
    if (this.#pass === 'zero') buffer.bytes.fill(0, lead, lead + piece.partBytes);
    else gather(parent, piece.position, buffer, lead, piece.partBytes);
    piece.offset = parent.offset + piece.position - lead;
    piece.lengthBytes = unit;
    return this.#write(piece, A_WRITE_OF_A_COPY);
  }

  /** The driver has no zeros after all: they are written. */
  #prepareZeros(piece: Piece): boolean {
    const { bounceBytes, limits } = this.#parts;
    const { boundaryBytes } = limits;
    piece.offset = (this.parent as BlockIo).offset + piece.position + piece.doneBytes;
    piece.lengthBytes = Math.min(piece.partBytes - piece.doneBytes, bounceBytes);
    if (boundaryBytes > 0) piece.lengthBytes = Math.min(piece.lengthBytes, boundaryBytes - (piece.offset % boundaryBytes));
    piece.flags = 0;
    piece.buffer = this.#parts.zeros();
    piece.bufferOffset = 0;
    return this.#write(piece, ITS_PART);
  }

  /** Takes what the driver has done for a piece. False if the piece is over, for better or worse. */
  #absorb(piece: Piece): boolean {
    const parent = this.parent as BlockIo;
    const { error, transferredBytes } = piece;
    const unit = this.#parts.limits.transferUnitBytes;
    if (error !== 0) {
      const refused = error === ENOTSUP && piece.operation === BLOCK_WRITE_ZEROES && (parent.flags & BLOCK_FAST_ONLY) === 0;
      if (refused) return true;
      const moved = piece.phase === ITS_PART ? transferredBytes : 0;
      this.#fail(piece.position + piece.doneBytes + moved, error);
      return false;
    }
    if (piece.phase === A_READ_TO_CHANGE) return true;
    if (piece.phase === A_READ_TO_COPY_FROM) {
      const lead = (parent.offset + piece.position) % unit;
      const count = Math.min(piece.partBytes, Math.max(0, transferredBytes - lead));
      if (this.#pass === 'compare') {
        this.#compare(piece, lead, count);
      } else {
        scatter(parent, piece.position, piece.buffer as IoBuffer, lead, count);
        if (count < piece.partBytes) this.#end = Math.min(this.#end, piece.position + count);
      }
      return false;
    }
    if ((piece.operation === BLOCK_READ || piece.operation === BLOCK_WRITE) && transferredBytes < piece.lengthBytes) {
      this.#end = Math.min(this.#end, piece.position + piece.doneBytes + transferredBytes);
      return false;
    }
    piece.doneBytes += piece.operation === BLOCK_WRITE_ZEROES ? piece.partBytes : piece.lengthBytes;
    return true;
  }

  #compare(piece: Piece, lead: number, count: number): void {
    const parent = this.parent as BlockIo;
    const wanted = parent.compare as IoBuffer;
    const at = firstDifference(piece.buffer as IoBuffer, lead, wanted, parent.compareOffset + piece.position, count);
    if (at >= 0) this.#fail(piece.position + at, EILSEQ);
    else if (count < piece.partBytes) this.#fail(piece.position + count, EILSEQ);
  }
}

function pieceDone(io: BlockIo): void {
  const piece = io as Piece;
  piece.layered?.advance(piece);
}

/** What a request goes through. */
function passesOf(io: BlockIo, { capabilities, limits }: LayerParts): readonly Pass[] {
  const unit = limits.transferUnitBytes;
  const aligned = io.offset % unit === 0 && io.lengthBytes % unit === 0;
  const stable = (io.flags & BLOCK_FUA) !== 0 && capabilities.fua === 'emulate';
  switch (io.operation) {
    case BLOCK_READ:
      return READ;
    case BLOCK_DISCARD:
      return stable ? DISCARD_FLUSH : DISCARD;
    case BLOCK_FLUSH:
      return FLUSH;
    case BLOCK_WRITE_ZEROES:
      // The driver may refuse, and then they are written.
      if (capabilities.zeroes !== 'emulate' && aligned) return stable ? ZERO_NATIVELY_FLUSH : ZERO_NATIVELY;
      return stable ? ZERO_FLUSH : ZERO;
    case BLOCK_COMPARE_AND_WRITE:
      return stable ? COMPARE_WRITE_FLUSH : COMPARE_WRITE;
    default:
      return stable ? WRITE_FLUSH : WRITE;
  }
}

const READ: readonly Pass[] = ['read'];
const DISCARD: readonly Pass[] = ['discard'];
const DISCARD_FLUSH: readonly Pass[] = ['discard', 'flush'];
const FLUSH: readonly Pass[] = ['flush'];
const WRITE: readonly Pass[] = ['write'];
const WRITE_FLUSH: readonly Pass[] = ['write', 'flush'];
const ZERO: readonly Pass[] = ['zero'];
const ZERO_FLUSH: readonly Pass[] = ['zero', 'flush'];
const ZERO_NATIVELY: readonly Pass[] = ['zero-natively'];
const ZERO_NATIVELY_FLUSH: readonly Pass[] = ['zero-natively', 'flush'];
const COMPARE_WRITE: readonly Pass[] = ['compare', 'write'];
const COMPARE_WRITE_FLUSH: readonly Pass[] = ['compare', 'write', 'flush'];

function floorTo(value: number, unit: number): number {
  return value - (value % unit);
}

function ceilTo(value: number, unit: number): number {
  return value % unit === 0 ? value : value + unit - (value % unit);
}
