import type { AioPriority } from '@biodone/aio';
import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockOperation } from '@biodone/blockdev';
import { AbortError } from '@biodone/sync';
import { EBADF, ECANCELED, EFAULT, EINVAL, ESPIPE, type IoBuffer } from '@biodone/uring';
import { DescriptorOp, letGo } from '../descriptor/descriptor-op.js';
import { flagsOf, S_IFBLK, S_IFDIR, S_IFREG } from '../descriptor/file-status.js';
import { lookUp, poolOf, startOnDescriptor } from '../descriptor/start-on-descriptor.js';
import type { Vnode } from '../descriptor/vnode.js';
import { giveBounce, takeBounce } from './bounce.js';
import { invalidType, ioError, outOfRange } from './file-errors.js';
import type { AioReadResult, AioWriteResult, FileMemory } from './file-memory.js';
import { memoryOf } from './memory-of.js';
import { type AnyPart, bytesOf, checkOptions, isMemory, type PartOptions, type TransferOptions } from './transfer-arguments.js';

/** What can be synchronized. */
const SYNCHRONIZABLE: readonly number[] = [S_IFREG, S_IFBLK, S_IFDIR];
const LENGTH_MAX = 0x7fff_ffff;

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

/** Writes to a descriptor. With O_APPEND writes follow one another in the order of the calls. Otherwise as {@link read}. */
export async function write<T extends FileMemory | string>(
  fd: number,
  data: T,
  options: PartOptions = {},
): Promise<AioWriteResult<T>> {
  const memory: FileMemory = typeof data === 'string' ? Buffer.from(data) : (data as FileMemory);
  return { bytesWritten: await transfer(BLOCK_WRITE, fd, memory, options), buffer: data };
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
  const vnode = lookUp(fd);
  if (vnode === null) throw ioError(EBADF, syscall);
  const position = positionIn(vnode, options.position, syscall);
  if (lengthBytes === 0) return 0;
  return new Promise((resolve, reject) => {
    const op = free.pop() ?? new PromisedOp();
    op.operation = operation;
    op.offset = position;
    op.lengthBytes = lengthBytes;
    op.setMemory(view, offset, trusted as boolean);
    op.begin(fd, vnode, signal as AbortSignal | null, priority as AioPriority, resolve, reject, syscall);
  });
}

async function sync(fd: number, dataOnly: boolean, options: TransferOptions): Promise<void> {
  checkDescriptor(fd);
  checkObject(options);
  const { signal = null, priority = 1 } = options;
  checkOptions(signal, priority, false);
  const syscall = dataOnly ? 'fdatasync' : 'fsync';
  const vnode = lookUp(fd);
  if (vnode === null) throw ioError(EBADF, syscall);
  if (!SYNCHRONIZABLE.includes(vnode.kind)) throw ioError(EINVAL, syscall);
  await new Promise<number>((resolve, reject) => {
    const op = free.pop() ?? new PromisedOp();
    op.operation = BLOCK_FLUSH;
    op.offset = 0;
    op.lengthBytes = 0;
    op.buffer = null;
    op.dataOnly = dataOnly;
    op.begin(fd, vnode, signal, priority, resolve, reject, syscall);
  });
}

/** Operations to be used again. */
const free: PromisedOp[] = [];
const FREE_MAX = 1024;

/** An operation that settles a promise. */
class PromisedOp extends DescriptorOp {
  #resolve: ((count: number) => void) | null = null;
  #reject: ((error: Error) => void) | null = null;
  #syscall = '';
  /** The memory that is copied, and from where on. */
  #view: Uint8Array | null = null;
  #viewOffset = 0;
  #bounce: IoBuffer | null = null;

  constructor() {
    super();
    this.callback = ended;
  }

  setMemory(view: Uint8Array, offset: number, trusted: boolean): void {
    const memory = memoryOf(view, trusted);
    if (memory !== null) {
      this.buffer = memory;
      this.bufferOffset = view.byteOffset + offset;
      return;
    }
    const bounce = takeBounce(this.lengthBytes);
    this.#bounce = bounce;
    this.#view = view;
    this.#viewOffset = offset;
    this.buffer = bounce;
    this.bufferOffset = 0;
    if (this.operation === BLOCK_WRITE) bounce.bytes.set(view.subarray(offset, offset + this.lengthBytes));
  }

  begin(
    fd: number,
    vnode: Vnode,
    signal: AbortSignal | null,
    priority: AioPriority,
    resolve: (count: number) => void,
    reject: (error: Error) => void,
    syscall: string,
  ): void {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#syscall = syscall;
    this.signal = signal;
    this.priority = priority;
    const refused = startOnDescriptor(this, fd, vnode, flagsOf(fd), poolOf(this.operation, fd, vnode));
    if (refused !== 0) this.finish(refused, 0);
  }

  /** Settles the promise, and lets go of everything. */
  finish(error: number, transferredBytes: number): void {
    letGo(this);
    const { signal } = this;
    const lost = this.#giveBounce(error === 0 && this.operation === BLOCK_READ ? transferredBytes : 0);
    const [resolve, reject] = [this.#resolve, this.#reject];
    const failure = error !== 0 ? error : lost ? EFAULT : 0;
    this.#resolve = null;
    this.#reject = null;
    this.buffer = null;
    this.signal = null;
    if (free.length < FREE_MAX) free.push(this);
    if (failure === 0) resolve?.(transferredBytes);
    else if (failure === ECANCELED && signal?.aborted === true) reject?.(new AbortError(signal.reason));
    else reject?.(ioError(failure, this.#syscall));
  }

  /** Copies back what was read. True if the memory has been taken away meanwhile. */
  #giveBounce(count: number): boolean {
    const bounce = this.#bounce;
    const view = this.#view;
    if (bounce === null || view === null) return false;
    this.#bounce = null;
    this.#view = null;
    const isLost = this.#viewOffset + count > view.length;
    if (count > 0 && !isLost) view.set(bounce.bytes.subarray(0, count), this.#viewOffset);
    giveBounce(bounce);
    return isLost && count > 0;
  }
}

function ended(op: unknown): void {
  const { error, transferredBytes } = op as PromisedOp;
  (op as PromisedOp).finish(error, transferredBytes);
}

function checkDescriptor(fd: unknown): void {
  if (typeof fd !== 'number') throw invalidType('fd', 'of type number', fd);
  numberIn('fd', fd, LENGTH_MAX);
}

function checkObject(options: unknown): void {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options);
}

function positionIn({ isStream }: Vnode, position: unknown, syscall: string): number {
  const isGiven = position !== undefined && position !== null;
  if (isStream) {
    if (isGiven) throw ioError(ESPIPE, syscall);
    return 0;
  }
  if (!isGiven)
    throw invalidType('options.position', 'a number for a file that has positions (an AioFile keeps one of its own)', position);
  return numberIn('options.position', position, Number.MAX_SAFE_INTEGER);
}

function numberIn(name: string, value: unknown, most: number): number {
  if (typeof value !== 'number') throw invalidType(name, 'of type number', value);
  if (!Number.isSafeInteger(value) || value < 0 || value > most) throw outOfRange(name, `an integer >= 0 && <= ${most}`, value);
  return value;
}
