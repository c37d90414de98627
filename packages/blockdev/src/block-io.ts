import type { TailQueueEntry } from '@biodone/sync';
import type { IoBuffer } from '@biodone/uring';
import type { BlockCapabilities } from './limits.js';

/** Moves bytes from the device into the buffer. */
export const BLOCK_READ = 0 as const;
/** Moves bytes from the buffer to the device. */
export const BLOCK_WRITE = 1 as const;
/** Makes every write that completed before it stable (rule 8). It has no buffer, offset or length. */
export const BLOCK_FLUSH = 2 as const;

/** What a request asks for. */
export type BlockOperation = typeof BLOCK_READ | typeof BLOCK_WRITE | typeof BLOCK_FLUSH;

/** The operations' names, by number, as they stand in errors: the names of the system calls that they come down to. */
export const BLOCK_OPERATION_NAMES: readonly string[] = ['read', 'write', 'fsync'];

/** A request that was never started, or has been taken back. */
export const IO_IDLE = 0 as const;
/** A request that belongs to its device: neither it nor its memory may be touched. */
export const IO_STARTED = 1 as const;
/** A request whose `error` and `transferredBytes` are final. */
export const IO_DONE = 2 as const;

/** Where a request is in its life. */
export type BlockIoState = typeof IO_IDLE | typeof IO_STARTED | typeof IO_DONE;

/** What a started request belongs to, as `biodone` and `biowait` see it: a BlockDevice. */
export interface BlockIoOwner {
  readonly capabilities: BlockCapabilities;
  /** One of its requests is done. For `biodone` alone. */
  finished(): void;
  /** Blocks until a request completes. */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME';
}

/**
 * A request for block I/O: BSD's `struct buf`. The same object goes down the stack from `strategy` and comes up through `biodone`.
 *
 * Fill in the first group of fields, start it, and read the second group when it is done. A request that is done can be filled in and
 * started again; none is allocated per I/O.
 */
export class BlockIo implements TailQueueEntry {
  operation: BlockOperation = BLOCK_READ;
  /** Where the bytes go, or come from. The request holds it, so the memory stays where it is. */
  buffer: IoBuffer | null = null;
  /** Where in the buffer, in bytes. */
  bufferOffset = 0;
  /** Where on the device, in bytes. */
  offset = 0;
  /** How much, in bytes. */
  lengthBytes = 0;
  /**
   * What `biodone` calls, on the thread that started the request and never before `strategy` has returned (b_iodone). Null: somebody
   * calls `biowait`.
   */
  iodone: ((io: BlockIo) => void) | null = null;
  /** For the requester's own use (b_private). */
  private: unknown = null;

  state: BlockIoState = IO_IDLE;
  /** The device that it was last started on. */
  device: BlockIoOwner | null = null;
  /** 0, or the positive errno. */
  error = 0;
  /** How many bytes were moved; with an error, how many before it. */
  transferredBytes = 0;

  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
}
