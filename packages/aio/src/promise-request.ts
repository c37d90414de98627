import {
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockOperation,
  ExtentList,
} from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';
import { invalidType } from './errors.js';
import { OrderingKey } from './ordering-key.js';
import type { Request } from './promise-operation.js';

/** What an operation of a batch is about. */
export interface RequestFields {
  /** Of a read, a write or a compare-and-write: where the bytes go, or come from. */
  buffer?: IoBuffer | null;
  /** In bytes. @default 0 */
  bufferOffset?: number;
  /** Memory in several parts, instead of `buffer`. */
  vector?: VectorMemory | null;
  /** What a compare-and-write compares with. */
  compare?: IoBuffer | null;
  /** In bytes. @default 0 */
  compareOffset?: number;
  /** Where on the device, in bytes. A flush, and a write with an OrderingKey that appends, need none. */
  offset?: number;
  /** In bytes. @default the rest of the buffer, or the vector */
  lengthBytes?: number;
}

/** Memory in several parts: an IoVector, which can be used again, or the buffers by themselves. */
export type VectorMemory = IoVector | readonly IoBuffer[];

/** Their names. */
export const REQUEST_OPTIONS: readonly string[] = [
  ...['operation', 'buffer', 'bufferOffset', 'vector', 'compare', 'compareOffset', 'offset', 'lengthBytes'],
];

/**
 * A request, with what is not said filled in, as far as it has a default.
 *
 * @throws TypeError ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE for a vector of no parts, and for more than 1024
 */
export function checkedRequest(
  fields: RequestFields & { readonly operation: BlockOperation; readonly orderingKey?: OrderingKey | null },
): Request {
  const { operation, bufferOffset = 0, compareOffset = 0, orderingKey } = fields;
  const takesMemory = operation === BLOCK_READ || operation === BLOCK_WRITE || operation === BLOCK_COMPARE_AND_WRITE;
  const vector = takesMemory && fields.vector ? checkedVector(fields.vector) : null;
  const buffer = takesMemory && vector === null ? checkedBuffer('buffer', fields.buffer) : null;
  const compare = operation === BLOCK_COMPARE_AND_WRITE ? checkedBuffer('compare', fields.compare) : null;
  const isPlaced = operation !== BLOCK_FLUSH && !(orderingKey instanceof OrderingKey && orderingKey.appendOffset !== null);
  const { offset = isPlaced ? missing('offset') : 0 } = fields;
  const whole = vector?.lengthBytes ?? (buffer === null ? null : buffer.lengthBytes - bufferOffset);
  const { lengthBytes = whole ?? (operation === BLOCK_FLUSH ? 0 : missing('lengthBytes')) } = fields;
  const extents = operation === BLOCK_EXTENTS ? new ExtentList() : null;
  return { operation, buffer, bufferOffset, vector, compare, compareOffset, offset, lengthBytes, extents };
}

/** @throws TypeError ERR_INVALID_ARG_TYPE for what is no IoBuffer */
export function checkedBuffer(name: string, buffer: unknown): IoBuffer {
  if (buffer instanceof IoBuffer) return buffer;
  throw invalidType(name, 'an IoBuffer, from IoBuffer.allocate() or IoBuffer.over()', buffer);
}

/** @throws TypeError ERR_INVALID_ARG_TYPE, RangeError ERR_OUT_OF_RANGE for no parts, and for more than 1024 */
export function checkedVector(vector: unknown): IoVector {
  if (vector instanceof IoVector) return vector;
  if (!Array.isArray(vector)) throw invalidType('vector', 'an IoVector, or an array of IoBuffers', vector);
  return new IoVector(vector.map((part, index) => ({ memory: checkedBuffer(`vector[${index}]`, part) })));
}

function missing(name: string): never {
  throw invalidType(name, 'a number of bytes', undefined);
}
