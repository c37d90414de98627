import type { AbortVerdict } from '@biodone/blockdev';
import type { DescriptorOp } from './descriptor-op.js';

/** How requests on descriptors are done: by the thread's io_uring, or by service threads that block. */
export interface DescriptorEngine {
  readonly name: 'uring' | 'threads';
  /** How many operations of a file it takes at a time; more wait in the file's pool, by priority. */
  readonly inFlightMax: number;
  /**
   * Whether it needs a descriptor of its own for every operation; otherwise for those alone that the kernel is not given before the call
   * returns.
   */
  readonly holdsAll: boolean;
  /** Starts an operation, which it completes by `biodone`, never in here. */
  start(op: DescriptorOp): void;
  /** Asks for the end of an operation that it has started. */
  abort(op: DescriptorOp): AbortVerdict;
  poll(): number;
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME';
  /** As BlockDriver's. */
  beforeSleep(vain: number): number;
  /** From now on operations are gathered, and handed over by {@link release} together. */
  gather(): void;
  release(): void;
}
