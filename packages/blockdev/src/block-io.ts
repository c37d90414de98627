import type { TailQueueEntry } from '@biodone/sync';
import type { IoBuffer, IoVector } from '@biodone/uring';
import type { ExtentList } from './extent-list.js';
import type { BlockCapabilities } from './limits.js';

/** Moves bytes from the device into memory. */
export const BLOCK_READ = 0 as const;
/** Moves bytes from memory to the device. */
export const BLOCK_WRITE = 1 as const;
/** Makes every write that completed before it stable (rule 8). It has no memory, offset or length. */
export const BLOCK_FLUSH = 2 as const;
/** Says that nobody needs a range any more. Its contents are undefined afterwards; a device may also do nothing. */
export const BLOCK_DISCARD = 3 as const;
/** Makes a range read as zeros: by deallocating it where the device can and {@link BLOCK_NO_UNMAP} does not forbid it. */
export const BLOCK_WRITE_ZEROES = 4 as const;
/** Asks which parts of a range hold data: the answer is in `extents`, for the first `transferredBytes` of the range. */
export const BLOCK_EXTENTS = 5 as const;
/**
 * Compares a range with `compare`, and writes it if they are the same; otherwise EILSEQ, with the first difference at `transferredBytes`.
 * Both or nothing, as far as other requests to the device can see, through whatever channel. Where the layer does it and the driver fails in the middle, the
 * beginning is written: `transferredBytes` says how much.
 */
export const BLOCK_COMPARE_AND_WRITE = 6 as const;
/** Ends what waits with ECANCELED, lets nothing new start, and completes when all that had started has completed. */
export const BLOCK_RESET = 7 as const;
/** Asks for the end of another request, `target`; the answer is in `verdict`. */
export const BLOCK_ABORT = 8 as const;

/** What a request asks for. */
export type BlockOperation = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** The operations' names, by number, as they stand in errors and statistics. Those of reads, writes and flushes are the system calls'. */
export const BLOCK_OPERATION_NAMES: readonly string[] = [
  'read',
  'write',
  'fsync',
  'discard',
  'write-zeroes',
  'extents',
  'compare-and-write',
  'reset',
  'abort',
];

/** Force unit access: the write is stable when it completes. For writes of all kinds. */
export const BLOCK_FUA = 1 as const;
/** Zeros are to be written, and the range stays allocated. */
export const BLOCK_NO_UNMAP = 2 as const;
/** Fails with ENOTSUP instead of taking as long as writing would (NBD_CMD_FLAG_FAST_ZERO). */
export const BLOCK_FAST_ONLY = 4 as const;
/**
 * Fails with EAGAIN where it would have to wait: for the medium (RWF_NOWAIT, Linux), for room, for another request's range, or for the end of a quiesce.
 * For reads and writes. With EAGAIN, `transferredBytes` were moved before it.
 */
export const BLOCK_NOWAIT = 8 as const;
/**
 * All of the write or nothing of it is there after a power failure (RWF_ATOMIC, Linux 6.11): its length is a power of two from
 * `limits.atomicWriteMinBytes` to `limits.atomicWriteMaxBytes`, its offset a multiple of that, its memory one part that is aligned for the driver; otherwise
 * EINVAL. It says nothing of when: see {@link BLOCK_FUA}. For BLOCK_WRITE.
 */
export const BLOCK_ATOMIC = 16 as const;
/**
 * Stable with all of what describes the file, as with O_SYNC; {@link BLOCK_FUA}, which it includes, and a flush without it make stable the data and what is
 * needed to read it, as with O_DSYNC. For writes of all kinds and flushes. Devices that are no files have nothing that describes them, and it is the same there.
 */
export const BLOCK_SYNC = 33 as const;

/** A request that was never started, or has been taken back. */
export const IO_IDLE = 0 as const;
/** A request that belongs to its device: neither it nor its memory may be touched. */
export const IO_STARTED = 1 as const;
/** A request whose `error` and `transferredBytes` are final. */
export const IO_DONE = 2 as const;

/** Where a request is in its life. */
export type BlockIoState = typeof IO_IDLE | typeof IO_STARTED | typeof IO_DONE;

/**
 * What became of a request that somebody wanted to end (rule 10): it is ended (`'cancelled'`), it had started and completes as it will
 * (`'in-progress'`), or it was done before (`'done'`).
 */
export type AbortVerdict = 'cancelled' | 'in-progress' | 'done';

/** What a started request belongs to, as `biodone` and `biowait` see it: a part of a BlockDevice. */
export interface BlockIoOwner {
  readonly capabilities: BlockCapabilities;
  /** The driver has completed a request: it is tried again, or ends, and its callback is called or put off. For `biodone` alone. */
  completed(io: BlockIo, error: number): void;
  /** The callback of a request is called next, which was put off. For `biodone` alone. */
  finished(io: BlockIo): void;
  /** Blocks until a request completes. */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME';
}

/** The right to a device that a claim gives: see `BlockDevice.claim`. */
export interface ClaimToken {
  readonly id: number;
}

/**
 * A request for block I/O: BSD's `struct buf`. The same object goes down from `strategy` and comes up through `biodone`.
 *
 * Fill in the first group of fields, start it, and read the second group when it is done. A request that is done can be filled in and
 * started again; none is allocated per I/O.
 */
export class BlockIo implements TailQueueEntry {
  operation: BlockOperation = BLOCK_READ;
  /** BLOCK_FUA and its like. */
  flags = 0;
  /** Where the bytes go, or come from. The request holds it, so the memory stays where it is. */
  buffer: IoBuffer | null = null;
  /** Where in the buffer, in bytes. */
  bufferOffset = 0;
  /** Memory in several parts, instead of `buffer`: `lengthBytes` is the vector's then. */
  vector: IoVector | null = null;
  /** Where on the device, in bytes. */
  offset = 0;
  /** How much, in bytes. */
  lengthBytes = 0;
  /**
   * What `biodone` calls, on the thread that started the request and never before `strategy` has returned (b_iodone). Null: somebody
   * calls `biowait`.
   */
  iodone: ((io: BlockIo) => void) | null = null;

  state: BlockIoState = IO_IDLE;
  /** What it was last started on: for `biodone` and `biowait`. */
  device: BlockIoOwner | null = null;
  /** 0, or the positive errno. */
  error = 0;
  /** How many bytes were moved; with an error, how many before it. */
  transferredBytes = 0;

  /** When its device took it, in microseconds of the device’s clock, as 32 bits. For the device alone, as what follows down to `queue`. */
  startedAtUs = 0;
  /**
   * Where it stands, or stood last, among a device's live requests. 0 at first: V8 looks an index below 0 up by its name, which takes as long
   * as half of a request.
   */
  liveIndex = 0;
  /** The order in which requests reached the driver. */
  sequence = 0;
  /** What works on it, where it takes more than one request to the driver. */
  work: object | null = null;
  /** What the driver keeps with the request from one use to the next, such as its own form of it. */
  below: object | null = null;
  queue: object | null = null;

  // The fields down to here are those of every request, side by side, so that it touches few lines of the processor's cache.

  /** For the requester's own use (b_private). */
  private: unknown = null;
  /** By which right the device is used, where somebody has claimed it. */
  claim: ClaimToken | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  /** What a {@link BLOCK_COMPARE_AND_WRITE} compares with: `lengthBytes` from `compareOffset` on. */
  compare: IoBuffer | null = null;
  compareOffset = 0;
  /** Takes the answer of {@link BLOCK_EXTENTS}. */
  extents: ExtentList | null = null;
  /** The request that a {@link BLOCK_ABORT} is about. */
  target: BlockIo | null = null;
  /** The answer to a {@link BLOCK_ABORT}. */
  verdict: AbortVerdict | null = null;
}
