import type { TailQueueEntry } from '@biodone/sync';
import { ECANCELED, IoBuffer } from '@biodone/uring';
import { beginSubmit, biodone, endSubmit } from '../biodone.js';
import type { BlockDevice } from '../block-device.js';
import { type AbortVerdict, BlockIo, IO_DONE } from '../block-io.js';
import type { BlockClaim } from '../claims.js';
import { ExtentList } from '../extent-list.js';
import { FreeList } from '../free-list.js';
import { type RangeEntry, RangeQueue } from '../range-queue.js';

/** What takes requests from step to step. */
export interface Stepper {
  /**
   * What is to be done next, now that the last request below is done: {@link GO_ON} if that was started, {@link WAITS} if somebody else goes on with it by
   * {@link StepOps.run}, or an errno, 0 at the end.
   */
  step(op: StepOp): number;
}

/** What {@link Stepper.step} says when a request below has been started: {@link StepOp.send} has been called, and there is more to come. */
const GO_ON = -1;
/** What it says when the operation waits for something else. It never does so in the calling thread, where `isSync`. */
export const WAITS = -2;

/**
 * A request that takes several requests to devices below, one after the other: the same steps serve the asynchronous and the synchronous way.
 * It has the range of blocks that it works on to itself, if it asks for that.
 */
export class StepOp implements RangeEntry {
  begin = 0;
  end = 0;
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  parent: BlockIo | null = null;
  stepper: Stepper;
  /** Up to where its parent is done. */
  position = 0;
  /** Where a stepper is, and what it keeps from step to step. */
  phase = 0;
  block = 0;
  count = 0;
  /** Of a cache: where on its device a run of lines is, how many they are, and how many of `count` are done. */
  slot = 0;
  run = 0;
  taken = 0;
  /** What it has read is old. */
  stale = false;
  /** What the request below is about, where that is not plain from the rest. */
  subject: object | null = null;
  readonly io: BlockIo = new BlockIo();
  /** Where the request below is, or was last. */
  device: BlockDevice | null = null;
  isSync = false;
  below = false;
  /** Somebody wants it to end, and has asked for the end of the request below. */
  aborted = false;
  readonly #ops: StepOps;
  #staging: IoBuffer | null = null;
  #extents: ExtentList | null = null;

  constructor(ops: StepOps, stepper: Stepper) {
    this.#ops = ops;
    this.stepper = stepper;
    this.io.private = this;
  }

  /** A list of its own for {@link BlockIo.extents}. */
  get extents(): ExtentList {
    this.#extents ??= new ExtentList();
    return this.#extents;
  }

  /** Memory of its own, for so much. */
  staging(lengthBytes: number): IoBuffer {
    if (this.#staging === null || this.#staging.lengthBytes < lengthBytes) this.#staging = IoBuffer.allocate(lengthBytes);
    return this.#staging;
  }

  /** The next request below: to this device, by this right. */
  send(device: BlockDevice, claim: BlockClaim | null): number {
    this.device = device;
    this.io.claim = claim;
    return GO_ON;
  }

  entered(): void {
    this.#ops.run(this);
  }

  /** The request below is done. */
  advance(): void {
    this.below = false;
    this.#ops.run(this);
  }
}

/** A request that is one request to a device below, as it is. */
export class ForwardStep implements Stepper {
  readonly #device: BlockDevice;
  readonly #claim: BlockClaim | null;

  constructor(device: BlockDevice, claim: BlockClaim | null) {
    this.#device = device;
    this.#claim = claim;
  }

  step(op: StepOp): number {
    const { io } = op;
    if (op.phase === DONE) {
      op.position = io.transferredBytes;
      return io.error;
    }
    const parent = op.parent as BlockIo;
    op.phase = DONE;
    io.operation = parent.operation;
    io.flags = parent.flags;
    io.buffer = parent.buffer;
    io.bufferOffset = parent.bufferOffset;
    io.offset = parent.offset;
    io.lengthBytes = parent.lengthBytes;
    io.extents = parent.extents;
    return op.send(this.#device, this.#claim);
  }
}

const DONE = -1;

/** The operations of a driver, and the ranges that they have. */
export class StepOps {
  readonly ranges: RangeQueue = new RangeQueue();
  readonly #made: StepOp[] = [];
  readonly #free = new FreeList<StepOp>();
  /** Those that begin when this thread is out of what it is in the middle of. */
  readonly #soon: StepOp[] = [];

  take(stepper: Stepper, parent: BlockIo | null): StepOp {
    const op = this.#free.take() ?? this.#make(stepper);
    op.stepper = stepper;
    op.parent = parent;
    op.position = 0;
    op.phase = 0;
    op.isSync = false;
    op.aborted = false;
    op.stale = false;
    op.begin = 0;
    op.end = 0;
    return op;
  }

  /** Begins an operation as soon as it has its range. */
  startInRange(op: StepOp): void {
    if (this.ranges.enter(op)) this.run(op);
  }

  /** Does an operation in the calling thread. Its range must be free, if it has one. Returns the errno. */
  runSync(op: StepOp): number {
    op.isSync = true;
    let verdict = op.stepper.step(op);
    while (verdict === GO_ON) {
      op.device?.strategySync(op.io);
      verdict = op.stepper.step(op);
    }
    const { parent } = op;
    if (parent !== null) parent.transferredBytes = op.position;
    this.#recycle(op);
    return verdict;
  }

  /** Takes an operation from step to step, until it has to wait. */
  run(op: StepOp): void {
    let verdict = op.stepper.step(op);
    while (verdict === GO_ON) {
      const { io } = op;
      // As in startChild(): what is done at once need not go through the queue of done requests.
      io.iodone = null;
      op.device?.strategy(io);
      if (io.state !== IO_DONE) {
        io.iodone = stepDone;
        op.below = true;
        return;
      }
      verdict = op.stepper.step(op);
    }
    if (verdict !== WAITS) this.end(op, verdict);
  }

  /** Begins an operation later: in a microtask, or in {@link poll}, for a thread that does not return to its event loop. */
  runSoon(op: StepOp): void {
    this.#soon.push(op);
    queueMicrotask(() => this.poll());
  }

  /** Begins what was put off. Returns how many operations that were. */
  poll(): number {
    let count = 0;
    // What is put off meanwhile is for the next time, and a callback may have called this for the rest.
    for (let left = this.#soon.length; left > 0; left--) {
      const op = this.#soon.shift();
      if (op === undefined) break;
      count += 1;
      this.run(op);
    }
    return count;
  }

  /** Completes the request of an operation that has more to do, of which nobody wants to know. */
  deliver(op: StepOp): void {
    const parent = op.parent as BlockIo;
    op.parent = null;
    parent.transferredBytes = op.position;
    // Its callback is called when the operation has got to its next step: it may start requests that meet this one.
    beginSubmit();
    biodone(parent, 0);
    endSubmit();
  }

  end(op: StepOp, error: number): void {
    const { parent, position } = op;
    if (op.queue !== null) this.ranges.leave(op);
    this.#recycle(op);
    if (parent === null) return;
    parent.transferredBytes = position;
    biodone(parent, error);
  }

  /** Ends an operation that has not begun, in the calling thread. Returns the errno. */
  refuse(op: StepOp, error: number): number {
    this.#recycle(op);
    return error;
  }

  /** The operation of a request. For `abort`, which has the time. */
  of(parent: BlockIo): StepOp | undefined {
    return this.#made.find((op) => op.parent === parent);
  }

  /** Tries to end the operation of a request. */
  abort(parent: BlockIo): AbortVerdict {
    const op = this.of(parent);
    if (op === undefined) return 'in-progress';
    if (this.ranges.cancel(op)) {
      this.end(op, ECANCELED);
      return 'cancelled';
    }
    if (op.below) {
      op.aborted = true;
      op.device?.abort(op.io);
    }
    return 'in-progress';
  }

  #recycle(op: StepOp): void {
    op.parent = null;
    op.subject = null;
    op.io.buffer = null;
    op.io.extents = null;
    this.#free.put(op);
  }

  #make(stepper: Stepper): StepOp {
    const made = new StepOp(this, stepper);
    this.#made.push(made);
    return made;
  }
}

function stepDone(io: BlockIo): void {
  (io.private as StepOp).advance();
}
