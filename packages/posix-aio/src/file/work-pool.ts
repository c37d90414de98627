import { type AioOp, AioServicePool, EAGAIN } from '@biodone/aio';
import { BlockDevice } from '@biodone/blockdev';
import { FileDriver } from './file-driver.js';
import { closedError } from './file-errors.js';
import type { FileEngine, FileWork } from './file-work.js';

/** How many operations may be submitted to a pool; those beyond wait for room in a line of the file's own. */
const SUBMITTED_MAX = 65536;

/** What an open file's work goes through: a pool of aio over the file's engine, and a line for what has no room there. */
export class WorkPool {
  readonly #device: BlockDevice;
  readonly #pool: AioServicePool;
  /** What has come when the pool was full, in order. */
  readonly #line = new Set<FileWork>();
  readonly #over: () => void;

  /**
   * @param depth how many operations may be with the kernel
   * @param over is called after each that is over
   */
  constructor(engine: FileEngine, path: string, depth: number, over: () => void) {
    this.#device = new BlockDevice(new FileDriver(engine, path));
    this.#pool = new AioServicePool(this.#device, {
      service: 'inline',
      depth: SUBMITTED_MAX,
      inFlightMax: depth,
      discipline: 'priocscan',
    });
    this.#over = over;
  }

  start(work: FileWork): void {
    if (this.#line.size > 0 || !this.#submit(work)) this.#queue(work);
  }

  /** Lets go of the file, on which nothing is under way any more. */
  async close(): Promise<void> {
    await this.#pool.close();
    await this.#device.close();
  }

  /** False if there is no room for it. */
  #submit(work: FileWork): boolean {
    const pool = this.#pool;
    const op = pool.allocate();
    op.operation = work.operation;
    op.buffer = work.buffer;
    op.bufferOffset = work.bufferOffset;
    op.offset = work.offset;
    op.lengthBytes = work.lengthBytes;
    op.private = work;
    op.callback = this.#done;
    if (work.turns !== null) op.orderingKey = work.turns;
    if (work.signal !== null) op.signal = work.signal;
    if (work.priority !== 1) op.priority = work.priority;
    const refused = pool.submit(op);
    if (refused === 0) return true;
    pool.release(op);
    if (refused === EAGAIN) return false;
    // Nobody closes the pool while it is used, but the thread's ring may have gone with everything.
    work.refused(closedError('aio'));
    this.#over();
    return true;
  }

  readonly #done = (op: AioOp): void => {
    (op.private as FileWork).end(op);
    this.#over();
  };

  #queue(work: FileWork): void {
    this.#line.add(work);
    if (this.#line.size === 1) this.#awaitRoom();
  }

  #awaitRoom(): void {
    this.#pool.whenAvailable(() => {
      for (const work of this.#line) {
        if (!this.#submit(work)) break;
        this.#line.delete(work);
      }
      if (this.#line.size > 0) this.#awaitRoom();
    });
  }
}
