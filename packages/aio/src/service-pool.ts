import { availableParallelism } from 'node:os';
import type { BlockDevice, BlockIo } from '@biodone/blockdev';
import { TailQueue } from '@biodone/sync';
import { SystemError } from '@biodone/uring';
import { AioOp, type AioOpOwner, OBJECTS_MAX } from './aio-op.js';
import { ServiceThreads } from './service-threads.js';

/** Options of {@link AioServicePool}. */
export interface AioServicePoolOptions {
  /**
   * Who serves the operations: `'inline'`, the submitting thread itself, whose event loop or polling takes the completions; or `'threads'`,
   * service threads with a channel of the device each.
   * @default 'inline'
   */
  service?: 'inline' | 'threads';
  /**
   * How many service threads.
   * @default one per CPU
   */
  threads?: number;
  /**
   * How many operations may be in flight, 1 to 65536.
   * @default 256
   */
  depth?: number;
}

/** What {@link AioServicePool.submit} returns when the pool is full. */
export const EAGAIN = 11 as const;
/** What {@link AioServicePool.submit} returns when the pool is closed. */
export const EBADF = 9 as const;

/**
 * A class of operations with what serves it: here, the operations of one device.
 *
 * It belongs to the thread that made it. Operations in flight keep the process alive.
 */
export class AioServicePool implements AioOpOwner {
  readonly device: BlockDevice;
  readonly depth: number;
  readonly #threads: ServiceThreads | null;
  /** A list that is linked through the operations themselves: an array would grow and shrink, and allocate, as they come and go. */
  readonly #free = new TailQueue<AioOp>();
  #made = 0;
  #inFlight = 0;
  #closing: Promise<void> | null = null;
  #drained: (() => void) | null = null;

  /**
   * @param device what the operations go to; close it after the pool
   * @throws RangeError ERR_OUT_OF_RANGE
   */
  constructor(device: BlockDevice, options: AioServicePoolOptions = {}) {
    const { service = 'inline', depth = 256, threads = availableParallelism() } = options;
    if (!isBetween(1, depth, 65536)) throw outOfRange('depth', '1 to 65536', depth);
    if (!isBetween(1, threads, 1024)) throw outOfRange('threads', '1 to 1024', threads);
    if (service !== 'inline' && service !== 'threads') throw outOfRange('service', `'inline' or 'threads'`, service);
    this.device = device;
    this.depth = depth;
    this.#threads = service === 'threads' ? new ServiceThreads(device, depth, threads) : null;
  }

  /** How many operations have been submitted and are not done. Synchronous ones do not count. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * An operation of this pool, with the fields of its last use. It is the caller's until its callback has returned.
   *
   * @throws RangeError ERR_OUT_OF_RANGE when 2^20 of them are with callers
   */
  allocate(): AioOp {
    return this.#free.removeFirst() ?? this.#make();
  }

  /** Takes back an operation that is not in flight. A callback that does not return true does that by itself. */
  release(op: AioOp): void {
    if (op.submitted) throw new SystemError(16, 'release', undefined, `operation ${op.id} is in flight`);
    if (op.owner !== this || op.queue !== null)
      throw new SystemError(22, 'release', undefined, 'this operation is not the caller’s');
    op.generation += 1;
    op.callback = null;
    op.buffer = null;
    op.private = null;
    this.#free.insertHead(op);
  }

  /**
   * Submits an operation. With a callback it returns at once, and the callback runs later, once, whatever happens. With `callback === null`
   * it returns with the operation done, and the operation stays the caller's.
   *
   * @returns 0; or, with nothing done and the operation still the caller's, EAGAIN if `depth` operations are in flight (rule 9), EBADF if
   * the pool or its device is closed
   * @throws SystemError EALREADY if the operation is in flight, EINVAL if it belongs to another pool or has been taken back
   */
  submit(op: AioOp): 0 | typeof EAGAIN | typeof EBADF {
    if (op.submitted) throw new SystemError(114, 'submit', undefined, `operation ${op.id} is in flight`);
    if (op.owner !== this || op.queue !== null)
      throw new SystemError(22, 'submit', undefined, 'this operation is not the caller’s');
    if (this.#closing !== null || this.device.closed) return EBADF;
    if (op.callback === null) {
      this.device.strategySync(op);
      return 0;
    }
    if (this.#inFlight === this.depth) return EAGAIN;
    op.iodone = aiodone;
    op.submitted = true;
    this.#inFlight += 1;
    if (this.#threads === null) this.device.strategy(op);
    else this.#threads.start(op);
    return 0;
  }

  /** Delivers what has completed, without blocking, for a thread that does not return to its event loop. Returns how many. */
  poll(): number {
    return this.#threads === null ? this.device.poll() : this.#threads.poll();
  }

  /**
   * Blocks until an operation completes, and delivers what has. Returns at once if none is in flight. A signal ends the wait.
   *
   * @param timeoutMs how long at most; `Infinity` for no limit
   * @returns how many were delivered, or why none were
   * @throws SystemError EDEADLK if only the event loop can complete operations of this device
   */
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    if (this.#inFlight === 0) return 0;
    if (this.#threads !== null) return this.#threads.wait(timeoutMs);
    if (this.device.capabilities.progress === 'event-loop') {
      throw new SystemError(35, 'wait', undefined, 'this device completes requests in the event loop alone; use service threads');
    }
    return this.device.wait(timeoutMs);
  }

  /** Lets no more operations in, waits for those in flight and ends the threads. The device stays open. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#drain().then(() => this.#threads?.close());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** For {@link aiodone} alone: an operation is done. */
  finish(op: AioOp): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#drained?.();
    op.submitted = false;
    const { generation } = op;
    let kept: boolean | undefined | void = false;
    try {
      kept = op.callback?.(op);
    } finally {
      // An operation that the callback has submitted again is kept, whatever the callback returned or threw.
      // One that it has released itself may be somebody else's already, which the generation tells.
      if (kept !== true && !op.submitted && op.generation === generation) this.release(op);
    }
  }

  #make(): AioOp {
    if (this.#made === OBJECTS_MAX) throw outOfRange('operations', `at most ${OBJECTS_MAX}`, this.#made + 1);
    this.#made += 1;
    return new AioOp(this, this.#made - 1);
  }

  #drain(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }
}

/** One function for all operations, so that submitting makes no closure. */
function aiodone(io: BlockIo): void {
  const op = io as AioOp;
  op.owner.finish(op);
}

function isBetween(least: number, value: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function outOfRange(name: string, range: string, value: unknown): RangeError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${String(value)}`;
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}
