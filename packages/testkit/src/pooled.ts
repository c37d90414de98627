import { type AioOp, AioServicePool, type AioServicePoolOptions } from '@biodone/aio';
import { type AbortVerdict, BlockDevice, type BlockDeviceOptions, type BlockIo, biodone } from '@biodone/blockdev';
import { FilterDriver } from './filter-driver.js';

/** Options of {@link openPooled}. */
export interface PooledOptions extends BlockDeviceOptions {
  /** The pool's. Its `timers` are the device's, unless they are given here. */
  readonly pool?: AioServicePoolOptions;
}

/**
 * Opens a device whose requests go through a pool of `@biodone/aio` to the device below: so that whatever tests a device tests the pool. What the
 * pool refuses with EAGAIN the generic layer tries again.
 */
export function openPooled(child: BlockDevice, { pool, ...options }: PooledOptions = {}): BlockDevice {
  const { timers } = options;
  return new BlockDevice(new PooledDriver(child, { ...(timers === undefined ? {} : { timers }), ...pool }), options);
}

class PooledDriver extends FilterDriver {
  readonly #pool: AioServicePool;
  readonly #ops = new Map<BlockIo, AioOp>();

  constructor(child: BlockDevice, options: AioServicePoolOptions) {
    super('pooled', child);
    this.#pool = new AioServicePool(child, { service: 'inline', ...options });
  }

  override start(io: BlockIo): void {
    const op = this.#fill(io);
    op.callback = () => this.#done(io, op);
    this.#ops.set(io, op);
    const refused = this.#pool.submit(op);
    if (refused === 0) return;
    this.#ops.delete(io);
    this.#pool.release(op);
    biodone(io, refused);
  }

  override startSync(io: BlockIo): void {
    const op = this.#fill(io);
    op.callback = null;
    const refused = this.#pool.submit(op);
    io.error = refused === 0 ? op.error : refused;
    io.transferredBytes = op.transferredBytes;
    this.#pool.release(op);
  }

  override abort(io: BlockIo): AbortVerdict {
    const op = this.#ops.get(io);
    return op === undefined ? 'in-progress' : this.#pool.cancel(op);
  }

  override poll(): number {
    return this.#pool.poll();
  }

  override wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.#pool.wait(timeoutMs);
  }

  override async close(): Promise<void> {
    await this.#pool.close();
    await super.close();
  }

  #done(io: BlockIo, op: AioOp): void {
    this.#ops.delete(io);
    io.transferredBytes = op.transferredBytes;
    biodone(io, op.error);
  }

  #fill(io: BlockIo): AioOp {
    const op = this.#pool.allocate();
    const { operation, flags, buffer, bufferOffset, vector, offset, lengthBytes, compare, compareOffset, extents } = io;
    return Object.assign(op, {
      operation,
      flags,
      buffer,
      bufferOffset,
      vector,
      offset,
      lengthBytes,
      compare,
      compareOffset,
      extents,
    });
  }
}
