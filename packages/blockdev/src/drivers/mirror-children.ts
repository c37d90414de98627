import type { BlockDevice } from '../block-device.js';
import { type BlockIo, IO_STARTED } from '../block-io.js';
import { FreeList } from '../free-list.js';
import { forget, type NestedOwner, startChild } from '../nested-io.js';
import type { MirrorHalf } from './mirror-half.js';
import { MirrorIo } from './mirror-io.js';

/** The requests of a mirror to its halves: as many as `maxInFlight` and the number of halves let there be. */
export class MirrorChildren {
  readonly #owner: NestedOwner;
  readonly #made: MirrorIo[] = [];
  /** By the half that they went to last, as they have most of what they need for it still. */
  readonly #free: FreeList<MirrorIo>[] = [];

  constructor(owner: NestedOwner) {
    this.#owner = owner;
  }

  take(half: MirrorHalf): MirrorIo {
    const child = this.#free[half.index]?.take() ?? this.#make(half.index);
    child.half = half;
    return child;
  }

  giveBack(child: MirrorIo): void {
    forget(child);
    if (child.io.extents !== null) child.io.extents = null;
    if (child.write !== null || child.aborted || child.abandoned || child.errors.length > 0) forgetRare(child);
    // It may have gone to another one than the one that it was taken for.
    (this.#free[child.index] as FreeList<MirrorIo>).put(child);
  }

  #make(index: number): MirrorIo {
    while (this.#free.length <= index) this.#free.push(new FreeList());
    const made = new MirrorIo(this.#owner);
    made.index = index;
    this.#made.push(made);
    return made;
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
    child.child?.abort(child.io);
  }

  /** Those that are under way. For what is rare, and has the time. */
  underWay(isWanted: (child: MirrorIo) => boolean): MirrorIo[] {
    return this.#made.filter((child) => child.io.state === IO_STARTED && !child.abandoned && isWanted(child));
  }

  /** The first request that a parent has under way. For `abort`, which has the time. */
  of(parent: BlockIo): MirrorIo | undefined {
    return this.#made.find((child) => child.parent === parent);
  }
}

function forgetRare(child: MirrorIo): void {
  child.write = null;
  child.aborted = false;
  child.abandoned = false;
  child.errors.length = 0;
}
