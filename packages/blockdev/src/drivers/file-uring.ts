import { TailQueue } from '@biodone/sync';
import { prepareFdatasync, prepareRead, prepareWrite, RingRequest, type ThreadRing } from '@biodone/uring';
import { biodone } from '../biodone.js';
import { BLOCK_FLUSH, BLOCK_READ, type BlockIo } from '../block-io.js';
import { type FileEngine, isOver, nextLength, type OpenFile } from './file-engine.js';

/** File I/O through the thread's io_uring. */
export function createUringEngine(ring: ThreadRing): FileEngine {
  const free = new TailQueue<FileRequest>();
  return {
    name: 'uring',
    progress: 'any',
    start: (io, file) => {
      const request = free.removeFirst() ?? new FileRequest(ring, free);
      request.begin(io, file);
    },
    poll: () => ring.poll(),
    wait: (timeoutMs) => ring.wait(timeoutMs),
  };
}

/** The ring's side of a BlockIo. It goes back to the free list before the completion goes up, which may start the next request. */
class FileRequest extends RingRequest {
  readonly #ring: ThreadRing;
  readonly #free: TailQueue<FileRequest>;
  #io: BlockIo | null = null;
  #file: OpenFile | null = null;

  constructor(ring: ThreadRing, free: TailQueue<FileRequest>) {
    super();
    this.#ring = ring;
    this.#free = free;
  }

  begin(io: BlockIo, file: OpenFile): void {
    this.#io = io;
    this.#file = file;
    this.#submit(io, file);
  }

  override complete(result: number): void {
    const io = this.#io as BlockIo;
    const file = this.#file as OpenFile;
    if (io.operation === BLOCK_FLUSH) {
      io.error = result < 0 ? -result : 0;
    } else if (!isOver(io, file, result, io.operation === BLOCK_READ)) {
      this.#submit(io, file);
      return;
    }
    this.#finish(io);
  }

  #finish(io: BlockIo): void {
    this.#io = null;
    this.#file = null;
    // Whoever let go of the memory must not wait for the next use of this request.
    this.memory = null;
    this.#free.insertHead(this);
    biodone(io, io.error);
  }

  #submit(io: BlockIo, file: OpenFile): void {
    if (io.operation === BLOCK_FLUSH || io.buffer === null) {
      prepareFdatasync(this, file.target);
    } else {
      const moved = io.transferredBytes;
      const memoryOffset = io.bufferOffset + moved;
      if (io.operation === BLOCK_READ) prepareRead(this, file.target, io.buffer, memoryOffset, nextLength(io), io.offset + moved);
      else prepareWrite(this, file.target, io.buffer, memoryOffset, nextLength(io), io.offset + moved);
    }
    this.#ring.start(this);
  }
}
