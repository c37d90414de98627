import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { EINVAL, EISDIR, ENOSYS, libc, probe, RingFile, SystemError, threadRing } from '@biodone/uring';
import { BlockDevice } from '../block-device.js';
import type { BlockDriver, DeviceHandle } from '../driver.js';
import type { FileEngine, OpenFile } from './file-engine.js';
import { createFsEngine } from './file-fs.js';
import { runSync } from './file-sync.js';
import { createUringEngine } from './file-uring.js';

/** How asynchronous requests of a file device are done. */
export type FileEngineName = 'auto' | 'uring' | 'fs';

/** Options of {@link openFile}. */
export interface FileOptions {
  /** @default false */
  readOnly?: boolean;
  /**
   * Makes the file if there is none.
   * @default false
   */
  create?: boolean;
  /**
   * Lets writes past the end make the file longer, and reads there be short. Otherwise the size at the opening is the device's size, and
   * requests beyond it fail with EINVAL.
   * @default false
   */
  growable?: boolean;
  /**
   * Bypasses the page cache (O_DIRECT, Linux): offsets, lengths and memory are then multiples of 512 bytes.
   * @default false
   */
  direct?: boolean;
  /**
   * `'uring'` is io_uring, and fails where that is not to be had; `'fs'` is Node's own callbacks; `'auto'` is io_uring if possible,
   * otherwise `'fs'`, with a warning BIODONE_NO_IO_URING, once.
   * @default 'auto'
   */
  engine?: FileEngineName;
}

/**
 * Opens a file, or a raw block device, as a block device: BSD's vnd(4). Blocks the thread for the opening.
 *
 * @example
 * ```js
 * import { BlockIo, openFile } from '@biodone/blockdev';
 * import { IoBuffer } from '@biodone/uring';
 *
 * const device = openFile(process.execPath, { readOnly: true });
 * const io = new BlockIo();
 * io.buffer = IoBuffer.allocate(4096);
 * io.lengthBytes = 4096;
 * device.strategySync(io);
 * console.log(io.error, io.transferredBytes, device.limits.sizeBytes > 4096); // 0 4096 true
 * await device.close();
 * ```
 *
 * @throws the errors of open(2) and fstat(2), as node:fs gives them; SystemError ENOSYS with `engine: 'uring'` where there is no io_uring;
 * SystemError EISDIR for a directory, EINVAL for what is neither a file nor a block device
 */
export function openFile(path: string, options: FileOptions = {}): BlockDevice {
  const { readOnly = false, create = false, growable = false, direct = false, engine = 'auto' } = options;
  const flags =
    (readOnly ? constants.O_RDONLY : constants.O_RDWR) | (create ? constants.O_CREAT : 0) | (direct ? constants.O_DIRECT : 0);
  const createEngine = chooseEngine(engine);
  const fd = openSync(path, flags, 0o666);
  try {
    const size = sizeOf(fd, path);
    const blockSizeBytes = direct ? 512 : 1;
    const file: OpenFile = { fd, path, blockSizeBytes, whole: true, target: RingFile.borrow(fd, path) };
    return new BlockDevice(createFileDriver(file, createEngine(), { readOnly, sizeBytes: growable ? null : size, owned: true }));
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * A device over a descriptor that somebody else has opened and will close. Each request reaches the kernel before `strategy` returns, if
 * the engine is io_uring, so a later close does not matter to it; transfers may be short, as pread(2) and pwrite(2) leave them.
 *
 * @throws SystemError ENOSYS where there is no io_uring
 */
export function wrapDescriptor(fd: number): BlockDevice {
  const engine = chooseEngine('uring')();
  const file: OpenFile = { fd, path: `fd ${fd}`, blockSizeBytes: 1, whole: false, target: fd };
  return new BlockDevice(createFileDriver(file, engine, { readOnly: false, sizeBytes: null, owned: false }));
}

function sizeOf(fd: number, path: string): number {
  const stat = fstatSync(fd);
  if (stat.isFile()) return stat.size;
  if (stat.isDirectory()) throw new SystemError(EISDIR, 'open', path);
  if (!stat.isBlockDevice()) throw new SystemError(EINVAL, 'open', path, 'neither a file nor a block device');
  const { lseek, errno } = libc();
  const SEEK_END = 2;
  const size = lseek(fd, 0, SEEK_END);
  if (size < 0) throw new SystemError(errno(), 'lseek', path);
  return size;
}

interface FileGeometry {
  readonly readOnly: boolean;
  readonly sizeBytes: number | null;
  /** Whether closing the device closes the descriptor. */
  readonly owned: boolean;
}

interface FileHandle extends DeviceHandle, Omit<FileGeometry, 'owned'>, Omit<OpenFile, 'target'> {
  readonly driver: 'file';
  readonly engine: FileEngine['name'];
}

/** The file of a handle, in another thread: the same descriptor, with that thread's own ring. */
export function attachFile(handle: DeviceHandle): BlockDevice {
  const { fd, path, blockSizeBytes, whole, readOnly, sizeBytes, engine } = handle as FileHandle;
  const file: OpenFile = { fd, path, blockSizeBytes, whole, target: whole ? RingFile.borrow(fd, path) : fd };
  return new BlockDevice(createFileDriver(file, chooseEngine(engine)(), { readOnly, sizeBytes, owned: false }), {}, handle);
}

function createFileDriver(file: OpenFile, engine: FileEngine, geometry: FileGeometry): BlockDriver {
  const { readOnly, sizeBytes, owned } = geometry;
  const { fd, path, blockSizeBytes, whole } = file;
  return {
    name: 'file',
    limits: { blockSizeBytes, sizeBytes, memoryAlignmentBytes: blockSizeBytes },
    capabilities: { readOnly, progress: engine.progress, retry: whole },
    start: (io) => engine.start(io, file),
    startSync: (io) => runSync(io, file),
    poll: engine.poll,
    wait: engine.wait,
    describe: () => ({ path, engine: engine.name, sizeBytes, readOnly, direct: blockSizeBytes > 1 }),
    config: () => ({ driver: 'file', path, readOnly, direct: blockSizeBytes > 1, growable: sizeBytes === null }),
    handle: (): FileHandle => ({ driver: 'file', fd, path, blockSizeBytes, whole, readOnly, sizeBytes, engine: engine.name }),
    close: () => {
      if (owned) closeSync(fd);
    },
  };
}

function chooseEngine(name: FileEngineName): () => FileEngine {
  if (name === 'fs') return createFsEngine;
  const { available, reason } = probe();
  if (available) return () => createUringEngine(threadRing());
  if (name === 'uring') throw new SystemError(ENOSYS, 'io_uring_setup', undefined, reason ?? undefined);
  warnOnce(`io_uring is not available, files use Node's own thread pool: ${reason}`);
  return createFsEngine;
}

let warned = false;

function warnOnce(message: string): void {
  if (warned) return;
  warned = true;
  process.emitWarning(message, { code: 'BIODONE_NO_IO_URING' });
}
