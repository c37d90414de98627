import { TailQueue, type TailQueueEntry } from '@biodone/sync';
import { IoBuffer } from '@biodone/uring';
import { BlockIo } from './block-io.js';

/** What pieces are parts of, and who stands in line for them. */
export interface PieceOwner extends TailQueueEntry {
  /** The driver has done what it was asked for a piece. */
  advance(piece: Piece): void;
  /** There is a piece to be had. */
  resume(): void;
}

/** A part of a request on its way to the driver: a nestiobuf(9). It has memory of its own, for what cannot go to the driver as it is. */
export class Piece extends BlockIo {
  /** What it is a part of. */
  layered: PieceOwner | null = null;
  /** Where in the parent's range this part begins, and how long it is. */
  position = 0;
  partBytes = 0;
  /** How much of the part has been done, where that takes several requests to the driver. */
  doneBytes = 0;
  /** What the driver does at the moment: see layered-io.ts. */
  phase = 0;
  #own: IoBuffer | null = null;

  /** Memory that is fit for the driver. */
  bounce(lengthBytes: number): IoBuffer {
    if (this.#own === null || this.#own.lengthBytes < lengthBytes) this.#own = IoBuffer.allocate(lengthBytes);
    return this.#own;
  }
}

/**
 * The pieces that a device has, at most so many: they are what limits the memory that splitting and copying takes. Who finds none waits in
 * line, holding none, so that those who hold one always get on (no deadlock, however few there are).
 */
export class PiecePool {
  readonly #max: number;
  readonly #free = new TailQueue<Piece>();
  readonly #freeSync = new TailQueue<Piece>();
  readonly #waiting = new TailQueue<PieceOwner>();
  #made = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** A piece, or null if all are in use. */
  take(): Piece | null {
    const free = this.#free.removeFirst();
    if (free !== null || this.#made === this.#max) return free;
    this.#made += 1;
    return new Piece();
  }

  /** A piece for a synchronous request, which cannot wait for one. */
  takeSync(): Piece {
    return this.#freeSync.removeFirst() ?? new Piece();
  }

  giveBack(piece: Piece): void {
    forget(piece);
    this.#free.insertHead(piece);
  }

  giveBackSync(piece: Piece): void {
    forget(piece);
    this.#freeSync.insertHead(piece);
  }

  /** Puts a request in line that has no piece. */
  await(layered: PieceOwner): void {
    this.#waiting.insertTail(layered);
  }

  /** Takes it out again. False if it is not in line. */
  leave(layered: PieceOwner): boolean {
    if (layered.queue !== this.#waiting) return false;
    this.#waiting.remove(layered);
    return true;
  }

  /** The next in line, if a piece is free for it. */
  next(): PieceOwner | null {
    return this.#free.isEmpty ? null : this.#waiting.removeFirst();
  }
}

/** Nobody's memory is to be held by a piece that nobody uses. */
function forget(piece: Piece): void {
  piece.layered = null;
  piece.buffer = null;
  piece.vector = null;
}
