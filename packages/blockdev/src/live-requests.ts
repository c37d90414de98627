import { TailQueue } from '@biodone/sync';
import { isPutOff } from './biodone.js';
import { type BlockIo, type BlockIoOwner, IO_STARTED } from './block-io.js';

/** How many places more than twice what is live there may be. */
const SPARE_PLACES = 8;
/** After how many requests that have ended there may not be more. */
const LOOK_EVERY = 256;

/**
 * The requests that a device has taken and not given back.
 *
 * A request that is started again and again keeps its place in the table as long as the device is busy, so that it is counted and no more. So
 * there are places of requests that are done: until the device is idle, or there are more of them than of others, which is looked at when a
 * request needs a place, and now and then.
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
  /** How many requests end before it is looked whether there are too many places. */
  #untilLook = LOOK_EVERY;

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
    else if (--this.#untilLook < 0) this.#look();
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
    // In another queue, a request that is done is its requester's.
    return io.state === IO_STARTED || isPutOff(io);
  }

  #settle(io: BlockIo): void {
    this.#trim();
    io.liveIndex = this.#end;
    this.#places[this.#end] = io;
    this.#end += 1;
  }

  #look(): void {
    this.#untilLook = LOOK_EVERY;
    this.#trim();
  }

  #trim(): void {
    if (this.#end >= 2 * this.#count + SPARE_PLACES) this.#compact();
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
