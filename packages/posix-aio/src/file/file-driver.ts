import type {
  AbortVerdict,
  BlockCapabilities,
  BlockDriver,
  BlockIo,
  BlockLimits,
  DeviceHandle,
  DeviceSpec,
} from '@biodone/blockdev';
import { ENOTSUP, SystemError, TRANSFER_MAX_BYTES } from '@biodone/uring';
import type { FileEngine, FileWork } from './file-work.js';

/**
 * The bottom of a pool for an open file of any kind, with pread(2)'s results: short where that is short, and what is wrong with an offset, an
 * alignment or a direction is for the kernel to say. So the limits are as wide as they can be.
 *
 * It differs from a file that is opened as a block device, which has an end, goes on after a short transfer, and knows no position of its own.
 */
export class FileDriver implements BlockDriver {
  readonly name = 'posix-file';
  readonly limits: BlockLimits = {
    blockSizeBytes: 1,
    sizeBytes: null,
    memoryAlignmentBytes: 1,
    // So that the block layer splits none.
    maxTransferBytes: TRANSFER_MAX_BYTES,
  };
  readonly capabilities: BlockCapabilities;
  #engine: FileEngine;
  #path: string;

  constructor(engine: FileEngine, path: string) {
    this.#engine = engine;
    this.#path = path;
    this.capabilities = { readOnly: false, progress: engine.progress, retry: false };
  }

  /** Whether it could be that of a file with this engine. */
  suits({ progress }: FileEngine): boolean {
    return this.capabilities.progress === progress;
  }

  /** From now on it is another file's. */
  serve(engine: FileEngine, path: string): void {
    this.#engine = engine;
    this.#path = path;
  }

  /** Lets go of the file, which no request holds any more. */
  letGo(): Promise<void> {
    return this.#engine.close();
  }

  start(io: BlockIo): void {
    (io.private as FileWork).start(io, this.#engine);
  }

  /** Nobody submits synchronous operations to the pool of an AioFile. */
  startSync(io: BlockIo): void {
    io.error = ENOTSUP;
  }

  abort(io: BlockIo): AbortVerdict {
    this.#engine.abort(io);
    return 'in-progress';
  }

  poll(): number {
    return this.#engine.poll();
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.#engine.wait(timeoutMs);
  }

  describe(): Record<string, unknown> {
    return { path: this.#path, engine: this.#engine.name };
  }

  config(): DeviceSpec {
    return { driver: this.name, path: this.#path };
  }

  handle(): DeviceHandle {
    throw new SystemError(ENOTSUP, 'handle', this.#path, 'an AioFile belongs to its thread');
  }

  close(): void {
    // The file has been let go before.
  }
}
