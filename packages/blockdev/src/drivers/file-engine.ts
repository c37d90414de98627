import { EIO, type FileTarget, TRANSFER_MAX_BYTES } from '@biodone/uring';
import type { AbortVerdict, BlockIo } from '../block-io.js';

/** How asynchronous requests of an open file are done. */
export type FileEngineKind = 'uring' | 'fs' | 'sync';

/** A file that is open in this process. Its descriptor is closed only after the last request on it has completed (rule 13). */
export interface OpenFile {
  readonly fd: number;
  /** For messages. */
  readonly path: string;
  /** A block device, or else a regular file. */
  readonly isDevice: boolean;
  /** The unit of a transfer: 1, or the alignment that O_DIRECT asks for. */
  readonly blockSizeBytes: number;
  /** What discards and zeros are multiples of. */
  readonly sectorBytes: number;
  /**
   * Whether a transfer that the kernel cut short goes on until its end or the end of the file. Otherwise the request completes short, as
   * pread(2) would.
   */
  readonly whole: boolean;
  /**
   * What io_uring requests are aimed at: the file, or its bare descriptor, with which a request reaches the kernel before `strategy` returns,
   * so that its owner may close it then.
   */
  readonly target: FileTarget;
}

/** A way to do asynchronous I/O on a file. */
export interface FileEngine {
  readonly name: FileEngineKind;
  readonly progress: 'none' | 'any' | 'event-loop';
  /** Whether it makes a single write stable, or leaves that to a flush. */
  readonly fua: 'native' | 'emulate';
  /** Whether it does a transfer that is not to wait, and one that is to be atomic: RWF_NOWAIT, RWF_ATOMIC. */
  readonly nowait: boolean;
  readonly atomic: boolean;
  /** Whether it knows discards, zeros and holes. */
  readonly space: boolean;
  start(io: BlockIo): void;
  abort?(io: BlockIo): AbortVerdict;
  poll(): number;
  wait(timeoutMs: number): number | 'EINTR' | 'ETIME';
  /** As BlockDriver's. */
  beforeSleep?(): number;
}

/** How much of a request to ask for next. */
export function nextLength(io: BlockIo): number {
  return Math.min(io.lengthBytes - io.transferredBytes, TRANSFER_MAX_BYTES);
}

/**
 * Accounts for one result of the kernel, in a request that may take several.
 *
 * @param result a count of bytes, or a negative errno
 * @returns true if the request is over, with its error in `io.error`; false if the rest is still to be moved
 */
export function isOver(io: BlockIo, file: OpenFile, result: number, isRead: boolean): boolean {
  if (result < 0) {
    io.error = -result;
    return true;
  }
  io.transferredBytes += result;
  if (io.transferredBytes >= io.lengthBytes || !file.whole) return true;
  if (result === 0) {
    // A read of nothing is the end of the file. A write of nothing would go on for ever.
    if (!isRead) io.error = EIO;
    return true;
  }
  // O_DIRECT cannot go on in the middle of a block: a read that ends there has found the end of the file.
  return io.transferredBytes % file.blockSizeBytes !== 0;
}
