import type { BlockDevice } from '../block-device.js';
import { type BlockIo, IO_STARTED } from '../block-io.js';
import { type NestedOwner, startChild } from '../nested-io.js';
import type { MirrorHalf } from './mirror-half.js';
import { MirrorIo } from './mirror-io.js';

/** The requests of a mirror to its halves: as many as `maxInFlight` and the number of halves let there be. */
export class MirrorChildren {
  readonly #owner: NestedOwner;
  readonly #made: MirrorIo[] = [];
  readonly #free: MirrorIo[] = [];

  constructor(owner: NestedOwner) {
    this.#owner = owner;
  }

  take(): MirrorIo {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const made = new MirrorIo(this.#owner);
    this.#made.push(made);
    return made;
  }

  giveBack(child: MirrorIo): void {
    child.parent = null;
    child.buffer = null;
    child.extents = null;
    child.write = null;
    child.half = null;
    child.aborted = false;
    child.abandoned = false;
    if (child.errors.length > 0) child.errors.length = 0;
    this.#free.push(child);
  }

  /** Starts a request to its half. True if it is done already; otherwise its owner is told. */
  start(child: MirrorIo): boolean {
    const half = child.half as MirrorHalf;
    half.inFlight += 1;
    if (!startChild(child, half.device as BlockDevice)) return false;
    return this.ended(child);
  }

  /** A request has come back. False if nobody waits for it any more. */
  ended(child: MirrorIo): boolean {
    (child.half as MirrorHalf).ended();
    if (!child.abandoned) return true;
    this.giveBack(child);
    return false;
  }

  /** Gives a request up: it is no part of anything any more, and is asked to end. */
  abandon(child: MirrorIo): void {
    child.abandoned = true;
    child.parent = null;
    child.write = null;
    child.child?.abort(child);
  }

  /** Those that are under way. For what is rare, and has the time. */
  underWay(isWanted: (child: MirrorIo) => boolean): MirrorIo[] {
    return this.#made.filter((child) => child.state === IO_STARTED && !child.abandoned && isWanted(child));
  }

  /** The first request that a parent has under way. For `abort`, which has the time. */
  of(parent: BlockIo): MirrorIo | undefined {
    return this.#made.find((child) => child.parent === parent);
  }
}
