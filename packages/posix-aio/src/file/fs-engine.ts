import { fdatasync, fsync, read, write } from 'node:fs';
import { BLOCK_READ, type BlockIo } from '@biodone/blockdev';
import { EFAULT, type IoBuffer } from '@biodone/uring';
import type { FileEngine, FileWork } from './file-work.js';

/** The requests of an open file through Node's own callbacks, where io_uring is not to be had. */
export class FsEngine implements FileEngine {
  readonly name = 'fs';
  readonly progress: 'any' | 'event-loop' = 'event-loop';
  readonly #fd: number;

  /** @param fd stays open, and the same file, until {@link close} has resolved */
  constructor(fd: number) {
    this.#fd = fd;
  }

  transfer(io: BlockIo, atOwnPosition: boolean): void {
    const { bytes } = io.buffer as IoBuffer;
    const position = atOwnPosition ? null : io.offset;
    const done = (error: NodeJS.ErrnoException | null, count: number): void => {
      if (error === null) io.transferredBytes = count;
      (io.private as FileWork).transferred(io, errnoOf(error));
    };
    try {
      if (io.operation === BLOCK_READ) read(this.#fd, bytes, io.bufferOffset, io.lengthBytes, position, done);
      else write(this.#fd, bytes, io.bufferOffset, io.lengthBytes, position, done);
    } catch {
      // Trusted memory has been transferred away since the request was checked.
      (io.private as FileWork).transferred(io, EFAULT);
    }
  }

  sync(io: BlockIo, dataOnly: boolean): void {
    (dataOnly ? fdatasync : fsync)(this.#fd, (error) => (io.private as FileWork).transferred(io, errnoOf(error)));
  }

  abort(_io: BlockIo): void {
    // What Node's threads have been given they finish.
  }

  poll(): number {
    return 0;
  }

  wait(_timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return 0;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The positive errno of one of Node's errors; 0 for none. */
function errnoOf(error: NodeJS.ErrnoException | null): number {
  return error === null ? 0 : Math.abs(error.errno ?? 0);
}
