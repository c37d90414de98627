import type { RingFile } from '@biodone/uring';
import type { BlockDriver, DeviceHandle, DriverEvents } from '../driver.js';
import { ENODEV, ENXIO } from '../errno.js';
import type { DeviceSpec } from '../spec.js';
import type { FileEngine, FileEngineKind, OpenFile } from './file-engine.js';
import { currentSizeBytes, type FileGeometry } from './file-geometry.js';
import { unlockFile } from './file-lock.js';
import { runSync } from './file-sync.js';

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
  readonly asked: { readonly engine?: FileEngineKind; readonly lock?: false };
}

export interface FileHandle extends DeviceHandle, FileOpening {
  readonly driver: 'file';
  readonly engine: FileEngineKind;
}

/** What is closed with the device: nothing, for channels of other threads. */
export type Owned = RingFile | { close(): void } | null;

/** How many parts a request may have (UIO_MAXIOV). */
const SEGMENTS_MAX = 1024;

export function createFileDriver(opening: FileOpening, file: OpenFile, engine: FileEngine, owned: Owned): BlockDriver {
  const { fd, path, geometry, readOnly, direct, growable, whole, locked, asked } = opening;
  const { blockSizeBytes, memoryAlignmentBytes, physicalBlockSizeBytes, isDevice, rotational } = geometry;
  const space = engine.space && whole;
  let sizeBytes = growable ? null : geometry.sizeBytes;
  let events: DriverEvents | null = null;
  const look = (): void => {
    if (growable) return;
    const now = sizeNow(path, fd, isDevice);
    if (now === null) events?.removed();
    else if (now !== sizeBytes) {
      sizeBytes = now;
      events?.resized(now);
    }
  };
  return {
    name: 'file',
    limits: { blockSizeBytes, sizeBytes, memoryAlignmentBytes, physicalBlockSizeBytes, maxSegments: SEGMENTS_MAX },
    capabilities: {
      readOnly,
      progress: engine.progress,
      fua: engine.fua,
      zeroes: space ? 'fast' : 'emulate',
      discard: space,
      // The kernel does not know the holes of a device.
      extents: space && !isDevice,
      rotational,
      retry: whole,
    },
    start: engine.start,
    startSync: (io) => runSync(io, file),
    ...(engine.abort === undefined ? {} : { abort: engine.abort }),
    poll: engine.poll,
    wait: engine.wait,
    refresh: look,
    attached: (told) => {
      events = told;
    },
    describe: () => ({
      path,
      kind: isDevice ? 'block device' : 'file',
      engine: engine.name,
      sizeBytes,
      readOnly,
      direct,
      locked,
      blockSizeBytes,
      fua: engine.fua,
      zeroes: space ? 'fast' : 'emulate',
    }),
    config: (): DeviceSpec => ({ driver: 'file', path, readOnly, direct, growable, ...asked }),
    handle: (): FileHandle => ({
      ...opening,
      geometry: { ...geometry, sizeBytes: sizeBytes ?? geometry.sizeBytes },
      driver: 'file',
      engine: engine.name,
    }),
    close: () => {
      if (owned !== null && locked) unlockFile(fd);
      return owned?.close();
    },
  };
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
