import { type AioOp, AioServicePool } from '@biodone/aio';
import { BLOCK_READ, BlockDevice, type BlockIo } from '@biodone/blockdev';
import { RingFile } from '@biodone/uring';
import { DescriptorDriver } from '../descriptor/descriptor-driver.js';
import { DescriptorOp, letGo } from '../descriptor/descriptor-op.js';
import { flagsOf, O_NONBLOCK } from '../descriptor/file-status.js';
import { ThreadEngine } from '../descriptor/thread-engine.js';
import type { FileWork } from './file-work.js';
import { FsEngine } from './fs-engine.js';

/** As many as all files of the thread may have with it. */
const DEPTH = 65536;

/**
 * The requests of a pipe, a terminal or another file without positions, where io_uring is not to be had. One service thread polls all of them: they take
 * none of Node's threads while they wait for somebody, and can be ended meanwhile.
 */
export class StreamEngine extends FsEngine {
  override readonly progress = 'any';
  readonly #fd: number;
  readonly #isNonBlocking: boolean;

  /** @param fd stays open, and the same file, until {@link close} has resolved */
  constructor(fd: number) {
    super(fd);
    this.#fd = fd;
    this.#isNonBlocking = (flagsOf(fd) & O_NONBLOCK) !== 0;
  }

  override transfer(io: BlockIo): void {
    const op = streamOpOf(io);
    op.operation = io.operation;
    op.buffer = io.buffer;
    op.bufferOffset = io.bufferOffset;
    op.lengthBytes = io.lengthBytes;
    op.isStream = true;
    op.isNonBlocking = this.#isNonBlocking;
    op.isWhole = io.operation !== BLOCK_READ && !this.#isNonBlocking;
    op.held = RingFile.borrow(this.#fd);
    const refused = streamPool().submit(op);
    if (refused === 0) return;
    letGo(op);
    (io.private as FileWork).transferred(io, refused);
  }

  override abort(io: BlockIo): void {
    if (io.below instanceof StreamOp) streamPool().cancel(io.below);
  }

  override poll(): number {
    return streamPool().poll();
  }

  override wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return streamPool().device.wait(timeoutMs);
  }
}

/** The operation of the thread's, which a request keeps for its next use. */
class StreamOp extends DescriptorOp {
  readonly io: BlockIo;

  constructor(io: BlockIo) {
    super();
    this.io = io;
    this.callback = ended;
  }
}

function streamOpOf(io: BlockIo): StreamOp {
  const { below } = io;
  if (below instanceof StreamOp) return below;
  const made = new StreamOp(io);
  io.below = made;
  return made;
}

function ended(op: AioOp): void {
  const { io, error, transferredBytes } = op as StreamOp;
  letGo(op as StreamOp);
  // Whoever let go of the memory must not wait for the next use of this operation.
  op.buffer = null;
  io.transferredBytes = transferredBytes;
  (io.private as FileWork).transferred(io, error);
}

let pool: AioServicePool | null = null;

/** What all streams of the thread go through. It is made for the first, and stays. */
function streamPool(): AioServicePool {
  pool ??= new AioServicePool(new BlockDevice(new DescriptorDriver(new ThreadEngine(true), true)), {
    depth: DEPTH,
    inFlightMax: DEPTH,
    discipline: 'fcfs',
  });
  return pool;
}
