import type { TailQueueEntry } from '@biodone/sync';
import { EAGAIN, EBUSY, ECANCELED, EINVAL, EIO, ENOTSUP, EPERM } from '@biodone/uring';
import { BLOCK_FLUSH, type BlockIo } from '../block-io.js';
import { EBADMSG, EILSEQ, ENODATA } from '../errno.js';
import { NestedIo } from '../nested-io.js';
import type { RangeEntry } from '../range-queue.js';
import type { MirrorHalf } from './mirror-half.js';

/** A request to one half. */
export class MirrorIo extends NestedIo {
  half: MirrorHalf | null = null;
  /** The write that it is a part of; null for a read. */
  write: MirrorWrite | null = null;
  /** Halves that are not to be read, as bits. */
  excluded = 0;
  /** Those that could not read what begins at `position`. */
  tried = 0;
  /** How much is read at a time: less, when no half could read more. */
  chunkBytes = 0;
  /** The error of each half that has been tried. */
  errors: number[] = [];
  aborted = false;
  /** Its half was taken out, and nobody waits for it: until it comes back, it holds the memory that it was given. */
  abandoned = false;
}

/**
 * The `private` of a read into memory of the mirror's own: where a half does not answer, other memory will do. (It is no subclass, for what
 * NestedIo says.)
 */
export const OWN_READ: object = Object.freeze({});

/** A write, a discard or a flush on its way to all halves. */
export class MirrorWrite implements RangeEntry {
  parent: BlockIo | null = null;
  begin = 0;
  end = 0;
  /** How many halves have not answered yet. */
  outstanding = 0;
  succeeded = 0;
  /** Those that do not do this, as bits. */
  refused = 0;
  /** Those that have been asked a second time. */
  repeated = 0;
  /** Somebody wants it to end; and those that had not begun it then. */
  aborted = false;
  cancelled = 0;
  /** Of the last half there is, and what was moved before it. */
  error = 0;
  movedBytes = 0;
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  readonly #issue: (write: MirrorWrite) => void;

  constructor(issue: (write: MirrorWrite) => void) {
    this.#issue = issue;
  }

  set(parent: BlockIo): void {
    this.parent = parent;
    // A flush has no range, whatever its offset says.
    const flush = parent.operation === BLOCK_FLUSH;
    this.begin = flush ? 0 : parent.offset;
    this.end = flush ? 0 : parent.offset + parent.lengthBytes;
    this.succeeded = 0;
    this.refused = 0;
    this.repeated = 0;
    this.aborted = false;
    this.cancelled = 0;
    this.error = 0;
    this.movedBytes = 0;
  }

  entered(): void {
    this.#issue(this);
  }
}

/** Errors of a place on the medium: it may be well again when it has been written. */
const MEDIUM: ReadonlySet<number> = new Set([EIO, ENODATA, EILSEQ, EBADMSG]);

/** Errors that say nothing of the half. */
const PASSING: ReadonlySet<number> = new Set([EAGAIN, EBUSY, ECANCELED, EINVAL, ENOTSUP, EPERM]);

/** What an error of a read means for the half, once another one has read the same. */
export function judgeReadError(error: number): 'repair' | 'ignore' | 'take out' {
  if (MEDIUM.has(error)) return 'repair';
  return PASSING.has(error) ? 'ignore' : 'take out';
}
