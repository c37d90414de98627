import { libc } from './syscalls.js';

/** `struct io_uring_getevents_arg` (sigmask, sigmask_sz and min_wait_usec, ts) and the `struct __kernel_timespec` that it points to. */
export class WaitArgument {
  static readonly BYTES = 24;
  readonly #argument = new BigUint64Array(3);
  readonly #time = new Float64Array(2);
  readonly #seconds = new Int32Array(this.#time.buffer);
  readonly #timeAddress: bigint = BigInt(libc().address(this.#time));
  readonly #address: number = libc().address(this.#argument);

  /** Sets how long the wait is, `Infinity` for no limit, and returns the argument's address. */
  set(timeoutMs: number): number {
    if (timeoutMs === Number.POSITIVE_INFINITY) {
      this.#argument[2] = 0n;
      return this.#address;
    }
    const milliseconds = Math.min(Math.max(0, timeoutMs), 0x7fffffff * 1000);
    const seconds = Math.floor(milliseconds / 1000);
    this.#seconds[0] = seconds;
    this.#seconds[2] = Math.min(999_999_999, Math.ceil((milliseconds - seconds * 1000) * 1e6));
    this.#argument[2] = this.#timeAddress;
    return this.#address;
  }
}
