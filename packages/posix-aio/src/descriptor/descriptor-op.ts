import { AioOp } from '@biodone/aio';
import { libc, type RingFile } from '@biodone/uring';

// From linux/fcntl.h: which signal tells of O_ASYNC, which files that can be synchronized do not have. Nothing else stays with an open file and can
// be set without a meaning; SIGIO is what 0 stands for.
const F_SETSIG = 10;
const F_GETSIG = 11;
const SIGIO = 29;

/** What is known of a file's flushes. */
export interface FlushedFile {
  /** Whether one has failed since somebody looked. */
  flushFailed: boolean;
}

/**
 * Of files: longer transfers are left to a thread of the kernel's, which would otherwise copy between the page cache and the memory inside the
 * call that submits.
 */
export const INLINE_MAX_BYTES: number = 2 ** 17;

/**
 * An operation on a descriptor: what {@link startOnDescriptor} takes. It is of one's own, to be used again and again, on whatever
 * descriptor; fill it in as any AioOp. Its file is held from the call to the completion (rule 13).
 */
export class DescriptorOp extends AioOp {
  /** The descriptor's number, as it was at the call. By the time that anything waits, it may be another file's. */
  fd = -1;
  /** Whether the kernel has been given the request, and with it the open file. */
  begun = false;
  /** The open file, by a descriptor of our own, where the kernel has not been given the request before the call has returned. */
  held: RingFile | null = null;
  /** Whether it is a read or write of a stream, which has no offset. */
  isStream = false;
  /** Whether a write goes on until all of it is written, as write(2) on a blocking descriptor. */
  isWhole = false;
  /** Whether it is a stream's that does not block (O_NONBLOCK). The operation waits all the same, and blocks nobody; a write may be short. */
  isNonBlocking = false;
  /** Of a flush: whether it may leave out what fdatasync(2) does. */
  dataOnly = false;
  /** The kernel's I/O priority, as in `RingRequest.ioPriority`; 0 is the thread's own. */
  ioPriority = 0;
  /** The file, for the engine to tell of a flush that has failed. */
  file: FlushedFile | null = null;
  /** What the engine keeps with it from one use to the next. */
  engineRequest: object | null = null;
}

/** A flush has failed: the open file remembers it (rule 8), and with it its duplicates, as long as it is open. */
export function markFailed(op: DescriptorOp): void {
  const { held, file } = op;
  if (file !== null) file.flushFailed = true;
  const { fcntl } = libc();
  if (held !== null && fcntl(held.fd, F_GETSIG, 0) === 0) fcntl(held.fd, F_SETSIG, SIGIO);
}

/** Whether a flush of this open file has failed. */
export function isMarked(fd: number): boolean {
  return libc().fcntl(fd, F_GETSIG, 0) > 0;
}

/** Lets go of the open file, if the operation holds one. */
export function letGo(op: DescriptorOp): void {
  const { held } = op;
  if (held === null) return;
  op.held = null;
  // Closed at once: nobody holds it any more. What close(2) says of a duplicate matters to nobody.
  held.close().catch(() => {});
}
