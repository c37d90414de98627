import {
  BLOCK_DISCARD,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_READ,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  type BlockDevice,
  type BlockIo,
} from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { expect } from 'vitest';
import { makeIo, type Outcome, runSync, start } from './requests.js';

/** What a byte may be: writes that failed leave the old or the new one. */
export class Model {
  readonly bytes: Buffer;
  /** Ranges of which nobody knows what they hold. */
  readonly #unknown: Uint8Array;

  constructor(bytes: Buffer) {
    this.bytes = Buffer.from(bytes);
    this.#unknown = new Uint8Array(bytes.length);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, offset);
    this.#unknown.fill(0, offset, offset + bytes.length);
  }

  forget(offset: number, lengthBytes: number): void {
    this.#unknown.fill(1, offset, offset + lengthBytes);
  }

  /** Where the bytes at `offset` differ from what is known of them, or -1. */
  difference(offset: number, bytes: Uint8Array): number {
    return bytes.findIndex((byte, index) => this.#unknown[offset + index] === 0 && byte !== this.bytes[offset + index]);
  }
}

export interface Workload {
  readonly device: BlockDevice;
  readonly model: Model;
  readonly random: (below: number) => number;
  readonly operations: number;
  /** How many requests are in flight at a time; 0 for the synchronous way. */
  readonly depth: number;
  readonly unitBytes?: number;
  readonly mostBytes?: number;
  /** Is told of each completion. */
  readonly done?: (io: BlockIo, count: number) => void;
  /** Whether errors are part of the game. */
  readonly mayFail?: boolean;
}

/**
 * Runs random requests, and holds every answer against the model. Requests that overlap with one in flight are not started, so that it is known
 * what they come to.
 *
 * @returns how many ended with an error
 */
export async function runWorkload(work: Workload): Promise<number> {
  const { device, model, operations, depth, mayFail = false } = work;
  const flying = new Set<BlockIo>();
  let failures = 0;
  let count = 0;
  const one = async (): Promise<void> => {
    const io = randomIo(work);
    const clash = [...flying].some(
      (other) => io.offset < other.offset + other.lengthBytes && other.offset < io.offset + io.lengthBytes,
    );
    if (clash) return;
    const before = io.buffer === null ? null : Buffer.from(io.buffer.bytes);
    flying.add(io);
    const outcome = depth === 0 ? runSync(device, io) : await start(device, io);
    flying.delete(io);
    count += 1;
    work.done?.(io, count);
    if (outcome.error !== 0) failures += 1;
    if (!mayFail) expect(outcome.error).toBe(0);
    settle(io, outcome, before, model);
  };
  const lanes = Array.from({ length: Math.max(1, depth) }, async () => {
    while (count < operations) await one();
  });
  await Promise.all(lanes);
  return failures;
}

function randomIo({ device, random, unitBytes = 1, mostBytes = 20_000 }: Workload): BlockIo {
  const size = Math.floor((device.limits.sizeBytes ?? 0) / unitBytes);
  const offset = random(size) * unitBytes;
  const lengthBytes = Math.min(size * unitBytes - offset, random(Math.floor(mostBytes / unitBytes) + 1) * unitBytes);
  const kind = random(20);
  if (kind === 0) return Object.assign(makeIo({ operation: BLOCK_FLUSH, buffer: null }), { lengthBytes: 0 });
  if (kind === 1) return makeIo({ operation: BLOCK_WRITE_ZEROES, buffer: null, offset, lengthBytes });
  if (kind === 2 && device.capabilities.discard) return makeIo({ operation: BLOCK_DISCARD, buffer: null, offset, lengthBytes });
  const io = makeIo({
    operation: kind < 11 ? BLOCK_READ : BLOCK_WRITE,
    offset,
    lengthBytes,
    buffer: IoBuffer.allocate(Math.max(1, lengthBytes)),
  });
  if (io.operation === BLOCK_WRITE) {
    io.buffer?.bytes.fill(1 + random(255));
    if (random(4) === 0) io.flags = BLOCK_FUA;
  }
  return io;
}

function settle(io: BlockIo, { error, transferredBytes }: Outcome, before: Buffer | null, model: Model): void {
  const { operation, offset, lengthBytes } = io;
  expect(transferredBytes).toBeLessThanOrEqual(lengthBytes);
  if (error === 0 && operation !== BLOCK_FLUSH) expect(transferredBytes).toBe(lengthBytes);
  if (operation === BLOCK_READ) {
    const difference = model.difference(offset, (io.buffer as IoBuffer).bytes.subarray(0, transferredBytes));
    expect({ offset, lengthBytes, difference }).toEqual({ offset, lengthBytes, difference: -1 });
  } else if (operation === BLOCK_WRITE || operation === BLOCK_WRITE_ZEROES) {
    if (error === 0) model.write(offset, (before ?? Buffer.alloc(lengthBytes)).subarray(0, lengthBytes));
    else model.forget(offset, lengthBytes);
  } else if (operation === BLOCK_DISCARD) {
    model.forget(offset, lengthBytes);
  }
}
