import { IoBuffer, libc, RWF_NOWAIT } from '@biodone/uring';
import { type AioRequest, REQUEST_IN_PROGRESS } from './aio-request.js';
import { type aiocb, requestOfBlock } from './aiocb.js';
import { SIGEV_NONE } from './constants.js';
import { O_DIRECT } from './descriptor/file-status.js';
import { learn } from './memory.js';
import { settle, unreaped } from './requests.js';

// From linux/fcntl.h.
const F_GETFL = 3;

/** What preadv2(2) takes for the file's own position. */
const OWN_POSITION = -1;

/** How many reads of a descriptor go the long way after one that the page cache could not answer. */
const SKIPPED = 16;
/** Descriptors with higher numbers share their counts with lower ones: they only say what is worth a try. */
const DESCRIPTORS = 1024;

/** More would take so long to copy that it is no longer asynchronous. */
export const IMMEDIATE_MAX_BYTES = 65_536;

/** By descriptor, how many reads are not worth a try. */
const skips = new Uint8Array(DESCRIPTORS);

/** A `struct iovec`, as four words, and what preadv2(2) is called by; null before the first use and where it is not to be had. */
let vector: Uint32Array | null = null;
let vectorAddress = 0;
let calls: { fcntl: Fcntl; preadv2: Preadv2 } | null | undefined;

type Fcntl = (fd: number, command: number, argument: number) => number;
type Preadv2 = (fd: number, vector: number, count: number, offset: number, flags: number) => number;

/**
 * Reads at once what the page cache has, all of it and at most 64 KiB, without blocking: preadv2(2) with RWF_NOWAIT. The kernel has done the request when the call
 * returns, in one call and not in two, so nothing has to be known of the file that the descriptor is of, and nothing is held.
 *
 * What is not there, not whole, or not plain goes the long way, as do files that are read past the cache (O_DIRECT), where the call would block.
 * Whether one of these is behind the number now is asked each time.
 *
 * @returns whether the request is done
 */
export function readNow(cb: aiocb): boolean {
  const request = requestOfBlock(cb);
  if (request === null) return false;
  const { aio_fildes: fd, aio_buf: view, aio_nbytes: lengthBytes, aio_offset: offset } = cb;
  if (typeof fd !== 'number' || (fd | 0) !== fd || fd < 0 || view === null) return false;
  const skip = fd & (DESCRIPTORS - 1);
  if ((skips[skip] as number) > 0) {
    skips[skip] = (skips[skip] as number) - 1;
    return false;
  }
  if (!isPlain(cb, request, view, lengthBytes, offset)) return false;
  if (calls == null && !prepare()) return false;
  const { fcntl, preadv2 } = calls as NonNullable<typeof calls>;
  const flags = fcntl(fd, F_GETFL, 0);
  if (flags < 0 || (flags & O_DIRECT) !== 0) return false;
  if (request.view !== view) {
    if (!(view instanceof Uint8Array)) return false;
    learn(request, view);
  }
  describe(request.address, lengthBytes);
  if (preadv2(fd, vectorAddress, 1, offset, RWF_NOWAIT) !== lengthBytes) {
    skips[skip] = SKIPPED;
    return false;
  }
  if (request.entry.queue !== null) unreaped.remove(request.entry);
  settle(request, 0, lengthBytes);
  return true;
}

/**
 * Reads what the page cache has, at the file's own position, into memory that nobody else has seen yet.
 *
 * @returns how much, at most the length of the memory: fewer bytes, too, where only a part is in the cache; 0 at the end of the file; -1 if it cannot be said
 * without waiting
 */
export function readCached(fd: number, memory: Uint8Array): number {
  if (calls == null && !prepare()) return -1;
  describe(libc().address(memory), memory.length);
  return (calls as NonNullable<typeof calls>).preadv2(fd, vectorAddress, 1, OWN_POSITION, RWF_NOWAIT);
}

function isPlain(cb: aiocb, request: AioRequest, view: Uint8Array, lengthBytes: number, offset: number): boolean {
  if (request.status === REQUEST_IN_PROGRESS || cb.aio_reqprio !== 0 || cb.aio_sigevent?.sigev_notify !== SIGEV_NONE)
    return false;
  // What is no integer of 32 bits is not the same as one that is made of it.
  if (
    lengthBytes >>> 0 !== lengthBytes ||
    lengthBytes === 0 ||
    lengthBytes > IMMEDIATE_MAX_BYTES ||
    !(lengthBytes <= view.byteLength)
  )
    return false;
  return Number.isSafeInteger(offset) && offset >= 0 && offset <= Number.MAX_SAFE_INTEGER - lengthBytes;
}

function describe(address: number, lengthBytes: number): void {
  const words = vector as Uint32Array;
  words[0] = address;
  words[1] = address / 2 ** 32;
  words[2] = lengthBytes;
}

/** False where the C library does not have the call, or there is no foreign function interface. */
function prepare(): boolean {
  if (calls === null) return false;
  calls = null;
  try {
    const { fcntl, preadv2 } = libc();
    if (preadv2 === null || process.platform !== 'linux') return false;
    const memory = IoBuffer.allocate(16, 8);
    vector = new Uint32Array(memory.bytes.buffer, memory.bytes.byteOffset, 4);
    vectorAddress = memory.address;
    calls = { fcntl, preadv2 };
    return true;
  } catch {
    return false;
  }
}
