import { type AioOp, AioServicePool, EAGAIN } from '@biodone/aio';
import { BlockDevice } from '@biodone/blockdev';
import { FileDriver } from './file-driver.js';
import { closedError } from './file-errors.js';
import type { FileEngine, FileWork } from './file-work.js';

/** How many operations may be submitted to a pool; those beyond wait for room in a line of the file's own. */
const SUBMITTED_MAX = 65536;

/** Those of files that are closed, for files that are opened next: to make one takes longer than a read. */
const idle: WorkPool[] = [];
/** As many files as are opened and closed at a time have one. Each takes about 40 KiB. */
const IDLE_MAX = 64;

/** What an open file's work goes through: a pool of aio over the file's engine, and a line for what has no room there. */
export class WorkPool {
  readonly #driver: FileDriver;
  readonly #device: BlockDevice;
  readonly #pool: AioServicePool;
  readonly #depth: number;
  /** What has come when the pool was full, in order. */
  readonly #line = new Set<FileWork>();
  #over: () => void = nothing;
  /** Whether something has failed: a sync that did has poisoned the device (rule 8), which no other file may have then. */
  #hasFailed = false;

  private constructor(driver: FileDriver, depth: number) {
    this.#driver = driver;
    this.#device = new BlockDevice(driver);
    this.#pool = new AioServicePool(this.#device, {
      service: 'inline',
      depth: SUBMITTED_MAX,
      inFlightMax: depth,
      discipline: 'priocscan',
    });
    this.#depth = depth;
  }

  /**
   * One for a file, which is made only where none is left of another.
   *
   * @param depth how many operations may be with the kernel
   * @param over is called after each that is over
   */
  static take(engine: FileEngine, path: string, depth: number, over: () => void): WorkPool {
    const index = idle.findIndex((pool) => pool.#depth === depth && pool.#driver.suits(engine));
    const [known] = index < 0 ? [] : idle.splice(index, 1);
    if (known !== undefined) known.#driver.serve(engine, path);
    const pool = known ?? new WorkPool(new FileDriver(engine, path), depth);
    pool.#over = over;
    return pool;
  }

  start(work: FileWork): void {
    if (this.#line.size > 0 || !this.#submit(work)) this.#queue(work);
  }

  /** Lets go of the file, on which nothing is under way any more. */
  async close(): Promise<void> {
    await this.#driver.letGo();
    this.#over = nothing;
    if (this.#hasFailed || idle.length >= IDLE_MAX) {
      await this.#pool.close();
      await this.#device.close();
    } else {
      idle.push(this);
    }
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
    if (op.error !== 0) this.#hasFailed = true;
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

function nothing(): void {
  // No file has the pool.
}
