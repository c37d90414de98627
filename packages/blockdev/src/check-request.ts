import { EBADF, EINVAL, ENOTSUP, EPERM, EROFS, type IoBuffer, IoVector } from '@biodone/uring';
import {
  BLOCK_ABORT,
  BLOCK_ATOMIC,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FAST_ONLY,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_NO_UNMAP,
  BLOCK_NOWAIT,
  BLOCK_READ,
  BLOCK_RESET,
  BLOCK_SYNC,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  BlockIo,
  type BlockIoOwner,
  IO_STARTED,
} from './block-io.js';
import { isAllowed } from './claims.js';
import { ENODEV } from './errno.js';
import { ExtentList } from './extent-list.js';
import { type BlockCapabilities, type BlockLimits, isPowerOfTwo } from './limits.js';
import type { SharedState } from './shared-state.js';

/** What a request is checked against. */
export interface CheckedDevice {
  readonly closed: boolean;
  readonly resetting: boolean;
  readonly limits: Required<BlockLimits>;
  readonly capabilities: Required<BlockCapabilities>;
  readonly state: SharedState;
  /** What the `device` of its requests says. */
  readonly path: BlockIoOwner;
  /** By which claim this channel works. */
  readonly ownClaimId: number;
  /** Where reads end: at the end of the block that holds a file's last byte. */
  readonly readEnd: number;
  readonly writeEnd: number;
}

/** The bit of {@link BLOCK_SYNC} that nothing has without BLOCK_FUA. */
const SYNC_ALONE = BLOCK_SYNC & ~BLOCK_FUA;
/** Of changes of all kinds; and of transfers of data alone. */
const KNOWN_FLAGS = BLOCK_SYNC | BLOCK_NO_UNMAP | BLOCK_FAST_ONLY;
const TRANSFER_FLAGS = KNOWN_FLAGS | BLOCK_NOWAIT | BLOCK_ATOMIC;

/** The errno that a request gets instead of being started; 0 for none. The order is that in which a caller would want to hear of it. */
export function checkRequest(io: BlockIo, device: CheckedDevice): number {
  if (device.closed) return EBADF;
  const { state } = device;
  if (state.removed) return state.closed ? EBADF : ENODEV;
  // Operators throw at what cannot be made a number, as a BigInt, and nothing may throw here.
  if (typeof io.flags !== 'number') return ENOTSUP;
  const { operation } = io;
  if (state.claimId !== 0 && operation !== BLOCK_ABORT && !isAllowed(io, state, device.ownClaimId)) return EPERM;
  if (operation === BLOCK_READ)
    return (io.flags === 0 ? 0 : checkReadFlags(io, device)) || checkRange(io, device, device.readEnd) || checkMemory(io);
  if (operation === BLOCK_WRITE) {
    return (
      checkWrite(io, device, TRANSFER_FLAGS) ||
      checkRange(io, device, device.writeEnd) ||
      checkMemory(io) ||
      checkAtomic(io, device)
    );
  }
  return checkRare(io, device);
}

function checkRare(io: BlockIo, device: CheckedDevice): number {
  const { operation } = io;
  const { capabilities, state } = device;
  switch (operation) {
    case BLOCK_FLUSH:
      return (io.flags & ~BLOCK_SYNC) === 0 && io.flags !== SYNC_ALONE ? state.poison : ENOTSUP;
    case BLOCK_DISCARD:
      return capabilities.discard ? checkWrite(io, device) || checkRange(io, device, device.writeEnd) : ENOTSUP;
    case BLOCK_WRITE_ZEROES:
      if ((io.flags & BLOCK_FAST_ONLY) !== 0 && capabilities.zeroes !== 'fast') return ENOTSUP;
      return checkWrite(io, device) || checkRange(io, device, device.writeEnd);
    case BLOCK_EXTENTS:
      return !(io.extents instanceof ExtentList) ? EINVAL : checkRange(io, device, device.readEnd);
    case BLOCK_COMPARE_AND_WRITE:
      return (
        checkWrite(io, device) ||
        checkRange(io, device, device.writeEnd) ||
        checkMemory(io) ||
        (isPart(io.compare, io.compareOffset, io.lengthBytes) ? 0 : EINVAL)
      );
    case BLOCK_ABORT:
      return io.target !== io && canBeAborted(io.target, device.path) ? 0 : EINVAL;
    case BLOCK_RESET:
      return 0;
    default:
      return ENOTSUP;
  }
}

function checkReadFlags({ flags }: BlockIo, { capabilities }: CheckedDevice): number {
  return flags === BLOCK_NOWAIT && capabilities.nowait ? 0 : ENOTSUP;
}

function checkWrite(io: BlockIo, { capabilities, limits, state }: CheckedDevice, known: number = KNOWN_FLAGS): number {
  if (capabilities.readOnly) return EROFS;
  const { flags } = io;
  if (flags === 0) return 0;
  if ((flags & ~known) !== 0 || (flags & BLOCK_SYNC) === SYNC_ALONE) return ENOTSUP;
  if ((flags & BLOCK_NOWAIT) !== 0 && !capabilities.nowait) return ENOTSUP;
  if ((flags & BLOCK_ATOMIC) !== 0 && limits.atomicWriteMaxBytes === 0) return ENOTSUP;
  if ((flags & BLOCK_FUA) === 0) return 0;
  // A flush that will fail in any case is not worth the write before it.
  return capabilities.fua === 'none' ? ENOTSUP : capabilities.fua === 'emulate' ? state.poison : 0;
}

/** As generic_atomic_write_valid() of the kernel's: a power of two within the limits, and a place for it. */
function checkAtomic({ flags, lengthBytes, offset, vector }: BlockIo, { limits }: CheckedDevice): number {
  if ((flags & BLOCK_ATOMIC) === 0) return 0;
  const isLength =
    isPowerOfTwo(lengthBytes) && lengthBytes >= limits.atomicWriteMinBytes && lengthBytes <= limits.atomicWriteMaxBytes;
  return isLength && offset % lengthBytes === 0 && (vector === null || vector.count === 1) ? 0 : EINVAL;
}

function checkRange(io: BlockIo, { limits }: CheckedDevice, end: number): number {
  const { offset, lengthBytes } = io;
  const { blockSizeBytes } = limits;
  if (!isRange(offset, lengthBytes, end)) return EINVAL;
  return blockSizeBytes !== 1 && (offset % blockSizeBytes !== 0 || lengthBytes % blockSizeBytes !== 0) ? EINVAL : 0;
}

function checkMemory(io: BlockIo): number {
  const { vector } = io;
  if (vector === null) return isPart(io.buffer, io.bufferOffset, io.lengthBytes) ? 0 : EINVAL;
  // The types as they are declared are not what a caller without a compiler has to keep to.
  if (!(vector instanceof IoVector)) return EINVAL;
  return io.buffer === null && vector.lengthBytes === io.lengthBytes && isThere(vector) ? 0 : EINVAL;
}

/** Whether a request is one that a device can be asked about: one that it has started, or that is done. */
export function canBeAborted(io: BlockIo | null, path: BlockIoOwner): boolean {
  if (!(io instanceof BlockIo)) return false;
  return io.device === path || (io.device !== null && io.state !== IO_STARTED);
}

/** Whether no part of a vector has been transferred away, as trusted memory can be. */
function isThere(vector: IoVector): boolean {
  try {
    vector.check();
    return true;
  } catch {
    return false;
  }
}

function isPart(buffer: IoBuffer | null, offset: number, length: number): boolean {
  // What is trusted can have been transferred away, and has no bytes then. What is no IoBuffer, as a Buffer, has no such member.
  const bytes = (buffer as Partial<IoBuffer> | null | undefined)?.bytes;
  return bytes !== undefined && isRange(offset, length, bytes.length);
}

/** Whether `length` bytes from `offset` lie within `size`. The subtraction cannot overflow, where an addition could. */
function isRange(offset: number, length: number, size: number): boolean {
  return (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    length <= size &&
    offset <= size - length
  );
}
