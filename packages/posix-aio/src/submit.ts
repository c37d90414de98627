import { type AioOp, type AioServicePool, PRIORITY_NONCRITICAL, PRIORITY_TIMELIMITED } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_SYNC, BLOCK_WRITE, type BlockOperation } from '@biodone/blockdev';
import { EAGAIN, EBADF, EFBIG, EINVAL, EOVERFLOW, IOPRIO_CLASS_BE, SystemError, TRANSFER_MAX_BYTES } from '@biodone/uring';
import type { AioRequest } from './aio-request.js';
import type { aiocb } from './aiocb.js';
import { faultIn, requestOf } from './check-block.js';
import { letGo } from './descriptor/descriptor-op.js';
import { flagsOf, O_APPEND, O_NONBLOCK, S_IFREG, status } from './descriptor/file-status.js';
import { lookUp, poolOf, startOnDescriptor } from './descriptor/start-on-descriptor.js';
import type { Vnode } from './descriptor/vnode.js';
import { MemoryParts } from './file/memory-parts.js';
import { limits } from './limits.js';
import { giveMemory, setMemory, setParts } from './memory.js';
import { notificationOf } from './notification.js';
import { begin, finish, inProgress } from './requests.js';
import { poolFor } from './target.js';

/** The offset maximum of every file: beyond it numbers are not exact. */
const OFFSET_MAX = Number.MAX_SAFE_INTEGER;

/** What is known of the descriptor of the last request, while nothing can have happened to it: within one call. */
export interface Known {
  fd: number;
  flags: number;
  vnode: Vnode | null;
}

/** Starts one request. @throws SystemError EINVAL, ENOTSUP for what is wrong with the block, EAGAIN */
export function submitOne(cb: aiocb, operation: BlockOperation, vectored: boolean, syscall: string): void {
  const request = requestOf(cb, syscall);
  const fault = faultIn(cb, vectored);
  if (fault !== null) throw new SystemError(EINVAL, syscall, undefined, fault);
  const notification = notificationOf(cb.aio_sigevent, syscall);
  checkRoom(1, syscall);
  request.notification = notification;
  const refused = startTransfer(cb, request, operation, vectored, look(cb.aio_fildes), syscall);
  if (refused !== EAGAIN) return;
  request.notification = null;
  throw new SystemError(
    EAGAIN,
    syscall,
    undefined,
    'no descriptor is left to hold the file by, no memory to copy through, or no room in the pool',
  );
}

/** @throws SystemError EAGAIN if so many more requests would be too many */
export function checkRoom(count: number, syscall: string): void {
  if (inProgress.length + count <= limits.AIO_MAX) return;
  const advice = `${inProgress.length} requests are in progress, and AIO_MAX is ${limits.AIO_MAX}: wait for some, or configure({ AIO_MAX })`;
  throw new SystemError(EAGAIN, syscall, undefined, advice);
}

/** Looks what is behind a descriptor: one look serves all requests of a call. */
export function look(target: aiocb['aio_fildes'], known: Known | null = null): Known | null {
  if (typeof target !== 'number') return null;
  if (known !== null && known.fd === target) return known;
  const flags = flagsOf(target);
  return { fd: target, flags, vnode: flags < 0 ? null : lookUp(target) };
}

/**
 * Starts a read or write whose block was checked. What is wrong with the descriptor becomes the request's error.
 *
 * @returns 0, or EAGAIN with nothing done
 */
export function startTransfer(
  cb: aiocb,
  request: AioRequest,
  operation: BlockOperation,
  vectored: boolean,
  known: Known | null,
  syscall: string,
): number {
  const parts = vectored ? new MemoryParts(cb.aio_iov as readonly Uint8Array[]) : null;
  let lengthBytes = parts === null ? cb.aio_nbytes : parts.lengthBytes;
  const pool = known === null ? poolFor(cb.aio_fildes, syscall) : null;
  const vnode = known === null ? null : known.vnode;
  if (known !== null && vnode === null) return fail(request, EBADF);
  const isAppend = operation === BLOCK_WRITE && ((known?.flags ?? 0) & O_APPEND) !== 0;
  const usesOffset = (vnode === null || !vnode.isStream) && !isAppend;
  // As much as one call moves: no more of it needs to be copied.
  if (vnode !== null && lengthBytes > TRANSFER_MAX_BYTES) lengthBytes = TRANSFER_MAX_BYTES;
  if (usesOffset && cb.aio_offset > OFFSET_MAX - lengthBytes && lengthBytes > 0) {
    const error = beyondMaximum(cb, operation, vnode);
    if (error >= 0) return fail(request, error);
    lengthBytes = OFFSET_MAX - cb.aio_offset;
  }
  request.operation = operation;
  request.offset = usesOffset ? cb.aio_offset : 0;
  request.lengthBytes = lengthBytes;
  request.flags = 0;
  request.callback = completed;
  setPriority(request, cb.aio_reqprio);
  request.isWhole = vnode?.isStream === true && operation === BLOCK_WRITE && ((known?.flags ?? 0) & O_NONBLOCK) === 0;
  const hasMemory = parts === null ? setMemory(request, cb.aio_buf, lengthBytes) : setParts(request, parts, lengthBytes);
  if (!hasMemory) {
    request.parts = null;
    return EAGAIN;
  }
  return start(request, pool, vnode, known);
}

/** Starts a flush of a file. @returns 0, or EAGAIN with nothing done */
export function startFlush(request: AioRequest, dataOnly: boolean, pool: AioServicePool | null, known: Known | null): number {
  request.operation = BLOCK_FLUSH;
  request.offset = 0;
  request.lengthBytes = 0;
  // A device knows it by its flags; who works on descriptors asks the request.
  request.flags = dataOnly || pool === null ? 0 : BLOCK_SYNC;
  request.buffer = null;
  request.vector = null;
  request.dataOnly = dataOnly;
  request.callback = completed;
  setPriority(request, 0);
  return start(request, pool, known?.vnode ?? null, known);
}

function start(request: AioRequest, pool: AioServicePool | null, vnode: Vnode | null, known: Known | null): number {
  request.vnode = vnode;
  request.source = pool ?? poolOf(request.operation, (known as Known).fd, vnode as Vnode);
  begin(request);
  let refused: number;
  if (pool !== null) {
    request.orderingKey = null;
    refused = pool.submit(request);
  } else {
    const { fd, flags } = known as Known;
    refused = startOnDescriptor(request, fd, vnode as Vnode, flags, request.source);
  }
  if (refused === 0) return 0;
  if (refused === EAGAIN) {
    inProgress.remove(request.entry);
    request.status = 0;
    drop(request);
    return EAGAIN;
  }
  drop(request);
  finish(request, refused, 0);
  return 0;
}

/** A request that never gets to its file: the error is told as that of any other. */
export function fail(request: AioRequest, error: number): number {
  begin(request);
  finish(request, error, 0);
  return 0;
}

function drop(request: AioRequest): void {
  if (request.bounce !== null) giveMemory(request, request.bounce, 0);
  request.parts = null;
}

/** The errno for a transfer that begins at the offset maximum or ends beyond it; -1 for one that is cut there (B8, B11, B12). */
function beyondMaximum({ aio_offset }: aiocb, operation: BlockOperation, vnode: Vnode | null): number {
  if (aio_offset < OFFSET_MAX) return vnode === null ? EINVAL : -1;
  if (vnode?.kind !== S_IFREG) return EINVAL;
  if (operation === BLOCK_WRITE) return EFBIG;
  // The size is that of the look at the file which this call has begun with.
  return aio_offset < status.sizeBytes ? EOVERFLOW : 0;
}

/**
 * Lowers the priority. The kernel's schedulers know three levels below the usual one; what waits in a pool of ours goes behind what was not lowered.
 */
function setPriority(request: AioRequest, reqprio: number): void {
  if (reqprio === 0) {
    request.ioPriority = 0;
    request.priority = PRIORITY_TIMELIMITED;
  } else {
    request.ioPriority = IOPRIO_CLASS_BE + 4 + Math.ceil((reqprio * 3) / 20);
    request.priority = PRIORITY_NONCRITICAL;
  }
}

/** The callback of all operations. */
function completed(op: AioOp): void {
  const request = op as AioRequest;
  let { error } = request;
  if (request.held !== null) letGo(request);
  if (request.bounce !== null) error ||= giveMemory(request, request.bounce, request.transferredBytes);
  if (request.parts !== null) {
    request.parts = null;
    request.vector = null;
  }
  finish(request, error, request.transferredBytes);
}
