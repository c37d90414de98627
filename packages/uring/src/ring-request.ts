import type { TailQueueEntry } from '@biodone/sync';

/**
 * One request to the kernel: what a submission queue entry holds, and who hears of its completion.
 *
 * Subclass it, prepare it with one of the `prepare` functions and start it on a {@link ThreadRing}. It can be prepared again as soon as
 * {@link complete} has been called; until then it, and the memory that it names, belong to the kernel.
 */
export abstract class RingRequest implements TailQueueEntry {
  opcode = 0;
  /** The open file, by descriptor. */
  fd = -1;
  /** In bytes from the beginning of the file; -1 means the file's own position. */
  offset = 0;
  address = 0;
  lengthBytes = 0;
  /** The flags of the operation: RWF_ flags, IORING_FSYNC_ flags. */
  operationFlags = 0;

  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;

  /**
   * The completion, called once, on the thread that started the request and never inside `start`.
   *
   * @param result what the system call would have returned: a count, or a negative errno
   * @param flags the completion's IORING_CQE_F_ flags
   */
  abstract complete(result: number, flags: number): void;
}
