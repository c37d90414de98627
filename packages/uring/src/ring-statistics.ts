/** What {@link Ring.statistics} tells: counters since the ring was opened. */
export interface RingStatistics {
  /** Requests that the kernel has taken. */
  readonly submitted: number;
  /** Completions that have been delivered, modulo 2^32. */
  readonly delivered: number;
  readonly inFlight: number;
  /** The most requests that were in flight at a time. */
  readonly inFlightMax: number;
  /** Calls of io_uring_enter(2). */
  readonly calls: number;
  /** Those of them that waited. */
  readonly waits: number;
  /** How often completions had to wait in the kernel, because the completion queue was full. They were delivered all the same. */
  readonly overflows: number;
  /** How often the kernel took nothing: EAGAIN for want of memory, EBUSY while completions wait. The requests were submitted later. */
  readonly refusals: number;
  /** Entries that were invalid, and completions that the kernel has lost: 0, or the kernel had no memory left at all. */
  readonly dropped: number;
}
