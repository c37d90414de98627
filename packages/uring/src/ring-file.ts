import { closeSync, openSync } from 'node:fs';
import { inspect } from 'node:util';
import { threadId } from 'node:worker_threads';
import { EBADF } from './errno.js';
import { SystemError } from './errors.js';
import { IOSQE_FIXED_FILE } from './flags.js';
import { forgetCollection, giveBackIfCollected, HeldDescriptor, type HotPlace } from './held-descriptor.js';
import { libc } from './syscalls.js';
import { closeOwned, own } from './thread-end.js';

/** A file that is used less pays nothing: a place costs two system calls, and saves some hundredths of one with each request. */
const STARTS_UNTIL_HOT = 64;

/** What a request can be aimed at: an open file, a registered one, or a bare descriptor. */
export type FileTarget = RingFile | FixedFile | number;

/**
 * An open file, held by its requests from their start to their completion (rule 13).
 *
 * A number is not a file: it may be closed and stand for another file before a request that names it has reached the kernel. A RingFile
 * closes its descriptor only when no request holds it any more, so requests on it can wait and be batched. (A request on a bare number
 * goes to the kernel before `start` returns.)
 *
 * A file on which many requests are started gets a place in the ring's table of registered files by itself (Linux 6.14), if one of 64 is
 * free, which saves the kernel some work with each read and write. It gives the place up before its descriptor is closed.
 *
 * It belongs to the thread that opened it. If it is collected while open, its descriptor is closed, with a warning
 * `BIODONE_FILE_COLLECTED`: nobody can say when that happens, so close it.
 *
 * @example
 * ```js
 * import { IoBuffer, probe, RingFile, threadRing, prepareRead } from '@biodone/uring';
 *
 * if (probe().available) {
 *   const file = RingFile.open(process.execPath, 'r');
 *   const memory = IoBuffer.allocate(4096);
 *   const count = await threadRing().run((request) => prepareRead(request, file, memory, 0, 4096, 0));
 *   console.log(count); // 4096
 *   await file.close();
 * }
 * ```
 */
export class RingFile {
  /** The descriptor; -1 once it is closed. */
  fd: number;
  /** What was opened, for error messages. */
  readonly path: string | undefined;
  /** Names this opening among all of the process: a descriptor's number comes again, this does not. */
  readonly generation: number;
  /** Nothing: a request names the file by its descriptor. */
  readonly requestFlags: number = 0;
  /** The descriptor that this file is a duplicate of, for one request; -1 for none. @internal */
  lentFor = -1;
  /** The place that it has got in a ring's table. @internal */
  place: HotPlace | null = null;
  #references = 0;
  /** 0 for a file that gets no place. */
  #startsUntilHot: number;
  #closing = false;
  readonly #fixed = new Set<FixedFile>();
  readonly #waiting: PromiseWithResolvers[] = [];
  readonly #held: HeldDescriptor;

  private constructor(fd: number, path: string | undefined, close: ((fd: number) => void) | null, untilClose = close !== null) {
    this.fd = fd;
    this.path = path;
    this.generation = nextGeneration();
    this.#held = new HeldDescriptor(fd, path, close);
    this.#startsUntilHot = untilClose ? STARTS_UNTIL_HOT : 0;
    if (untilClose) giveBackIfCollected(this, this.#held);
  }

  /**
   * Opens a file, as `fs.openSync`, and blocks for it. (To open without blocking, run `prepareOpenat`, and {@link adopt} its result.)
   *
   * @throws what `fs.openSync` throws
   */
  static open(path: string, flags: string | number = 'r', mode = 0o666): RingFile {
    return new RingFile(openSync(path, flags, mode), path, closeSync);
  }

  /**
   * Takes over a descriptor: from now on only this file may close it.
   *
   * @param options.path for error messages
   * @param options.native says that `node:fs` has not opened the descriptor, but a request (`prepareOpenat`, `prepareAccept`) or another
   * library. Node keeps a list of what `node:fs` opens in a worker, and closes that when the worker ends; a native descriptor is closed
   * then too.
   * @throws SystemError EBADF for what is no open descriptor
   */
  static adopt(fd: number, options: { path?: string; native?: boolean } = {}): RingFile {
    const { path, native = false } = options;
    checkOpen(fd, 'adopt', path);
    if (native) own(fd);
    return new RingFile(fd, path, native ? closeNative : closeSync);
  }

  /**
   * Uses a descriptor that somebody else owns, and keeps open until {@link close} has resolved, or for as long as requests are started.
   * Closing this closes no descriptor.
   *
   * @param options.untilClose promises the first: the descriptor stays open, and the same file, until {@link close} has resolved. Only then
   * a file that is used much may become a registered one by itself, as those are that are not borrowed: the kernel keeps it open until then
   * @throws SystemError EBADF for what is no open descriptor
   */
  static borrow(fd: number, path?: string, options: { untilClose?: boolean } = {}): RingFile {
    checkOpen(fd, 'borrow', path);
    return new RingFile(fd, path, null, options.untilClose ?? false);
  }

  /** A file for one request: the descriptor is closed when that lets go of it. @internal */
  static lend(fd: number, path: string | undefined, original: number): RingFile {
    const file = new RingFile(fd, path, closeNative);
    file.lentFor = original;
    return file;
  }

  /** The file itself, as a {@link FixedFile} has it too. */
  get file(): RingFile {
    return this;
  }

  /** How many requests hold the file. */
  get references(): number {
    return this.#references;
  }

  /** Whether {@link close} has been called: requests that are started now complete with EBADF. */
  get closing(): boolean {
    return this.#closing;
  }

  /**
   * Admits no more requests, waits for those that are under way, and closes the descriptor. It cancels none; who wants that cancels them
   * first. Every call returns a promise of the same end.
   *
   * @throws what `fs.closeSync` throws
   */
  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#closing = true;
      this.#closeIfIdle();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Holds the file for a request; false if it is closing. @internal */
  hold(): boolean {
    if (this.#closing) return false;
    this.#references += 1;
    return true;
  }

  /** A request lets go of the file. @internal */
  release(): void {
    this.#references -= 1;
    if (this.lentFor >= 0) this.#closing = true;
    if (this.#closing) this.#closeIfIdle();
  }

  /** A place in a ring's table names the file: it is given up before the descriptor. @internal */
  addFixed(fixed: FixedFile): void {
    this.#fixed.add(fixed);
  }

  /** @internal */
  removeFixed(fixed: FixedFile): void {
    this.#fixed.delete(fixed);
  }

  /** Counts a start, and says whether there have been so many that a place in a ring's table pays. Then it counts anew. @internal */
  isHot(): boolean {
    if (this.#startsUntilHot === 0) return false;
    this.#startsUntilHot -= 1;
    if (this.#startsUntilHot > 0) return false;
    this.#startsUntilHot = STARTS_UNTIL_HOT;
    return true;
  }

  /** Has a place, until it is closed or collected. @internal */
  take(place: HotPlace): void {
    this.place = place;
    this.#held.place = place;
  }

  #closeIfIdle(): void {
    if (this.#references > 0) return;
    let failure: unknown = null;
    if (this.fd >= 0) {
      for (const fixed of [...this.#fixed]) fixed.clear();
      forgetCollection(this);
      this.fd = -1;
      try {
        this.#held.giveBack();
      } catch (error) {
        failure = error;
      }
    }
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (failure === null) resolve();
      else reject(failure);
    }
  }
}

/**
 * A file's place in a ring's table of registered files: requests by it take no reference on the open file, which the table holds.
 * Made by {@link FileTable.set}. It can be used on that ring only.
 */
export class FixedFile {
  /** The index in the table; -1 when the place has been given up, so that requests complete with EBADF. */
  fd: number;
  /** How many requests are in flight that the kernel will look this place up for later: until then it must not be another file's. */
  lateRequests = 0;
  /** Marks the number as an index. */
  readonly requestFlags: number = IOSQE_FIXED_FILE;
  readonly file: RingFile;
  /** The ring. */
  readonly owner: object;
  readonly #clear: (index: number) => void;

  /** @internal */
  constructor(owner: object, file: RingFile, index: number, clear: (index: number) => void) {
    this.owner = owner;
    this.file = file;
    this.fd = index;
    this.#clear = clear;
    file.addFixed(this);
  }

  get path(): string | undefined {
    return this.file.path;
  }

  /**
   * Gives the place up; the file stays open. Requests that the kernel has looked up go on. Those that it looks up only when they run (later
   * members of a chain, behind a drain, with IOSQE_ASYNC) complete with EBADF.
   */
  clear(): void {
    if (this.fd < 0) return;
    const index = this.fd;
    this.fd = -1;
    this.file.removeFixed(this);
    this.#clear(index);
  }
}

/** The members of a request that name its file. */
export interface AimedRequest {
  fd: number;
  flags: number;
  file: RingFile | null;
  otherFile: RingFile | null;
  fixed: FixedFile | null;
  path: string | undefined;
}

/**
 * Aims a request at a file.
 *
 * @throws RangeError ERR_OUT_OF_RANGE, TypeError ERR_INVALID_ARG_TYPE for what is no file
 * @internal
 */
export function aim(request: AimedRequest, target: FileTarget): void {
  request.otherFile = null;
  if (typeof target === 'number') {
    if ((target | 0) !== target) throw notDescriptor(target);
    request.fd = target;
    request.flags = 0;
    request.file = null;
    request.fixed = null;
    request.path = undefined;
  } else {
    if (target?.file === undefined) throw notFile(target);
    request.fd = target.fd;
    request.flags = target.requestFlags;
    request.file = target.file;
    request.fixed = target.requestFlags === 0 ? null : (target as FixedFile);
    request.path = target.path;
  }
}

function notDescriptor(value: number): RangeError {
  const message = `The value of "fd" is out of range. It must be an integer of 32 bits. Received ${value}`;
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}

function notFile(value: unknown): TypeError {
  const message = `The file must be a RingFile, a FixedFile or a descriptor's number. Received ${inspect(value, { depth: -1 })}`;
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}

interface PromiseWithResolvers {
  resolve(): void;
  reject(error: unknown): void;
}

function checkOpen(fd: number, syscall: string, path: string | undefined): void {
  // From fcntl.h.
  const F_GETFD = 1;
  const open = Number.isInteger(fd) && fd >= 0 && fd <= 0x7fff_ffff && libc().fcntl(fd, F_GETFD, 0) >= 0;
  if (!open) throw new SystemError(EBADF, syscall, path, `${fd} is no open descriptor`);
}

function closeNative(fd: number): void {
  if (closeOwned(fd) < 0) throw new SystemError(libc().errno(), 'close');
}

let lastGeneration = 0;

/** Threads count for themselves, and Node never gives a thread's number to another one. */
function nextGeneration(): number {
  lastGeneration += 1;
  return threadId * 2 ** 32 + lastGeneration;
}
