import type { AioOp } from '@biodone/aio';
import { type BlockIo, biodone } from '@biodone/blockdev';
import { EFAULT, type IoBuffer, TRANSFER_MAX_BYTES } from '@biodone/uring';
import { giveBounce, takeBounce } from './bounce.js';
import type { FileEngine } from './file-work.js';
import { WholeWork } from './whole-work.js';

/** FileHandle's writeFile of memory to a regular file: all of it, at the file's own position. */
export class WriteFileWork extends WholeWork<void> {
  readonly #view: Uint8Array;
  readonly #lengthBytes: number;
  /** The memory under the view, for the kernel to work on as it is; null if it is copied. */
  readonly #memory: IoBuffer | null;
  #bounce: IoBuffer | null = null;
  #count = 0;

  constructor(
    view: Uint8Array,
    memory: IoBuffer | null,
    byHandle: () => Promise<void>,
    resolve: () => void,
    reject: (error: unknown) => void,
  ) {
    super(false, byHandle, resolve, reject);
    this.#view = view;
    this.#lengthBytes = view.length;
    this.#memory = memory;
  }

  protected override first(io: BlockIo, engine: FileEngine): void {
    if (this.#lengthBytes === 0) {
      this.succeed(io, undefined);
    } else if (this.#view.length !== this.#lengthBytes) {
      // It has been transferred away, or has shrunk, since the call.
      biodone(io, EFAULT);
    } else {
      io.buffer = this.#memory ?? this.#copy();
      this.#write(io, engine);
    }
  }

  protected override next(io: BlockIo, engine: FileEngine): void {
    this.#count += io.transferredBytes;
    if (this.#count === this.#lengthBytes) this.succeed(io, undefined);
    else this.#write(io, engine);
  }

  protected override done(op: AioOp): void {
    if (this.#bounce !== null) giveBounce(this.#bounce);
    super.done(op);
  }

  #copy(): IoBuffer {
    const bounce = takeBounce(this.#lengthBytes);
    this.#bounce = bounce;
    bounce.bytes.set(this.#view);
    return bounce;
  }

  #write(io: BlockIo, engine: FileEngine): void {
    io.bufferOffset = this.#count + (this.#bounce === null ? this.#view.byteOffset : 0);
    io.lengthBytes = Math.min(this.#lengthBytes - this.#count, TRANSFER_MAX_BYTES);
    engine.transfer(io, true);
  }
}
