import { ECANCELED } from '@biodone/uring';
import type { BlockDevice } from '../block-device.js';
import type { AbortVerdict, BlockIo } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import type { HalfState } from './mirror-assembly.js';
import { labelOffset } from './mirror-label.js';

/** Reads that one half does alone: see PlainReads. */
export interface HalfReads {
  start(io: BlockIo): void;
  abort(parent: BlockIo): AbortVerdict | undefined;
  abandon(): void;
}

/** One of the devices that hold the same data. */
export class MirrorHalf {
  readonly index: number;
  /** Null where a half is missing. */
  readonly device: BlockDevice | null;
  readonly claim: BlockClaim | null;
  state: HalfState;
  /** Why it has failed. */
  reason: string | null;
  /** Where its label is: it stays there, should the device grow. */
  readonly labelOffset: number;
  /** How many requests to it are under way. */
  inFlight = 0;
  /** Where the last read ended, for halves where distance costs time. */
  readEnd = 0;
  /** The reads that it does alone; null before the first. */
  plain: HalfReads | null = null;
  /** Stops listening to the device. */
  unwatch: () => void = () => {};
  /** The mirror's own requests to it: labels, copies, and what makes them stable. */
  readonly #own = new Set<OwnRequest>();
  readonly #idle: (() => void)[] = [];

  constructor(index: number, device: BlockDevice | null, claim: BlockClaim | null, state: HalfState, reason: string | null) {
    this.index = index;
    this.device = device;
    this.claim = claim;
    this.labelOffset = labelOffset(device?.limits.sizeBytes ?? 0);
    this.state = state;
    this.reason = reason;
  }

  /** Its bit in a set of halves. */
  get bit(): number {
    return 1 << this.index;
  }

  /** Whether writes go to it. */
  get inUse(): boolean {
    return this.state !== 'failed';
  }

  /** Whether it has all that has been made stable. */
  get isComplete(): boolean {
    return this.state === 'good' || this.state === 'syncing';
  }

  /** A request to it has come back. */
  ended(): void {
    this.inFlight -= 1;
    if (this.inFlight === 0 && this.#idle.length > 0) for (const callback of this.#idle.splice(0)) callback();
  }

  /** Calls back when no request to it is under way, nor one that was given up and may still change it. */
  whenIdle(callback: () => void): void {
    if (this.inFlight === 0) callback();
    else this.#idle.push(callback);
  }

  /**
   * Starts a request of the mirror's own.
   *
   * @param done is told its errno; ECANCELED as soon as the half is given up: the request and its memory are still the device's then
   */
  send(io: BlockIo, done: (error: number) => void): void {
    const request: OwnRequest = { io, done };
    this.#own.add(request);
    this.inFlight += 1;
    io.iodone = () => {
      this.#own.delete(request);
      const told = request.done;
      request.done = null;
      this.ended();
      told?.(io.error);
    };
    this.device?.strategy(io);
  }

  /** Waits no more for the mirror's own requests to it. Between beginSubmit() and endSubmit(). */
  abandon(): void {
    for (const request of [...this.#own]) {
      const { io, done } = request;
      request.done = null;
      this.device?.abort(io);
      done?.(ECANCELED);
    }
  }
}

interface OwnRequest {
  readonly io: BlockIo;
  /** Null once nobody waits for it. */
  done: ((error: number) => void) | null;
}
