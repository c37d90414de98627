import { biodone } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
import type { AbortVerdict, BlockIo } from '../block-io.js';
import { type WholeOwner, WholeRequests } from '../whole-requests.js';
import type { HalfReads, MirrorHalf } from './mirror-half.js';

/** Takes over a read of which a half could not read all. `aborted` says whether somebody wants it to end. */
export type TakeOver = (parent: BlockIo, half: MirrorHalf, error: number, transferredBytes: number, aborted: boolean) => void;

/** Reads of a mirror that one half does, as almost all. What fails goes to those who ask the others. */
export class PlainReads implements HalfReads, WholeOwner {
  readonly #half: MirrorHalf;
  readonly #requests: WholeRequests;
  readonly #takeOver: TakeOver;
  /** Those that somebody wants to end. */
  readonly #aborted = new Set<BlockIo>();

  constructor(half: MirrorHalf, takeOver: TakeOver) {
    this.#half = half;
    this.#requests = new WholeRequests(half.device as BlockDevice, half.claim, this);
    this.#takeOver = takeOver;
  }

  start(io: BlockIo): void {
    this.#half.inFlight += 1;
    this.#requests.start(io, io.offset);
  }

  /** For child requests alone. */
  wholeDone(parent: BlockIo, error: number, transferredBytes: number): void {
    this.#half.ended();
    const aborted = this.#aborted.size > 0 && this.#aborted.delete(parent);
    if (error !== 0 || transferredBytes !== parent.lengthBytes) {
      this.#takeOver(parent, this.#half, error, transferredBytes, aborted);
      return;
    }
    parent.transferredBytes = transferredBytes;
    biodone(parent, 0);
  }

  /** Asks for the end of a read; undefined if it is none of these. Between beginSubmit() and endSubmit(). */
  abort(parent: BlockIo): AbortVerdict | undefined {
    const io = this.#requests.of(parent);
    if (io === undefined) return undefined;
    this.#aborted.add(parent);
    return this.#half.device?.abort(io);
  }

  /** Asks for the end of all that are under way. Between beginSubmit() and endSubmit(). */
  abandon(): void {
    for (const io of this.#requests.underWay()) this.#half.device?.abort(io);
  }
}
