import type { IoBuffer } from '@biodone/uring';

/** Directions come first, by their index in the recorder. */
export const IO_READ = 0;
export const IO_WRITE = 1;
export const IO_TRIM = 2;
/** What makes writes stable: the data and the size, or all of it. */
export const IO_FDATASYNC = 3;
export const IO_FSYNC = 4;

export const IO_NAMES: readonly string[] = ['read', 'write', 'trim', 'fdatasync', 'fsync'];

/** One of the I/Os that a job has in flight: filled in, started, completed, and filled in again. All have the same shape, and none is made later. */
export class IoUnit {
  /** From 0, below the job's depth. */
  readonly index: number;
  readonly buffer: IoBuffer;
  operation: number = IO_READ;
  offset = 0;
  lengthBytes = 0;
  /** When its submission began, and when it had ended, in the loop's nanoseconds. */
  startedNs = 0;
  submittedNs = 0;
  /** When it was due; 0 in a closed loop. */
  plannedNs = 0;
  /** Whether it was read to be verified, in a phase of its own. */
  isCheck = false;
  inFlight = false;
  /** What became of it, while the loop has not taken notice yet: a count of bytes, or a negative errno. */
  result = 0;
  /** What the verifier keeps with it. */
  token = 0;
  /** What the engine keeps with it. */
  own: unknown = null;

  constructor(index: number, buffer: IoBuffer) {
    this.index = index;
    this.buffer = buffer;
  }
}
