import { type IoBuffer, type Libc, TRANSFER_MAX_BYTES } from '@biodone/uring';
import type { AbortVerdict, BlockIo } from '../block-io.js';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import { ENODEV, ENXIO } from '../errno.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import type { DeviceSpec } from '../spec.js';
import type { FileEngine, FileEngineKind, OpenFile } from './file-engine.js';
import { currentSizeBytes, type FileGeometry } from './file-geometry.js';
import { goOnReading, runSync } from './file-sync.js';
import { native } from './native.js';

/** What a file was opened with: what its channels need to know. It can be cloned. */
export interface FileOpening {
  readonly fd: number;
  readonly path: string;
  readonly geometry: FileGeometry;
  readonly readOnly: boolean;
  readonly direct: boolean;
  readonly growable: boolean;
  /** As in {@link OpenFile}. */
  readonly whole: boolean;
  /** Whether this opening has the lock. */
  readonly locked: boolean;
  /** What `config()` says besides. */
  readonly asked: { readonly engine?: FileEngineKind; readonly lock?: false; readonly accessTime?: true };
}

export interface FileHandle extends DeviceHandle, FileOpening {
  readonly driver: 'file';
  readonly engine: FileEngineKind;
}

/** How many parts a request may have (UIO_MAXIOV). */
const SEGMENTS_MAX = 1024;

/** The driver of a file: its engine does the I/O, and this is the rest. */
export class FileDriver implements BlockDriver {
  readonly name = 'file';
  readonly limits: BlockLimits;
  readonly capabilities: BlockCapabilities;
  readonly #opening: FileOpening;
  readonly #file: OpenFile;
  readonly #fd: number;
  /** Null where there is no foreign function interface. */
  readonly #pread: Libc['pread'] | null;
  readonly #engine: FileEngine;
  readonly #close: BlockDriver['close'];
  #sizeBytes: number | null;
  #events: DriverEvents | null = null;

  constructor(opening: FileOpening, file: OpenFile, engine: FileEngine, close: BlockDriver['close']) {
    const { geometry, readOnly, whole } = opening;
    const { blockSizeBytes, memoryAlignmentBytes, physicalBlockSizeBytes, isDevice, rotational } = geometry;
    const space = engine.space && whole;
    const sizeBytes = opening.growable ? null : geometry.sizeBytes;
    this.#opening = opening;
    this.#file = file;
    this.#fd = file.fd;
    this.#pread = native()?.pread ?? null;
    this.#engine = engine;
    this.#close = close;
    this.#sizeBytes = sizeBytes;
    const { atomicWriteMinBytes = 0, atomicWriteMaxBytes = 0 } = engine.atomic ? geometry : {};
    this.limits = {
      blockSizeBytes,
      sizeBytes,
      memoryAlignmentBytes,
      physicalBlockSizeBytes,
      maxSegments: SEGMENTS_MAX,
      atomicWriteMinBytes,
      atomicWriteMaxBytes,
    };
    this.capabilities = {
      readOnly,
      progress: engine.progress,
      fua: engine.fua,
      zeroes: space ? 'fast' : 'emulate',
      discard: space,
      // The kernel does not know the holes of a device.
      extents: space && !isDevice,
      nowait: engine.nowait,
      rotational,
      retry: whole,
    };
  }

  start(io: BlockIo): void {
    this.#engine.start(io);
  }

  startSync(io: BlockIo): void {
    const { lengthBytes } = io;
    // Almost all: a read of one part of memory, which the kernel does in one call. What it needs is here, and not where the rest is.
    // (BLOCK_READ is 0, and so are the flags of almost all.)
    if ((io.operation | io.flags) !== 0 || io.vector !== null || this.#pread === null || lengthBytes > TRANSFER_MAX_BYTES) {
      runSync(io, this.#file);
      return;
    }
    const moved = this.#pread(this.#fd, (io.buffer as IoBuffer).address + io.bufferOffset, lengthBytes, io.offset);
    if (moved === lengthBytes) io.transferredBytes = moved;
    else goOnReading(io, this.#file, moved);
  }

  abort(io: BlockIo): AbortVerdict {
    return this.#engine.abort?.(io) ?? 'in-progress';
  }

  poll(): number {
    return this.#engine.poll();
  }

  wait(timeoutMs: number): number | 'EINTR' | 'ETIME' {
    return this.#engine.wait(timeoutMs);
  }

  beforeSleep(): number {
    return this.#engine.beforeSleep?.() ?? 0;
  }

  refresh(): void {
    const { path, fd, growable, geometry } = this.#opening;
    if (growable) return;
    const now = sizeNow(path, fd, geometry.isDevice);
    if (now === null) this.#events?.removed();
    else if (now !== this.#sizeBytes) {
      this.#sizeBytes = now;
      this.#events?.resized(now);
    }
  }

  attached(events: DriverEvents): void {
    this.#events = events;
  }

  describe(): Record<string, unknown> {
    const { path, geometry, readOnly, direct, locked } = this.#opening;
    const { fua, zeroes } = this.capabilities;
    return {
      path,
      kind: geometry.isDevice ? 'block device' : 'file',
      engine: this.#engine.name,
      sizeBytes: this.#sizeBytes,
      readOnly,
      direct,
      locked,
      blockSizeBytes: geometry.blockSizeBytes,
      fua,
      zeroes,
    };
  }

  config(): DeviceSpec {
    const { path, readOnly, direct, growable, asked } = this.#opening;
    return { driver: 'file', path, readOnly, direct, growable, ...asked };
  }

  handle(): FileHandle {
    const { geometry } = this.#opening;
    const sizeBytes = this.#sizeBytes ?? geometry.sizeBytes;
    return { ...this.#opening, geometry: { ...geometry, sizeBytes }, driver: 'file', engine: this.#engine.name };
  }

  close(): void | Promise<void> {
    return this.#close();
  }
}

/** How large the device is now; null if it is gone. */
function sizeNow(path: string, fd: number, isDevice: boolean): number | null {
  try {
    const size = currentSizeBytes(fd, path, isDevice);
    // The kernel makes a disk that was pulled out a disk of no size.
    return isDevice && size === 0 ? null : size;
  } catch (error) {
    const { errno = 0 } = error as NodeJS.ErrnoException;
    if (errno === -ENODEV || errno === -ENXIO) return null;
    throw error;
  }
}
