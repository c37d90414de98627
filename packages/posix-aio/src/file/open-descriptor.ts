import { constants, type OpenMode, open as openWithCallback, type PathLike } from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import { isMainThread } from 'node:worker_threads';
import { libc } from '@biodone/uring';
import { readStatus, S_IFREG, status } from '../descriptor/file-status.js';
import { closeByNode, closeByRing, openByRing } from './ring-paths.js';

/** An open descriptor, by whomever it was opened. */
export interface Descriptor {
  /** -1 once it is being closed. */
  readonly fd: number;
  /** For all that FileHandle does. It must not be closed: {@link close} does that. */
  readonly handle: FileHandle;
  /** Of what kind the file is, as `status.kind`; 0 where that cannot be asked. */
  readonly kind: number;
  close(): Promise<void>;
}

/**
 * Opens a file as `fs.promises.open` does, without a FileHandle of Node's: what that is needed for is done by one that is made for the same descriptor.
 *
 * A regular file that is there the ring opens where it can, and closes: if the kernel has its path in memory, that takes system calls within the thread, where
 * Node takes two trips to another one.
 *
 * @param usesRing whether the file's reads and writes go through io_uring
 * @throws (rejects) what `fs.promises.open` rejects with
 */
export async function openDescriptor(
  path: PathLike,
  flags: OpenMode,
  mode: number | string | undefined,
  usesRing: boolean,
): Promise<Descriptor> {
  if (canMakeHandles()) {
    const isByRing = usesRing && isPlainPath(path) && isPlainMode(mode);
    const number = typeof flags === 'number' ? flags : LETTERS.get(flags);
    // What is no integer of 32 bits Node refuses.
    const isPlainNumber = number !== undefined && (number | 0) === number && (number & NOT_BY_RING) === 0;
    const fd = isByRing && isPlainNumber ? await openRegular(path, number) : -1;
    if (fd >= 0 && number !== undefined) return new BareDescriptor(fd, (number & ACCESS_MODE) !== constants.O_RDONLY, S_IFREG);
    const other = await openByNode(path, flags, mode);
    if (other >= 0) return new BareDescriptor(other, true, kindOf(other));
  }
  const handle = await openHandle(path, flags, mode);
  handleClass ??= handle.constructor as HandleClass;
  return new HandleDescriptor(handle);
}

class HandleDescriptor implements Descriptor {
  readonly handle: FileHandle;
  readonly kind: number;

  constructor(handle: FileHandle) {
    this.handle = handle;
    this.kind = kindOf(handle.fd);
  }

  get fd(): number {
    return this.handle.fd;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

class BareDescriptor implements Descriptor {
  fd: number;
  readonly kind: number;
  readonly #isLong: boolean;
  #handle: FileHandle | null = null;

  /** @param isLong whether closing it may take long, or do more than to let go of it */
  constructor(fd: number, isLong: boolean, kind: number) {
    this.fd = fd;
    this.kind = kind;
    this.#isLong = isLong;
  }

  get handle(): FileHandle {
    this.#handle ??= new (handleClass as HandleClass)({ fd: this.fd });
    return this.#handle;
  }

  close(): Promise<void> {
    const { fd } = this;
    this.fd = -1;
    // The end of a file that was written takes long if blocks have to be allocated, that of one without a name if they are given back.
    const isLong = this.#isLong || !readStatus(fd) || status.links === 0;
    return isLong ? closeByNode(fd) : closeByRing(fd);
  }
}

function kindOf(fd: number): number {
  return readStatus(fd) ? status.kind : 0;
}

/** Opens a file by Node's callbacks. @returns -1 for arguments that `fs.promises.open` is to refuse. @throws (rejects) what that rejects with otherwise */
function openByNode(path: PathLike, flags: OpenMode, mode: number | string | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    try {
      openWithCallback(path, flags, mode ?? 0o666, (error, fd) => {
        if (error === null) resolve(fd);
        else reject(error);
      });
    } catch {
      resolve(-1);
    }
  });
}

/** FileHandle's class. Its constructor takes the object that has the descriptor; its methods use nothing but the number, except for `close`. */
type HandleClass = new (owner: { readonly fd: number }) => FileHandle;

/** Node does not export it, but each handle has it: so the first file of a thread is opened by Node. */
let handleClass: HandleClass | null = null;
let isKnownToWork: boolean | null = null;

/** Whether FileHandles can be made for descriptors that are there, as in all versions up to 26. */
function canMakeHandles(): boolean {
  if (handleClass === null) return false;
  isKnownToWork ??= works(handleClass);
  return isKnownToWork;
}

function works(made: HandleClass): boolean {
  try {
    const handle = new made({ fd: NUMBER });
    // Somebody may have put a class of their own in its place, by which a file could be opened and no more.
    return made.name === 'FileHandle' && handle.fd === NUMBER && typeof handle.stat === 'function';
  } catch {
    return false;
  }
}

/** Any number does: nothing is done with it. */
const NUMBER = 12345;

/** Node's letters for files that have to be there. */
const LETTERS: ReadonlyMap<unknown, number> = new Map([
  ['r', constants.O_RDONLY],
  ['r+', constants.O_RDWR],
  ['rs', constants.O_RDONLY | constants.O_SYNC],
  ['sr', constants.O_RDONLY | constants.O_SYNC],
  ['rs+', constants.O_RDWR | constants.O_SYNC],
  ['sr+', constants.O_RDWR | constants.O_SYNC],
]);

const ACCESS_MODE = 3;
/** From linux/fcntl.h: the same on the architectures that Node runs on. */
const O_PATH = 0o10000000;
const O_TMPFILE = 0o20000000;
/** What creates or truncates a file the kernel gives to a thread in any case, and what is no regular file is Node's. */
const NOT_BY_RING =
  constants.O_CREAT | constants.O_TRUNC | constants.O_EXCL | constants.O_DIRECTORY | constants.O_NONBLOCK | O_PATH | O_TMPFILE;

/** Node keeps a list of what it opens in a worker, and asks for permissions that may have been taken. */
function isPlainPath(path: PathLike): path is string {
  const isPermitted = (process as { permission?: object }).permission === undefined;
  return isMainThread && isPermitted && typeof path === 'string' && path !== '' && !path.includes('\0');
}

function isPlainMode(mode: number | string | undefined): boolean {
  return mode === undefined || (typeof mode === 'number' && Number.isInteger(mode) && mode >= 0 && mode <= 0o777);
}

/**
 * Opens a regular file. What is under the path is looked at first, through a descriptor that opens nothing (O_PATH): the kernel tries an open with O_NONBLOCK, by
 * which the reading end of a FIFO would not wait for a writer, and a device could do anything.
 *
 * @returns -1 for what Node has to open, or to explain
 */
async function openRegular(path: string, flags: number): Promise<number> {
  const place = await openByRing(path, O_PATH | (flags & constants.O_NOFOLLOW));
  if (place < 0) return -1;
  const isRegular = readStatus(place) && status.kind === S_IFREG;
  libc().close(place);
  const fd = isRegular ? await openByRing(path, flags) : -1;
  if (fd < 0) return -1;
  if (readStatus(fd) && status.kind === S_IFREG) return fd;
  // Another file has taken its place.
  await closeByNode(fd);
  return -1;
}
