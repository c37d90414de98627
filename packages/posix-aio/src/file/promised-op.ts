import type { AioPriority } from '@biodone/aio';
import { BLOCK_READ, BLOCK_WRITE } from '@biodone/blockdev';
import { AbortError } from '@biodone/sync';
import { ECANCELED, EFAULT, type IoBuffer } from '@biodone/uring';
import { DescriptorOp, letGo } from '../descriptor/descriptor-op.js';
import { poolOf, startOnDescriptor } from '../descriptor/start-on-descriptor.js';
import type { Vnode } from '../descriptor/vnode.js';
import { giveBounce, takeBounce } from './bounce.js';
import { ioError } from './file-errors.js';
import { memoryOf } from './memory-of.js';
import type { MemoryParts } from './memory-parts.js';

/** The descriptor of an operation, as the call has found it. */
export interface DescriptorLook {
  readonly fd: number;
  /** The open file's flags. */
  readonly flags: number;
  readonly vnode: Vnode;
}

/** Operations to be used again. */
const free: PromisedOp[] = [];
const FREE_MAX = 1024;

/** An operation on a descriptor that settles a promise. */
export class PromisedOp extends DescriptorOp {
  #resolve: ((count: number) => void) | null = null;
  #reject: ((error: Error) => void) | null = null;
  #syscall = '';
  /** The memory that is copied, and from where on. */
  #view: Uint8Array | null = null;
  #viewOffset = 0;
  /** Memory in several parts that is copied. */
  #parts: MemoryParts | null = null;
  #bounce: IoBuffer | null = null;

  private constructor() {
    super();
    this.callback = ended;
  }

  /** One that nobody uses. */
  static take(): PromisedOp {
    return free.pop() ?? new PromisedOp();
  }

  /** What is read or written: `lengthBytes`, which is known by now, from `offset` on. */
  setMemory(view: Uint8Array, offset: number, trusted: boolean): void {
    const memory = memoryOf(view, trusted);
    if (memory !== null) {
      this.buffer = memory;
      this.bufferOffset = view.byteOffset + offset;
      return;
    }
    const bounce = this.#takeBounce();
    this.#view = view;
    this.#viewOffset = offset;
    if (this.operation === BLOCK_WRITE) bounce.bytes.set(view.subarray(offset, offset + this.lengthBytes));
  }

  /** @param isCut whether a call may leave off in the middle, and be taken up there: a vector could not */
  setParts(parts: MemoryParts, isCut: boolean, trusted: boolean): void {
    const vector = isCut ? null : parts.asVector(trusted);
    if (vector !== null) {
      this.buffer = null;
      this.vector = vector;
      return;
    }
    const bounce = this.#takeBounce();
    this.#parts = parts;
    if (this.operation === BLOCK_WRITE) parts.copyInto(bounce.bytes, this.lengthBytes);
  }

  begin(
    { fd, flags, vnode }: DescriptorLook,
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
    const refused = startOnDescriptor(this, fd, vnode, flags, poolOf(this.operation, fd, vnode));
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
    this.vector = null;
    this.signal = null;
    if (free.length < FREE_MAX) free.push(this);
    if (failure === 0) resolve?.(transferredBytes);
    else if (failure === ECANCELED && signal?.aborted === true) reject?.(new AbortError(signal.reason));
    else reject?.(ioError(failure, this.#syscall));
  }

  #takeBounce(): IoBuffer {
    const bounce = takeBounce(this.lengthBytes);
    this.#bounce = bounce;
    this.buffer = bounce;
    this.bufferOffset = 0;
    return bounce;
  }

  /** Copies back what was read. True if the memory has been taken away meanwhile. */
  #giveBounce(count: number): boolean {
    const bounce = this.#bounce;
    if (bounce === null) return false;
    const isLost = count > 0 && !this.#copyBack(bounce, count);
    this.#bounce = null;
    this.#view = null;
    this.#parts = null;
    giveBounce(bounce);
    return isLost;
  }

  #copyBack({ bytes }: IoBuffer, count: number): boolean {
    const view = this.#view;
    if (view === null) return this.#parts?.copyFrom(bytes, count) ?? true;
    if (this.#viewOffset + count > view.length) return false;
    view.set(bytes.subarray(0, count), this.#viewOffset);
    return true;
  }
}

function ended(op: unknown): void {
  const { error, transferredBytes } = op as PromisedOp;
  (op as PromisedOp).finish(error, transferredBytes);
}
