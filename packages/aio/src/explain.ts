import { inspect } from 'node:util';
import {
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FAST_ONLY,
  BLOCK_FUA,
  BLOCK_NO_UNMAP,
  BLOCK_OPERATION_NAMES,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type BlockIo,
  ExtentList,
} from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';
import type { AioOp } from './aio-op.js';

const CHANGES: readonly number[] = [BLOCK_WRITE, BLOCK_DISCARD, BLOCK_WRITE_ZEROES, BLOCK_COMPARE_AND_WRITE];
const HAS_MEMORY: readonly number[] = [BLOCK_READ, BLOCK_WRITE, BLOCK_COMPARE_AND_WRITE];
const HAS_RANGE: readonly number[] = [...CHANGES, BLOCK_READ, BLOCK_EXTENTS];
const KNOWN_FLAGS = BLOCK_FUA | BLOCK_NO_UNMAP | BLOCK_FAST_ONLY;

/**
 * Says in a sentence what is wrong with the request of an operation that has ended with EINVAL, ENOTSUP or EROFS, and what would be right: for
 * messages to people. It looks at the operation as it is, so call it in the callback, before anything of it is changed. The errors of `promises` say it
 * by themselves.
 *
 * @param device what it was for, of an operation that has not been submitted yet. @default the device of its pool
 * @returns null if nothing can be seen that is wrong with it
 */
export function explain(op: AioOp, device: BlockDevice | null = deviceOf(op)): string | null {
  if (BLOCK_OPERATION_NAMES[op.operation] === undefined || typeof op.operation !== 'number') {
    return `operation must be BLOCK_READ, BLOCK_WRITE or another one of them. Received ${show(op.operation)}`;
  }
  return (
    (HAS_MEMORY.includes(op.operation) ? memoryFault(op) : null) ??
    (HAS_RANGE.includes(op.operation) ? rangeFault(op, device) : null) ??
    compareFault(op) ??
    (device === null ? null : abilityFault(op, device))
  );
}

/** The device of the pool that an operation was submitted to last. */
export function deviceOf({ owner }: AioOp): BlockDevice | null {
  return (owner as { device?: BlockDevice } | null)?.device ?? null;
}

function memoryFault({ buffer, vector, bufferOffset, lengthBytes }: BlockIo): string | null {
  if (vector === null) return partFault('buffer', buffer, 'bufferOffset', bufferOffset, lengthBytes);
  if (!(vector instanceof IoVector)) return `vector must be an IoVector. Received ${show(vector)}`;
  if (buffer !== null) return 'there is a buffer and a vector: one of them must be null';
  if (vector.lengthBytes === lengthBytes) return null;
  return `lengthBytes must be the length of the vector, ${vector.lengthBytes}. Received ${show(lengthBytes)}`;
}

function compareFault({ operation, compare, compareOffset, lengthBytes }: BlockIo): string | null {
  if (operation !== BLOCK_COMPARE_AND_WRITE) return null;
  return partFault('compare', compare, 'compareOffset', compareOffset, lengthBytes);
}

function partFault(name: string, memory: unknown, offsetName: string, offset: unknown, lengthBytes: unknown): string | null {
  if (!(memory instanceof IoBuffer)) {
    return `${name} must be an IoBuffer, from IoBuffer.allocate() or IoBuffer.over(). Received ${show(memory)}`;
  }
  const count = countFault(offsetName, offset) ?? countFault('lengthBytes', lengthBytes);
  const size = memory.bytes.length;
  if (count !== null || (offset as number) <= size - (lengthBytes as number)) return count;
  return `${offsetName} ${offset} and lengthBytes ${lengthBytes} end beyond the ${name}, which has ${size} bytes`;
}

function rangeFault({ operation, offset, lengthBytes, extents }: BlockIo, device: BlockDevice | null): string | null {
  if (operation === BLOCK_EXTENTS && !(extents instanceof ExtentList)) {
    return `extents must be an ExtentList. Received ${show(extents)}`;
  }
  const count = countFault('offset', offset) ?? countFault('lengthBytes', lengthBytes);
  if (count !== null || device === null) return count;
  const { blockSizeBytes, sizeBytes } = device.limits;
  const end = sizeBytes === null ? Number.MAX_SAFE_INTEGER : wholeBlocks(sizeBytes, operation, blockSizeBytes);
  if (offset > end - lengthBytes) {
    return `offset ${offset} and lengthBytes ${lengthBytes} end beyond the device, which has ${sizeBytes ?? end} bytes`;
  }
  return multipleFault('offset', offset, blockSizeBytes) ?? multipleFault('lengthBytes', lengthBytes, blockSizeBytes);
}

/** A read may reach to the end of the block that holds a file's last byte. */
function wholeBlocks(sizeBytes: number, operation: number, blockSizeBytes: number): number {
  return CHANGES.includes(operation) ? sizeBytes : Math.ceil(sizeBytes / blockSizeBytes) * blockSizeBytes;
}

function abilityFault({ operation, flags }: BlockIo, { capabilities }: BlockDevice): string | null {
  if (operation === BLOCK_READ && flags !== 0) return `flags are for writes: a read has 0. Received ${show(flags)}`;
  if (!CHANGES.includes(operation)) return null;
  if (capabilities.readOnly) return 'the device was opened for reading alone';
  if (operation === BLOCK_DISCARD && !capabilities.discard) return 'the device knows no discard';
  if (typeof flags !== 'number' || (flags & ~KNOWN_FLAGS) !== 0) {
    return `flags must be BLOCK_FUA, BLOCK_NO_UNMAP, BLOCK_FAST_ONLY, or a sum of them. Received ${show(flags)}`;
  }
  if ((flags & BLOCK_FUA) !== 0 && capabilities.fua === 'none')
    return 'BLOCK_FUA asks for more than the device can do: it makes nothing stable';
  const isFast = operation !== BLOCK_WRITE_ZEROES || (flags & BLOCK_FAST_ONLY) === 0 || capabilities.zeroes === 'fast';
  return isFast ? null : 'BLOCK_FAST_ONLY asks for more than the device can do: it would write the zeros';
}

function countFault(name: string, value: unknown): string | null {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return null;
  return `${name} must be an integer >= 0. Received ${show(value)}`;
}

function multipleFault(name: string, value: number, blockSizeBytes: number): string | null {
  if (value % blockSizeBytes === 0) return null;
  return `${name} must be a multiple of the block size, ${blockSizeBytes} bytes. Received ${value}`;
}

function show(value: unknown): string {
  return inspect(value, { depth: -1 });
}
