import { inspect } from 'node:util';
import {
  BLOCK_ATOMIC,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FAST_ONLY,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_NO_UNMAP,
  BLOCK_NOWAIT,
  BLOCK_OPERATION_NAMES,
  BLOCK_READ,
  BLOCK_SYNC,
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
/** Flags, and their names. */
type Flags = readonly [known: number, names: string];
const CHANGE_FLAGS: Flags = [
  BLOCK_SYNC | BLOCK_NO_UNMAP | BLOCK_FAST_ONLY,
  'BLOCK_FUA, BLOCK_SYNC, BLOCK_NO_UNMAP, BLOCK_FAST_ONLY',
];
/** By operation, of those that have flags. */
const KNOWN_FLAGS: { readonly [operation: number]: Flags } = {
  [BLOCK_READ]: [BLOCK_NOWAIT, 'BLOCK_NOWAIT'],
  [BLOCK_WRITE]: [CHANGE_FLAGS[0] | BLOCK_NOWAIT | BLOCK_ATOMIC, `${CHANGE_FLAGS[1]}, BLOCK_NOWAIT, BLOCK_ATOMIC`],
  [BLOCK_FLUSH]: [BLOCK_SYNC, 'BLOCK_SYNC'],
  [BLOCK_DISCARD]: CHANGE_FLAGS,
  [BLOCK_WRITE_ZEROES]: CHANGE_FLAGS,
  [BLOCK_COMPARE_AND_WRITE]: CHANGE_FLAGS,
};

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

function abilityFault(op: BlockIo, { capabilities, limits }: BlockDevice): string | null {
  const { operation, flags } = op;
  if (CHANGES.includes(operation) && capabilities.readOnly) return 'the device was opened for reading alone';
  if (operation === BLOCK_DISCARD && !capabilities.discard) return 'the device knows no discard';
  const [known, names] = KNOWN_FLAGS[operation] ?? [];
  if (known === undefined) return null;
  if (typeof flags !== 'number' || (flags & ~known) !== 0)
    return `flags must be 0, ${names}, or a sum of them. Received ${show(flags)}`;
  if ((flags & BLOCK_NOWAIT) !== 0 && !capabilities.nowait)
    return 'BLOCK_NOWAIT asks for more than the device can do: it cannot tell before whether it would wait';
  if ((flags & BLOCK_FUA) !== 0 && operation !== BLOCK_FLUSH && capabilities.fua === 'none')
    return 'BLOCK_FUA asks for more than the device can do: it makes nothing stable';
  if (operation === BLOCK_WRITE_ZEROES && (flags & BLOCK_FAST_ONLY) !== 0 && capabilities.zeroes !== 'fast')
    return 'BLOCK_FAST_ONLY asks for more than the device can do: it would write the zeros';
  return (flags & BLOCK_ATOMIC) === 0 ? null : atomicFault(op, limits);
}

function atomicFault({ lengthBytes, offset, vector }: BlockIo, limits: BlockDevice['limits']): string | null {
  const { atomicWriteMinBytes, atomicWriteMaxBytes, memoryAlignmentBytes } = limits;
  if (atomicWriteMaxBytes === 0) return 'BLOCK_ATOMIC asks for more than the device can do: it may write in parts';
  const isLength =
    Number.isInteger(Math.log2(lengthBytes)) && lengthBytes >= atomicWriteMinBytes && lengthBytes <= atomicWriteMaxBytes;
  if (!isLength)
    return `lengthBytes of an atomic write must be a power of two from ${atomicWriteMinBytes} to ${atomicWriteMaxBytes}. Received ${lengthBytes}`;
  if (offset % lengthBytes !== 0)
    return `offset of an atomic write must be a multiple of its length, ${lengthBytes} bytes. Received ${offset}`;
  if (vector !== null && vector.count > 1) return 'the memory of an atomic write must be one part';
  return `the memory of an atomic write must begin at a multiple of ${memoryAlignmentBytes} bytes, and be no more than the device moves at once`;
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
