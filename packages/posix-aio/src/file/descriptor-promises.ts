import type { AioPriority } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockOperation } from '@biodone/blockdev';
import { EBADF, EINVAL, ESPIPE } from '@biodone/uring';
import { flagsOf, O_APPEND, S_IFBLK, S_IFDIR, S_IFREG } from '../descriptor/file-status.js';
import { lookUp } from '../descriptor/start-on-descriptor.js';
import { invalidType, ioError, outOfRange } from './file-errors.js';
import type { AioReadResult, AioReadvResult, AioWriteResult, AioWritevResult, FileMemory } from './file-memory.js';
import { MemoryParts } from './memory-parts.js';
import { type DescriptorLook, PromisedOp } from './promised-op.js';
import {
  type AnyPart,
  bytesOf,
  checkOptions,
  isMemory,
  type PartOptions,
  type TransferOptions,
  type VectorOptions,
} from './transfer-arguments.js';

/** What can be synchronized. */
const SYNCHRONIZABLE: readonly number[] = [S_IFREG, S_IFBLK, S_IFDIR];
const LENGTH_MAX = 0x7fff_ffff;
/** How many parts the kernel takes at once (UIO_MAXIOV). */
const PARTS_MAX = 1024;

/**
 * Reads from a descriptor of the process. The request is in the kernel, or holds the open file, when this returns: closing the descriptor then
 * sends it to no other file.
 *
 * @param fd of any kind of file
 * @param options `position` has to be given where the file has positions, and must not be for a pipe, a socket or a terminal, whose reads follow one
 * another in the order of the calls
 * @returns `bytesRead`, fewer than asked for at the end of a file and where read(2) is short; and the memory
 * @throws (rejects) EBADF for what is no open descriptor, or not open for reading; ESPIPE for a position where there is none; EAGAIN if there is no
 * descriptor left to hold the file by; AbortError ABORT_ERR if `signal` has ended it; EFAULT if the memory was transferred away; the errors of read(2);
 * TypeError ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE for wrong arguments
 *
 * @example
 * ```js
 * import { closeSync, openSync } from 'node:fs';
 * import { aio } from '@biodone/posix-aio';
 *
 * const fd = openSync(process.execPath);
 * const read = aio.read(fd, Buffer.alloc(4), { position: 0 });
 * closeSync(fd);
 * console.log((await read).buffer); // <Buffer 7f 45 4c 46>
 * ```
 */
export async function read<T extends FileMemory>(fd: number, buffer: T, options: PartOptions = {}): Promise<AioReadResult<T>> {
  return { bytesRead: await transfer(BLOCK_READ, fd, buffer, options), buffer };
}

/**
 * Writes to a descriptor. With O_APPEND writes follow one another in the order of the calls, at the end of the file, and need no position. Otherwise as
 * {@link read}.
 */
export async function write<T extends FileMemory | string>(
  fd: number,
  data: T,
  options: PartOptions = {},
): Promise<AioWriteResult<T>> {
  const memory: FileMemory = typeof data === 'string' ? Buffer.from(data) : (data as FileMemory);
  return { bytesWritten: await transfer(BLOCK_WRITE, fd, memory, options), buffer: data };
}

/** Reads into memory in several parts, one after the other, by one preadv(2) or readv(2). Otherwise as {@link read}. @param buffers at most 1024 */
export async function readv<T extends readonly FileMemory[]>(
  fd: number,
  buffers: T,
  options: VectorOptions = {},
): Promise<AioReadvResult<T>> {
  return { bytesRead: await transferParts(BLOCK_READ, fd, buffers, options), buffers };
}

/** Writes memory in several parts, one after the other. Otherwise as {@link write}. @param buffers at most 1024 */
export async function writev<T extends readonly FileMemory[]>(
  fd: number,
  buffers: T,
  options: VectorOptions = {},
): Promise<AioWritevResult<T>> {
  return { bytesWritten: await transferParts(BLOCK_WRITE, fd, buffers, options), buffers };
}

/**
 * As fsync(2), for all that was started on the file before, through whatever descriptor of this thread: rejects with the error of the first
 * of it that fails.
 *
 * @throws (rejects) EBADF, EINVAL for what cannot be synchronized, and as {@link read}
 */
export function fsync(fd: number, options: TransferOptions = {}): Promise<void> {
  return sync(fd, false, options);
}

/** As fdatasync(2): {@link fsync} without the metadata that reading the data does not need. */
export function fdatasync(fd: number, options: TransferOptions = {}): Promise<void> {
  return sync(fd, true, options);
}

async function transfer(operation: BlockOperation, fd: number, buffer: FileMemory, options: AnyPart): Promise<number> {
  checkDescriptor(fd);
  if (!isMemory(buffer)) throw invalidType('buffer', 'a Buffer, a TypedArray, a DataView or an IoBuffer', buffer);
  checkObject(options);
  const { signal = null, priority = 1, trusted = false } = options;
  checkOptions(signal, priority, trusted);
  const view = bytesOf(buffer);
  const offset = numberIn('options.offset', options.offset ?? 0, view.length);
  const lengthBytes = numberIn(
    'options.length',
    options.length ?? view.length - offset,
    Math.min(view.length - offset, LENGTH_MAX),
  );
  const syscall = operation === BLOCK_READ ? 'read' : 'write';
  const look = lookAt(fd, syscall);
  const position = positionIn(look, operation, options.position, syscall);
  if (lengthBytes === 0) return 0;
  return new Promise((resolve, reject) => {
    const op = PromisedOp.take();
    op.operation = operation;
    op.offset = position;
    op.lengthBytes = lengthBytes;
    op.setMemory(view, offset, trusted as boolean);
    op.begin(look, signal as AbortSignal | null, priority as AioPriority, resolve, reject, syscall);
  });
}

async function transferParts(
  operation: BlockOperation,
  fd: number,
  buffers: readonly FileMemory[],
  options: VectorOptions,
): Promise<number> {
  checkDescriptor(fd);
  if (!Array.isArray(buffers) || buffers.length > PARTS_MAX || !buffers.every(isMemory))
    throw invalidType('buffers', `an array of at most ${PARTS_MAX} Buffers, TypedArrays, DataViews or IoBuffers`, buffers);
  checkObject(options);
  const { signal = null, priority = 1, trusted = false } = options;
  checkOptions(signal, priority, trusted);
  const parts = new MemoryParts(buffers);
  numberIn('the length of all buffers', parts.lengthBytes, LENGTH_MAX);
  const syscall = operation === BLOCK_READ ? 'readv' : 'writev';
  const look = lookAt(fd, syscall);
  const position = positionIn(look, operation, options.position, syscall);
  if (parts.lengthBytes === 0) return 0;
  return new Promise((resolve, reject) => {
    const op = PromisedOp.take();
    op.operation = operation;
    op.offset = position;
    op.lengthBytes = parts.lengthBytes;
    op.setParts(parts, look.vnode.isStream && operation === BLOCK_WRITE, trusted);
    op.begin(look, signal, priority, resolve, reject, syscall);
  });
}

async function sync(fd: number, dataOnly: boolean, options: TransferOptions): Promise<void> {
  checkDescriptor(fd);
  checkObject(options);
  const { signal = null, priority = 1 } = options;
  checkOptions(signal, priority, false);
  const syscall = dataOnly ? 'fdatasync' : 'fsync';
  const look = lookAt(fd, syscall);
  if (!SYNCHRONIZABLE.includes(look.vnode.kind)) throw ioError(EINVAL, syscall);
  await new Promise<number>((resolve, reject) => {
    const op = PromisedOp.take();
    op.operation = BLOCK_FLUSH;
    op.offset = 0;
    op.lengthBytes = 0;
    op.buffer = null;
    op.dataOnly = dataOnly;
    op.begin(look, signal, priority, resolve, reject, syscall);
  });
}

function checkDescriptor(fd: unknown): void {
  if (typeof fd !== 'number') throw invalidType('fd', 'of type number', fd);
  numberIn('fd', fd, LENGTH_MAX);
}

function checkObject(options: unknown): void {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options);
}

/** The file that a descriptor is of now. */
function lookAt(fd: number, syscall: string): DescriptorLook {
  const vnode = lookUp(fd);
  if (vnode === null) throw ioError(EBADF, syscall);
  return { fd, flags: flagsOf(fd), vnode };
}

function positionIn({ vnode, flags }: DescriptorLook, operation: BlockOperation, position: unknown, syscall: string): number {
  const isGiven = position !== undefined && position !== null;
  if (vnode.isStream) {
    if (isGiven) throw ioError(ESPIPE, syscall);
    return 0;
  }
  // An append goes to the end, whatever its position is.
  if (!isGiven && operation === BLOCK_WRITE && (flags & O_APPEND) !== 0) return 0;
  if (!isGiven)
    throw invalidType('options.position', 'a number for a file that has positions (an AioFile keeps one of its own)', position);
  return numberIn('options.position', position, Number.MAX_SAFE_INTEGER);
}

function numberIn(name: string, value: unknown, most: number): number {
  if (typeof value !== 'number') throw invalidType(name, 'of type number', value);
  if (!Number.isSafeInteger(value) || value < 0 || value > most) throw outOfRange(name, `an integer >= 0 && <= ${most}`, value);
  return value;
}
