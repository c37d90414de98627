import { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, type BlockDevice, BlockIo, type BlockOperation } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';

/** What a request came to. */
export interface Outcome {
  readonly error: number;
  readonly transferredBytes: number;
}

/** The fields of a request that a test sets. */
export interface Order {
  operation?: number;
  flags?: number;
  buffer?: IoBuffer | null;
  bufferOffset?: number;
  offset?: number;
  lengthBytes?: number;
}

/** Makes a request: if nothing else is said, a read of a whole new buffer of 4096 bytes from the beginning. */
export function makeIo(order: Order = {}): BlockIo {
  const io = new BlockIo();
  const buffer = order.buffer === undefined ? IoBuffer.allocate(4096) : order.buffer;
  io.operation = (order.operation ?? BLOCK_READ) as BlockOperation;
  io.flags = order.flags ?? 0;
  io.buffer = buffer;
  io.bufferOffset = order.bufferOffset ?? 0;
  io.offset = order.offset ?? 0;
  io.lengthBytes = order.lengthBytes ?? buffer?.lengthBytes ?? 0;
  return io;
}

/** Starts a request, and resolves when its callback is called. */
export function start(device: BlockDevice, io: BlockIo): Promise<Outcome> {
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

/** An IoBuffer with these bytes. */
export function bufferOf(bytes: Uint8Array | string): IoBuffer {
  const source = Buffer.from(bytes as string);
  const buffer = IoBuffer.allocate(Math.max(source.length, 1));
  buffer.bytes.set(source);
  return buffer;
}

export function read(device: BlockDevice, buffer: IoBuffer, offset: number): Promise<Outcome> {
  return start(device, makeIo({ operation: BLOCK_READ, buffer, offset }));
}

export function write(device: BlockDevice, bytes: Uint8Array | string, offset: number): Promise<Outcome> {
  return start(device, makeIo({ operation: BLOCK_WRITE, buffer: bufferOf(bytes), offset }));
}

export function flush(device: BlockDevice): Promise<Outcome> {
  return start(device, makeIo({ operation: BLOCK_FLUSH, buffer: null }));
}
