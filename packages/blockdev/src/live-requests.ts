import { TailQueue } from '@biodone/sync';
import { type BlockIo, type BlockIoOwner, IO_DONE, IO_STARTED } from './block-io.js';

/** How many places more than twice what is live there may be. */
const SPARE_PLACES = 8;

/**
 * The requests that a device has taken and not given back.
 *
 * A request that is started again and again keeps its place in the table as long as the device is busy, so that it is counted and no more. So
 * there are places of requests that are done: until the device is idle, or there are more of them than of others.
 */
export class LiveRequests {
  /** Those that wait here for a quiesced device to be resumed have not been started. */
  readonly held: TailQueue<BlockIo> = new TailQueue<BlockIo>();
  readonly #owner: BlockIoOwner;
  readonly #places: (BlockIo | null)[] = [];
  /** The places from here on are empty. */
  #end = 0;
  #count = 0;
  /** The most there have been. */
  #most = 0;

  /** @param owner what a request's `device` says that is live here */
  constructor(owner: BlockIoOwner) {
    this.#owner = owner;
  }

  get count(): number {
    return this.#count;
  }

  get most(): number {
    return this.#most;
  }

  /** Forgets the most there have been. */
  resetMost(): void {
    this.#most = this.#count;
  }

  /** Returns how many there are now. */
  add(io: BlockIo): number {
    const count = this.#count + 1;
    this.#count = count;
    if (count > this.#most) this.#most = count;
    if (this.#places[io.liveIndex] !== io) this.#settle(io);
    return count;
  }

  /** Returns how many there are left. */
  remove(): number {
    const count = this.#count - 1;
    this.#count = count;
    // Nobody's request is to be held by a place that nobody uses.
    if (count === 0) this.#clear();
    return count;
  }

  /** A copy of the list, for what may change it. */
  all(): BlockIo[] {
    return this.#places.slice(0, this.#end).filter((io, place) => io !== null && this.#isLive(io, place)) as BlockIo[];
  }

  /** Whether one of them, that has been started, is so. */
  some(isSo: (io: BlockIo) => boolean): boolean {
    for (let place = 0; place < this.#end; place++) {
      const io = this.#places[place] as BlockIo;
      if (this.#isLive(io, place) && io.queue !== this.held && isSo(io)) return true;
    }
    return false;
  }

  /** Whether the request at a place has not been given back. It may have gone to another device since, and have another place there. */
  #isLive(io: BlockIo, place: number): boolean {
    if (io.device !== this.#owner || io.liveIndex !== place) return false;
    // One that is done and in a queue has its callback still to be called.
    return io.state === IO_STARTED || (io.state === IO_DONE && io.queue !== null);
  }

  #settle(io: BlockIo): void {
    if (this.#end >= 2 * this.#count + SPARE_PLACES) this.#compact();
    io.liveIndex = this.#end;
    this.#places[this.#end] = io;
    this.#end += 1;
  }

  #compact(): void {
    const places = this.#places;
    const end = this.#end;
    this.#end = 0;
    for (let place = 0; place < end; place++) {
      const io = places[place] as BlockIo;
      places[place] = null;
      if (!this.#isLive(io, place)) continue;
      io.liveIndex = this.#end;
      places[this.#end] = io;
      this.#end += 1;
    }
  }

  #clear(): void {
    for (let place = 0; place < this.#end; place++) this.#places[place] = null;
    this.#end = 0;
  }
}
