import { constants } from 'node:buffer';
import { ENOMEM, ENOTSUP, IoBuffer, type IoBufferHandle, SystemError } from '@biodone/uring';
import { atomicLimits } from '../atomic-limits.js';
import { biodone } from '../biodone.js';
import { BlockDevice, type BlockDeviceOptions } from '../block-device.js';
import {
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FAST_ONLY,
  BLOCK_FLUSH,
  BLOCK_NO_UNMAP,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockIo,
} from '../block-io.js';
import { checkOptions, DEVICE_OPTIONS } from '../check-options.js';
import type { BlockDriver, DeviceHandle } from '../driver.js';
import { checkInteger, outOfRange } from '../errors.js';
import { CHUNK_BYTES, MemChunks } from './mem-chunks.js';

/** Options of {@link openMem}. */
export interface MemOptions extends BlockDeviceOptions {
  /**
   * Offsets and lengths are multiples of it, as is the size.
   * @default 1
   */
  blockSizeBytes?: number;
  /** @default false */
  readOnly?: boolean;
}

/**
 * A memory disk, BSD's md(4): zeroed at first, gone with the process. It is sparse: what was never written takes no memory, and what is
 * discarded, or written as zeros without BLOCK_NO_UNMAP, is given back in chunks of 64 KiB (on Linux) and reads as zeros. Threads that
 * attach to it share its contents; requests of several threads to the same bytes are not ordered among each other.
 *
 * @param sizeBytes at least 1. The most is what one Uint8Array can see: 4 GiB on Node 20, more than the address space on Node 22; and what
 * the system lets a process reserve at once, on Linux about as much as the machine has memory (vm.overcommit_memory)
 * @throws RangeError ERR_OUT_OF_RANGE; SystemError ENOMEM if the system does not let the process have so much
 */
export function openMem(sizeBytes: number, options: MemOptions = {}): BlockDevice {
  checkOptions('openMem', options, { ...DEVICE_OPTIONS, blockSizeBytes: 'number', readOnly: 'boolean' });
  const { blockSizeBytes = 1, readOnly = false } = options;
  checkInteger('sizeBytes', sizeBytes, 1);
  checkInteger('blockSizeBytes', blockSizeBytes, 1, 2 ** 30);
  if (sizeBytes % blockSizeBytes !== 0) throw outOfRange('sizeBytes', `a multiple of ${blockSizeBytes}`, sizeBytes);
  const memory = allocate(sizeBytes);
  const written = new SharedArrayBuffer(memory.lengthBytes / CHUNK_BYTES);
  return new BlockDevice(createMemDriver(memory, written, { sizeBytes, blockSizeBytes, readOnly }), options);
}

interface MemGeometry {
  readonly sizeBytes: number;
  readonly blockSizeBytes: number;
  readonly readOnly: boolean;
}

interface MemHandle extends DeviceHandle, MemGeometry {
  readonly driver: 'mem';
  readonly memory: IoBufferHandle;
  readonly written: SharedArrayBuffer;
}

/** The memory disk of a handle, in another thread. */
export function attachMem(handle: DeviceHandle): BlockDevice {
  const { memory, written, sizeBytes, blockSizeBytes, readOnly } = handle as MemHandle;
  const driver = createMemDriver(IoBuffer.attach(memory), written, { sizeBytes, blockSizeBytes, readOnly });
  return new BlockDevice(driver, {}, handle);
}

function createMemDriver(memory: IoBuffer, written: SharedArrayBuffer, geometry: MemGeometry): BlockDriver {
  const { sizeBytes, blockSizeBytes, readOnly } = geometry;
  const chunks = new MemChunks(memory, written, sizeBytes);
  const run = (io: BlockIo): number => {
    const { operation } = io;
    if (operation === BLOCK_READ || operation === BLOCK_WRITE) {
      if (io.vector !== null) transferVector(io, memory);
      else if (operation === BLOCK_READ) {
        IoBuffer.copy(io.buffer as IoBuffer, io.bufferOffset, memory, io.offset, io.lengthBytes);
      } else {
        IoBuffer.copy(memory, io.offset, io.buffer as IoBuffer, io.bufferOffset, io.lengthBytes);
      }
      if (operation === BLOCK_WRITE) chunks.wrote(io.offset, io.lengthBytes);
      io.transferredBytes = io.lengthBytes;
      return 0;
    }
    return runRare(io, chunks);
  };
  return {
    name: 'mem',
    // No failure of the power leaves half of a write: it leaves nothing.
    limits: { blockSizeBytes, sizeBytes, memoryAlignmentBytes: 1, maxSegments: 1024, ...atomicLimits([], blockSizeBytes) },
    capabilities: {
      readOnly,
      progress: 'none',
      fua: 'native',
      zeroes: 'fast',
      discard: true,
      extents: true,
      volatileCache: false,
      nowait: true,
    },
    start: (io) => biodone(io, run(io)),
    startSync: (io) => {
      io.error = run(io);
    },
    poll: () => 0,
    wait: () => 0,
    describe: () => ({ ...geometry, allocatedBytes: chunks.allocatedBytes }),
    config: () => ({ driver: 'mem', ...geometry }),
    handle: (): MemHandle => ({ driver: 'mem', memory: memory.handle(), written, ...geometry }),
    close: () => {},
  };
}

/** What is neither a read nor a write. Returns the errno. */
function runRare(io: BlockIo, chunks: MemChunks): number {
  const { operation, flags, offset, lengthBytes } = io;
  switch (operation) {
    case BLOCK_FLUSH:
      // This memory is as stable as it will ever be.
      return 0;
    case BLOCK_WRITE_ZEROES:
      if ((flags & BLOCK_NO_UNMAP) !== 0) {
        // Whoever wants it fast only has more use for an answer than for as long a wait as a write takes.
        if ((flags & BLOCK_FAST_ONLY) !== 0) return ENOTSUP;
        chunks.fillZeros(offset, lengthBytes);
      } else {
        chunks.giveBack(offset, lengthBytes);
      }
      io.transferredBytes = lengthBytes;
      return 0;
    case BLOCK_DISCARD:
      chunks.giveBack(offset, lengthBytes);
      io.transferredBytes = lengthBytes;
      return 0;
    case BLOCK_EXTENTS:
      io.transferredBytes = io.extents === null ? 0 : chunks.list(io.extents, offset, lengthBytes);
      return 0;
    default:
      return ENOTSUP;
  }
}

function transferVector({ operation, vector, offset }: BlockIo, memory: IoBuffer): void {
  const segments = vector?.segments ?? [];
  let position = offset;
  for (let index = 0; index < segments.length; index++) {
    const segment = segments[index];
    if (segment === undefined) continue;
    if (operation === BLOCK_READ) IoBuffer.copy(segment.memory, segment.memoryOffset, memory, position, segment.lengthBytes);
    else IoBuffer.copy(memory, position, segment.memory, segment.memoryOffset, segment.lengthBytes);
    position += segment.lengthBytes;
  }
}

/** Whole chunks, so that the last one can be given back too. The system commits none of it before it is touched. */
function allocate(sizeBytes: number): IoBuffer {
  const lengthBytes = Math.ceil(sizeBytes / CHUNK_BYTES) * CHUNK_BYTES;
  if (lengthBytes > constants.MAX_LENGTH) {
    const most = constants.MAX_LENGTH - (constants.MAX_LENGTH % CHUNK_BYTES);
    const why = `an integer >= 1 && <= ${most}, the most that Node ${process.versions.node} can see at once; use a file device`;
    throw outOfRange('sizeBytes', why, sizeBytes);
  }
  try {
    return IoBuffer.allocate(lengthBytes, CHUNK_BYTES);
  } catch (cause) {
    const advice = `the system refuses to reserve ${lengthBytes} bytes at once (on Linux see vm.overcommit_memory)`;
    throw new SystemError(ENOMEM, 'openMem', undefined, advice, cause);
  }
}
