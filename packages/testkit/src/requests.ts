import {
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockDevice,
  BlockIo,
  type BlockOperation,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

/** What a request came to. */
export interface Outcome {
  readonly error: number;
  readonly transferredBytes: number;
}

/** Makes a request with what differs from a new one. */
export function request(operation: BlockOperation, fields: Partial<BlockIo> = {}): BlockIo {
  return Object.assign(new BlockIo(), { operation, ...fields });
}

/** Makes a read into new memory. */
export function readRequest(offset: number, lengthBytes: number): BlockIo {
  return request(BLOCK_READ, { offset, lengthBytes, buffer: IoBuffer.allocate(Math.max(lengthBytes, 1)) });
}

/** Makes a write of these bytes, which are copied. */
export function writeRequest(offset: number, bytes: Uint8Array, flags = 0): BlockIo {
  return request(BLOCK_WRITE, { offset, lengthBytes: bytes.length, buffer: memoryOf(bytes), flags });
}

/** Makes a compare-and-write of these bytes, which are copied. */
export function compareRequest(offset: number, compare: Uint8Array, bytes: Uint8Array, flags = 0): BlockIo {
  const io = writeRequest(offset, bytes, flags);
  return Object.assign(io, { operation: BLOCK_COMPARE_AND_WRITE, compare: memoryOf(compare) });
}

/** Makes a flush. */
export function flushRequest(): BlockIo {
  return request(BLOCK_FLUSH);
}

/** Starts a request, and resolves when its callback is called. */
export function run(device: BlockDevice, io: BlockIo): Promise<Outcome> {
  return new Promise((resolve) => {
    io.iodone = ({ error, transferredBytes }) => resolve({ error, transferredBytes });
    device.strategy(io);
  });
}

/** Runs a request in this thread. */
export function runSync(device: BlockDevice, io: BlockIo): Outcome {
  device.strategySync(io);
  const { error, transferredBytes } = io;
  return { error, transferredBytes };
}

/** Lets what was put off to a microtask, or to a turn of the event loop, run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** New memory with a copy of these bytes. */
export function memoryOf(bytes: Uint8Array): IoBuffer {
  const memory = IoBuffer.allocate(Math.max(bytes.length, 1));
  memory.bytes.set(bytes);
  return memory;
}
