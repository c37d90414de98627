import { closeSync, constants, openSync } from 'node:fs';
import { resolve } from 'node:path';
import { ENOSYS, probe, RingFile, SystemError, threadRing } from '@biodone/uring';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import { checkOptions, DEVICE_OPTIONS, type OptionKinds } from '../check-options.js';
import type { DeviceHandle } from '../driver.js';
import { invalidType } from '../errors.js';
import { FileDriver, type FileHandle, type FileOpening } from './file-driver.js';
import type { FileEngine, FileEngineKind, OpenFile } from './file-engine.js';
import { createFsEngine } from './file-fs.js';
import { type FileGeometry, geometryOf } from './file-geometry.js';
import { lockFile, unlockFile } from './file-lock.js';
import { createSyncEngine } from './file-sync.js';
import { UringEngine } from './file-uring.js';

/** How asynchronous requests of a file device are done. */
export type FileEngineName = 'auto' | FileEngineKind;

/** Options of {@link openFile}. */
export interface FileOptions extends BlockDeviceOptions {
  /** @default false */
  readOnly?: boolean;
  /**
   * Makes the file if there is none.
   * @default false
   */
  create?: boolean;
  /**
   * Lets writes past the end make the file longer, and reads there be short. Otherwise the size at the opening is the device's size, and
   * requests beyond it fail with EINVAL. For files, not for block devices.
   * @default false
   */
  growable?: boolean;
  /**
   * Bypasses the page cache (O_DIRECT, Linux): offsets and lengths are then multiples of the device's block size, as file system or disk
   * ask for it, which is mostly 512 bytes.
   * @default false
   */
  direct?: boolean;
  /**
   * `'uring'` is io_uring, and fails where that is not to be had; `'fs'` is Node's own callbacks; `'sync'` blocks in `strategy`; `'auto'` is
   * io_uring if possible, otherwise `'fs'`, with a warning BIODONE_NO_IO_URING, once.
   * @default 'auto'
   */
  engine?: FileEngineName;
  /**
   * Locks the file against a second writer, in this process or another (flock(2), which binds only those who ask for it). Readers neither take
   * nor respect the lock.
   * @default true, unless `readOnly`
   */
  lock?: boolean;
  /**
   * Has reads noted in the file's time of last access, as the file system is mounted to do it. Otherwise they leave that alone (O_NOATIME), which saves the kernel a
   * twentieth of a 4 KiB read from the page cache, and the writing of the inode: a device has no such time. The kernel allows it to the owner of the file and to who
   * has CAP_FOWNER; for others the times are noted.
   * @default false
   */
  accessTime?: boolean;
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
 * SystemError EISDIR for a directory, EINVAL for what is neither a file nor a block device, EROFS for a device that refuses writes, EBUSY for
 * a file that another writer has locked; TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for options that there are not
 */
export function openFile(path: string, options: FileOptions = {}): BlockDevice {
  if (typeof path !== 'string') throw invalidType('path', 'a string; fileURLToPath() makes one of a URL', path);
  checkOptions('openFile', options, FILE_OPTIONS);
  const { readOnly = false, create = false, direct = false, engine: name = 'auto', accessTime = false } = options;
  const flags =
    (readOnly ? constants.O_RDONLY : constants.O_RDWR) | (create ? constants.O_CREAT : 0) | (direct ? constants.O_DIRECT : 0);
  const kind = chooseEngine(name);
  const fd = accessTime ? openSync(path, flags, 0o666) : openWithoutTimes(path, flags);
  return open(examine(fd, path, options), kind, options, true);
}

const FILE_OPTIONS: OptionKinds = {
  ...DEVICE_OPTIONS,
  readOnly: 'boolean',
  create: 'boolean',
  growable: 'boolean',
  direct: 'boolean',
  engine: ['auto', 'uring', 'fs', 'sync'],
  lock: 'boolean',
  accessTime: 'boolean',
};

/** Opens a file whose reads leave no trace in it, where that is allowed. */
function openWithoutTimes(path: string, flags: number): number {
  // Other systems have no such flag.
  const { O_NOATIME = 0 } = constants;
  try {
    return openSync(path, flags | O_NOATIME, 0o666);
  } catch (error) {
    // open(2): the file is somebody else's. If it is something else, the call without the flag says so too.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
    return openSync(path, flags, 0o666);
  }
}

/** Looks at what has been opened, and locks it. Closes it again if that is nothing for a device. */
function examine(fd: number, path: string, options: FileOptions): FileOpening {
  const { readOnly = false, direct = false, growable = false, engine = 'auto', lock = true, accessTime = false } = options;
  try {
    const geometry = geometryOf(fd, path, { direct, readOnly });
    return {
      fd,
      path: resolve(path),
      geometry,
      readOnly,
      direct,
      growable: growable && !geometry.isDevice,
      whole: true,
      locked: lock && !readOnly && lockFile(fd, path),
      asked: {
        ...(engine === 'auto' ? {} : { engine }),
        ...(lock ? {} : { lock: false as const }),
        ...(accessTime ? { accessTime: true as const } : {}),
      },
    };
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
  const opening = {
    fd,
    path: `fd ${fd}`,
    geometry: UNKNOWN_GEOMETRY,
    readOnly: false,
    direct: false,
    growable: true,
    whole: false,
    locked: false,
    asked: {},
  };
  return open(opening, chooseEngine('uring'), {}, false);
}

/** The file of a handle, in another thread: the same descriptor, with that thread's own ring. */
export function attachFile(handle: DeviceHandle): BlockDevice {
  const opening = handle as FileHandle;
  return open(opening, chooseEngine(opening.engine), {}, false, handle);
}

const UNKNOWN_GEOMETRY: FileGeometry = {
  isDevice: false,
  sizeBytes: 0,
  blockSizeBytes: 1,
  memoryAlignmentBytes: 1,
  physicalBlockSizeBytes: 1,
  sectorBytes: 1,
  rotational: false,
};

/** The device for an open descriptor, which it closes in the end if it is `owned`. */
function open(
  opening: FileOpening,
  kind: FileEngineKind,
  options: BlockDeviceOptions,
  owned: boolean,
  handle?: DeviceHandle,
): BlockDevice {
  const { fd, path, whole, geometry } = opening;
  const { isDevice, blockSizeBytes, sectorBytes } = geometry;
  const ringFile = kind === 'uring' && whole ? ringFileOf(fd, path, owned) : null;
  const close = (): void | Promise<void> => {
    // Also where the kernel keeps the file for a while: the next writer finds it free.
    if (owned && opening.locked) unlockFile(fd);
    if (ringFile !== null) return ringFile.close();
    if (owned) closeSync(fd);
  };
  const target = ringFile ?? fd;
  const file: OpenFile = { fd, path, isDevice, blockSizeBytes, sectorBytes, whole, target };
  try {
    return new BlockDevice(new FileDriver(opening, file, ENGINES[kind](file), close), options, handle);
  } catch (error) {
    void close();
    throw error;
  }
}

function ringFileOf(fd: number, path: string, owned: boolean): RingFile {
  // A channel is closed before the device that owns the descriptor, so the kernel may keep the file for it until then.
  return owned ? RingFile.adopt(fd, { path }) : RingFile.borrow(fd, path, { untilClose: true });
}

const ENGINES: Record<FileEngineKind, (file: OpenFile) => FileEngine> = {
  uring: (file) => new UringEngine(file, threadRing()),
  fs: createFsEngine,
  sync: createSyncEngine,
};

function chooseEngine(name: FileEngineName): FileEngineKind {
  if (name === 'fs' || name === 'sync') return name;
  const { available, reason } = probe();
  if (available) return 'uring';
  if (name === 'uring') throw new SystemError(ENOSYS, 'io_uring_setup', undefined, reason ?? undefined);
  warnOnce(`io_uring is not available, files use Node's own thread pool: ${reason}`);
  return 'fs';
}

let warned = false;

function warnOnce(message: string): void {
  if (warned) return;
  warned = true;
  process.emitWarning(message, { code: 'BIODONE_NO_IO_URING' });
}
