import {
  type AbortVerdict,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockCapabilities,
  type BlockDriver,
  type BlockIo,
  type BlockLimits,
  biodone,
  type DeviceHandle,
  type DeviceSpec,
  type DriverEvents,
} from '@biodone/blockdev';
import { EAGAIN, ECANCELED, ENOTSUP, SystemError } from '@biodone/uring';
import type { VirtualTime } from '../virtual-time.js';
import type { Ledger } from './ledger.js';
import type { Submission } from './submission.js';

/** How large the device is at first. Places are few, so that operations meet. */
export const SIZE_BYTES = 64;
/** How often a thread may wait in one schedule: whoever waits more often makes no progress. */
const WAITS_MAX = 20_000;

/** Options of {@link SimulatedDriver}. */
interface DriverOptions {
  readonly progress: 'any' | 'event-loop';
  readonly inFlightMax: number;
  /** Whether polls and waits complete what otherwise only steps do. */
  readonly polled: boolean;
}

/** The device under the pools: what it does with a request stands in the request's plan, and it keeps a book of all that it does. */
export class SimulatedDriver implements BlockDriver {
  readonly name = 'simulated';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  /** The requests that it has. */
  readonly started: BlockIo[] = [];
  events: DriverEvents | null = null;
  readonly #time: VirtualTime;
  readonly #ledger: Ledger;
  readonly #polled: boolean;
  readonly #memory = new Uint8Array(SIZE_BYTES);
  /** When those that take a time complete, and how to make them not to. */
  readonly #due = new Map<BlockIo, { readonly atMs: number; readonly error: number | undefined; readonly cancel: () => void }>();
  #waits = 0;

  constructor(time: VirtualTime, ledger: Ledger, { progress, inFlightMax, polled }: DriverOptions) {
    this.#time = time;
    this.#ledger = ledger;
    this.#polled = polled;
    this.limits = { blockSizeBytes: 1, memoryAlignmentBytes: 1, sizeBytes: SIZE_BYTES, maxInFlight: inFlightMax };
    this.capabilities = { readOnly: false, progress, discard: true, fua: 'native' };
  }

  start(io: BlockIo): void {
    const submission = this.#begin(io);
    const { plan } = submission;
    if (plan.again > 0) {
      plan.again -= 1;
      biodone(io, EAGAIN);
      return;
    }
    this.started.push(io);
    if (plan.manner === 'inside') this.complete(io);
    else if (plan.manner === 'delay') this.#completeLater(io, plan.delayMs);
  }

  startSync(io: BlockIo): void {
    const submission = this.#begin(io);
    if (submission.plan.again > 0) {
      submission.plan.again -= 1;
      io.error = EAGAIN;
      return;
    }
    io.error = submission.plan.error;
    this.#transfer(io, submission, io.error);
  }

  abort(io: BlockIo): AbortVerdict {
    if (!this.started.includes(io)) return 'in-progress';
    const { plan } = io.private as Submission;
    if (plan.abort === 'refused') return 'in-progress';
    if (plan.abort === 'later') {
      if (!this.#due.has(io)) this.#completeLater(io, 1, ECANCELED);
      return 'in-progress';
    }
    this.complete(io, ECANCELED);
    return 'cancelled';
  }

  /** Ends a request as its plan says, or with this error. */
  complete(io: BlockIo, error: number = (io.private as Submission).plan.error): void {
    this.started.splice(this.started.indexOf(io), 1);
    this.#due.get(io)?.cancel();
    this.#due.delete(io);
    this.#transfer(io, io.private as Submission, error);
    biodone(io, error);
  }

  /** The requests that need nothing but a step to complete. */
  get completable(): readonly BlockIo[] {
    return this.started.filter((io) => (io.private as Submission).plan.manner === 'step');
  }

  poll(): number {
    const [first] = this.#polled ? this.completable : [];
    if (first === undefined) return 0;
    this.complete(first);
    return 1;
  }

  wait(timeoutMs: number): number | 'ETIME' {
    this.#waits += 1;
    if (this.#waits > WAITS_MAX) {
      this.#ledger.fault('a thread waits again and again, and nothing comes of it');
      throw new Error('a thread waits again and again, and nothing comes of it');
    }
    if (this.poll() > 0) return 1;
    const [next] = [...this.#due].sort(([, left], [, right]) => left.atMs - right.atMs);
    const nowMs = this.#time.now();
    if (next !== undefined && next[1].atMs <= nowMs + timeoutMs) {
      this.#time.sleep(Math.max(0, next[1].atMs - nowMs));
      this.complete(next[0], next[1].error);
      return 1;
    }
    if (timeoutMs !== Number.POSITIVE_INFINITY) {
      this.#time.sleep(timeoutMs);
      return 'ETIME';
    }
    // A disk gives up in the end.
    const [stuck] = this.started;
    if (stuck !== undefined) this.complete(stuck);
    return stuck === undefined ? 0 : 1;
  }

  describe(): Record<string, unknown> {
    return {};
  }

  config(): DeviceSpec {
    return { driver: this.name };
  }

  handle(): DeviceHandle {
    throw new SystemError(ENOTSUP, 'handle', undefined, 'a simulated device lives in one thread');
  }

  attached(events: DriverEvents): void {
    this.events = events;
  }

  close(): void {
    if (this.started.length > 0) this.#ledger.fault(`the device was closed with ${this.started.length} requests`);
  }

  #begin(io: BlockIo): Submission {
    const submission = io.private as Submission;
    this.#ledger.started(submission, io);
    return submission;
  }

  #completeLater(io: BlockIo, delayMs: number, error?: number): void {
    const cancel = this.#time.after(delayMs, () => this.complete(io, error));
    this.#due.set(io, { atMs: this.#time.now() + delayMs, error, cancel });
  }

  #transfer(io: BlockIo, submission: Submission, error: number): void {
    const { plan } = submission;
    const bytes = error === ECANCELED ? 0 : plan.bytes;
    const { operation, offset, buffer, bufferOffset } = io;
    io.transferredBytes = operation === BLOCK_FLUSH ? 0 : bytes;
    if (operation === BLOCK_WRITE && buffer !== null) {
      this.#memory.set(buffer.bytes.subarray(bufferOffset, bufferOffset + bytes), offset);
    } else if (operation === BLOCK_READ && buffer !== null && bytes > 0) {
      buffer.bytes.set(this.#memory.subarray(offset, offset + bytes), bufferOffset);
    }
    this.#ledger.ended(submission, error, io.transferredBytes);
  }
}
