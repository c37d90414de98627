import { isMainThread } from 'node:worker_threads';
import { O_CLOEXEC } from './abi.js';
import { SystemError } from './errors.js';
import { libc } from './syscalls.js';

/**
 * What a worker must give back when it ends, also when it is terminated in the middle and no JavaScript of it runs any more.
 *
 * Node calls an environment's cleanup hooks (node::AddEnvironmentCleanupHook, the interface that native addons use) on the ending
 * thread, in the reverse order of their installation and before it frees the thread's heap. A hook is a C function with one argument:
 * here functions of the C library, so that nothing has to be compiled. The main thread needs none of it: with it the process ends, and
 * the kernel clears up.
 *
 * A thread is terminated where V8 looks for it: at the beginning of JavaScript functions and in loops. So no function and no loop may
 * stand between the system call that opens something and the call that installs its hook. Calls of C functions may.
 */
export interface ThreadEnd {
  /** The calling thread's v8::Isolate. */
  readonly isolate: number;
  /** The same hook with the same argument twice aborts the process. */
  add(isolate: number, hook: number, argument: number): void;
  remove(isolate: number, hook: number, argument: number): void;
  /** Addresses of functions of the C library. */
  readonly close: number;
  readonly fgetc: number;
  readonly fclose: number;
  readonly shmdt: number;
}

let found: ThreadEnd | null | undefined;

/** This worker's hooks; null on the main thread, and where this Node does not export them. */
export function threadEnd(): ThreadEnd | null {
  if (found === undefined) found = isMainThread ? null : find();
  return found;
}

/** The descriptors of this worker's rings that are waited for. */
const rings = new Set<number>();

/** Whether the end of this worker waits for a ring with this descriptor: nothing that lives on may hold it. */
export function isGuardedRing(fd: number): boolean {
  return rings.has(fd);
}

/** Whether the end of this worker closes a descriptor. An array and not a Set: the methods of a Set can be interrupted too. */
const owned: (boolean | undefined)[] = [];

/**
 * Opens a descriptor that is closed when this worker ends. Only {@link closeOwned} may close it.
 *
 * @param open calls one function of the C library and returns what that returns
 */
export function openOwned(open: () => number): number {
  const atEnd = threadEnd();
  const fd = open();
  if (fd < 0 || atEnd === null) return fd;
  if (owned[fd] !== true) atEnd.add(atEnd.isolate, atEnd.close, fd);
  owned[fd] = true;
  return fd;
}

/** Opens a pipe whose ends are as those of {@link openOwned}: first the one to read from. */
export function openOwnedPipe(flags: number): [readEnd: number, writeEnd: number] {
  const { pipe2, errno } = libc();
  const atEnd = threadEnd();
  const ends = new Int32Array(2);
  const result = pipe2(ends, flags);
  const readEnd = ends[0] as number;
  const writeEnd = ends[1] as number;
  if (result === 0 && atEnd !== null) {
    if (owned[readEnd] !== true) atEnd.add(atEnd.isolate, atEnd.close, readEnd);
    if (owned[writeEnd] !== true) atEnd.add(atEnd.isolate, atEnd.close, writeEnd);
    owned[readEnd] = true;
    owned[writeEnd] = true;
  }
  if (result < 0) throw new SystemError(errno(), 'pipe2');
  return [readEnd, writeEnd];
}

/** Takes on a descriptor that is open already: it is closed when this worker ends. Only {@link closeOwned} may close it from now on. */
export function own(fd: number): void {
  openOwned(() => fd);
}

/** Closes a descriptor of {@link openOwned}, and returns what close(2) returns. */
export function closeOwned(fd: number): number {
  const { close } = libc();
  const atEnd = threadEnd();
  if (owned[fd] === true) atEnd?.remove(atEnd.isolate, atEnd.close, fd);
  owned[fd] = undefined;
  return close(fd);
}

/** Gives a descriptor of {@link openOwned} to one of libuv's handles, which sees to its end from then on. */
export function handOver(fd: number, handle: { open(fd: number): number }): number {
  const atEnd = threadEnd();
  if (owned[fd] === true) atEnd?.remove(atEnd.isolate, atEnd.close, fd);
  owned[fd] = undefined;
  return handle.open(fd);
}

/**
 * Waits, when this worker ends, until the kernel has done with all requests of a ring, so that none of them writes into memory that the
 * worker's heap has given back.
 *
 * Closing the last reference to a ring makes the kernel cancel what can be cancelled and wait for the rest, in the background. It lets go
 * of the ring's registered files last (io_ring_ctx_free() in io_uring/io_uring.c, after the last request has dropped its reference).
 * One of them is a pipe's write end, so the end of the file at its read end is that moment.
 *
 * A ring that something else holds open (a duplicate of its descriptor, a poll of it by a ring of another thread) does not end, and neither
 * does the worker before that has let go: what else would keep its memory from being written into?
 */
export interface RingGuard {
  /** To be registered as a file of the ring; then call {@link arm}. */
  readonly writeEnd: number;
  /** The ring has been opened, by {@link openOwned}. */
  guard(ring: number): void;
  /** The ring holds the write end now. */
  arm(): void;
  /** The ring is closed, or there is none: then -1. */
  release(ring: number): void;
}

/**
 * Makes the guard of a ring that is opened next: hooks run from the last to the first, so the ring's descriptor is closed before its end
 * is waited for.
 *
 * @returns null where none is needed: on the main thread
 * @throws SystemError EMFILE, ENFILE, ENOMEM
 */
export function guardRing(): RingGuard | null {
  const atEnd = threadEnd();
  if (atEnd === null) return null;
  const { fdopen, fclose, errno } = libc();
  const { isolate, add, remove, close } = atEnd;
  const [readEnd, writeEnd] = openOwnedPipe(O_CLOEXEC);
  const stream = fdopen(readEnd, 'r');
  if (stream === 0) {
    const error = new SystemError(errno(), 'fdopen');
    closeOwned(readEnd);
    closeOwned(writeEnd);
    throw error;
  }
  // The stream owns the read end, and the write end has to be closed before the wait for it.
  add(isolate, atEnd.fclose, stream);
  remove(isolate, close, readEnd);
  remove(isolate, close, writeEnd);
  add(isolate, atEnd.fgetc, stream);
  add(isolate, close, writeEnd);
  owned[readEnd] = undefined;
  // All rings are closed before the end of any is waited for: one may be held by a request of another.
  for (const ring of rings) {
    remove(isolate, close, ring);
    add(isolate, close, ring);
  }
  const arm = (): void => {
    if (owned[writeEnd] === true) closeOwned(writeEnd);
  };
  return {
    writeEnd,
    guard: (ring) => {
      rings.add(ring);
    },
    arm,
    release: (ring) => {
      rings.delete(ring);
      arm();
      remove(isolate, atEnd.fgetc, stream);
      remove(isolate, atEnd.fclose, stream);
      fclose(stream);
    },
  };
}

function find(): ThreadEnd | null {
  const { symbol, cleanupHooks } = libc();
  if (cleanupHooks === null) return null;
  const functions = {
    close: symbol(0, 'close'),
    fgetc: symbol(0, 'fgetc'),
    fclose: symbol(0, 'fclose'),
    shmdt: symbol(0, 'shmdt'),
  };
  return { ...cleanupHooks, ...functions };
}
