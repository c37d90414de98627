import type { DeviceHolder } from '@biodone/blockdev';

/** What the gate asks of the service that it belongs to. */
export interface GatedService {
  /** How many operations there are, whether a thread has them, they wait for one, or are done and have not been delivered. */
  readonly outstanding: number;
  /** How many of them the threads have not been told of, and how many are done and not delivered. */
  readonly unknown: number;
  readonly undelivered: number;
  /** Asks for the end of all operations, but for the one in this slot. */
  abortAll(but: number): void;
  /** Ends with ECANCELED what the threads have not been told of. */
  cancelUnknown(): void;
  /** Completes an operation that no thread has. */
  complete(slot: number): void;
  /** Tells the threads of what they have not been told of. */
  handOver(): void;
  /** The device is closed, and waits for the end of the service. */
  deviceClosed(): void;
}

/**
 * What keeps operations from the service threads of a pool: the pool's device is quiesced, or they are being reset. The threads have channels of their
 * own, which the device itself does not reach.
 */
export class ServiceGate implements DeviceHolder {
  /** Whether the threads are told of nothing new. */
  paused = false;
  /** Where the reset is that waits for all others; -1 for none. */
  resetSlot = -1;
  readonly #service: GatedService;
  readonly #quiet: (() => void)[] = [];

  constructor(service: GatedService) {
    this.#service = service;
  }

  /** Whether all that there is waits for {@link resume}. */
  get holdsAll(): boolean {
    const { outstanding, unknown } = this.#service;
    return this.paused && outstanding === unknown;
  }

  /** Tells the threads of nothing new, and promises when they have nothing. */
  quiesce(): Promise<void> {
    this.paused = true;
    if (this.#isQuiet) return Promise.resolve();
    return new Promise((resolve) => this.#quiet.push(resolve));
  }

  resume(): void {
    this.paused = false;
    this.#service.handOver();
  }

  cancel(): void {
    if (this.paused) this.#service.cancelUnknown();
    this.#service.deviceClosed();
  }

  /** Ends all operations, as far as they can be ended, and completes when they have: what BLOCK_RESET does. */
  reset(slot: number): void {
    this.resetSlot = slot;
    this.#service.abortAll(slot);
    this.look();
  }

  /** Operations have been delivered, or are done: somebody may have waited for that. */
  look(): void {
    if (this.resetSlot >= 0 && this.#service.outstanding === 1) {
      this.#service.complete(this.resetSlot);
      this.resetSlot = -1;
    }
    if (this.#quiet.length > 0 && this.#isQuiet) for (const resolve of this.#quiet.splice(0)) resolve();
  }

  get #isQuiet(): boolean {
    const { outstanding, unknown, undelivered } = this.#service;
    return outstanding - unknown - undelivered - (this.resetSlot < 0 ? 0 : 1) === 0;
  }
}
