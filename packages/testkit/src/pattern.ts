import {
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  BlockDevice,
  type BlockDeviceOptions,
  type BlockIo,
  biodone,
} from '@biodone/blockdev';
import { ENOTSUP, SystemError } from '@biodone/uring';
import { EILSEQ } from './errno.js';
import { bytesOf, putBytes } from './request-memory.js';

/**
 * Fills memory with what belongs at an offset: the 8 bytes from each multiple of 8 on say which one it is, mixed with the generation, so
 * that a byte in the wrong place, or of an older generation, shows.
 *
 * @param offset of the first byte, any integer from 0 on
 * @param generation an integer; writes of one round have the same
 */
export function fillPattern(bytes: Uint8Array, offset: number, generation = 0): void {
  for (let index = 0; index < bytes.length; index++) bytes[index] = patternByte(offset + index, generation);
}

/** The first position at which memory is not what {@link fillPattern} makes it, or -1. */
export function checkPattern(bytes: Uint8Array, offset: number, generation = 0): number {
  for (let index = 0; index < bytes.length; index++) {
    if (bytes[index] !== patternByte(offset + index, generation)) return index;
  }
  return -1;
}

function patternByte(at: number, generation: number): number {
  const word = Math.floor(at / 8);
  const high = Math.imul(generation, 0x9e3779b1) ^ Math.floor(word / 2 ** 32);
  const low = (word >>> 0) ^ Math.imul(generation, 0x85ebca6b);
  const lane = at % 8;
  return ((lane < 4 ? low >>> (lane * 8) : high >>> ((lane - 4) * 8)) & 255) >>> 0;
}

/** Options of {@link openPattern}. */
export interface PatternOptions extends BlockDeviceOptions {
  /** @default 0 */
  readonly generation?: number;
}

/**
 * A device that needs no memory: it reads as {@link fillPattern}, and a write must be that too, or it completes with EILSEQ and, in
 * `transferredBytes`, how much of it was right. It checks what passes through a stack of any size.
 */
export function openPattern(sizeBytes: number, options: PatternOptions = {}): BlockDevice {
  const { generation = 0 } = options;
  const transfer = (io: BlockIo): number => {
    if (io.operation === BLOCK_FLUSH) return 0;
    io.transferredBytes = io.lengthBytes;
    const bytes = bytesOf(io);
    if (io.operation === BLOCK_READ) {
      fillPattern(bytes, io.offset, generation);
      putBytes(io, bytes);
    } else if (io.operation === BLOCK_WRITE) {
      const wrong = checkPattern(bytes, io.offset, generation);
      if (wrong < 0) return 0;
      io.transferredBytes = wrong;
      return EILSEQ;
    }
    return 0;
  };
  return new BlockDevice(
    {
      name: 'pattern',
      limits: { blockSizeBytes: 1, sizeBytes, memoryAlignmentBytes: 1, maxSegments: 1024 },
      capabilities: { readOnly: false, progress: 'none', fua: 'native', volatileCache: false },
      start: (io) => biodone(io, transfer(io)),
      startSync: (io) => {
        io.error = transfer(io);
      },
      poll: () => 0,
      wait: () => 0,
      describe: () => ({ sizeBytes, generation }),
      config: () => ({ driver: 'pattern', sizeBytes, generation }),
      handle: () => {
        throw new SystemError(ENOTSUP, 'handle', undefined, `a 'pattern' device is for tests, and lives in one thread`);
      },
      close: () => {},
    },
    options,
  );
}
