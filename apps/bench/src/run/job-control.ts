/** Words that the run's thread and a job's thread share. */
const STOP = 0;
const STATE = 1;
const IDLE = 2;
const LENGTH = 3;

export const JOB_RAMPING = 1;
export const JOB_RUNNING = 2;
export const JOB_VERIFYING = 3;
export const JOB_ENDED = 4;

/** How the run's thread ends a job ahead of time, and sees how far it is. */
export class JobControl {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(LENGTH * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** Asks the job to start nothing more. Pairs with the load in {@link isStopped}, and wakes who is in {@link sleep}. */
  stop(): void {
    Atomics.store(this.#words, STOP, 1);
    Atomics.notify(this.#words, STOP);
  }

  /** Pairs with the store in {@link stop}. */
  get isStopped(): boolean {
    return Atomics.load(this.#words, STOP) === 1;
  }

  /** Pairs with the store in the setter, on the job's thread. */
  get state(): number {
    return Atomics.load(this.#words, STATE);
  }

  /** Pairs with the load in the getter, on the run's thread. */
  set state(state: number) {
    Atomics.store(this.#words, STATE, state);
  }

  /** Whether the job waits for its own next I/O, with none in flight. Pairs with the store in the setter, on the job's thread. */
  get isIdle(): boolean {
    return Atomics.load(this.#words, IDLE) === 1;
  }

  /** Pairs with the load in the getter, on the run's thread. */
  set isIdle(idle: boolean) {
    Atomics.store(this.#words, IDLE, idle ? 1 : 0);
  }

  /** Blocks the thread, but no longer than until somebody stops the job. Only where nothing is in flight. */
  sleep(timeoutMs: number): void {
    this.isIdle = true;
    Atomics.wait(this.#words, STOP, 0, timeoutMs);
    this.isIdle = false;
  }
}
