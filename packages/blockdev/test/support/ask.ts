import { type BlockDevice, BlockIo, ExtentList } from '@biodone/blockdev';
import type { IoVector } from '@biodone/uring';

/** Both ways to run a request. */
export const modes = ['strategy', 'strategySync'] as const;
export type Mode = (typeof modes)[number];

/** Runs a request with these fields to its end, and returns it. */
export function ask(device: BlockDevice, mode: Mode, fields: Partial<BlockIo>): Promise<BlockIo> {
  const io = Object.assign(new BlockIo(), fields);
  if (mode === 'strategySync') {
    device.strategySync(io);
    return Promise.resolve(io);
  }
  return new Promise((resolve) => {
    io.iodone = resolve;
    device.strategy(io);
  });
}

/** The fields for memory in parts. */
export function inParts(vector: IoVector): Partial<BlockIo> {
  return { vector, lengthBytes: vector.lengthBytes };
}

/** The extents of a request's answer, as [offset, length, kind]. */
export function extentsOf({ extents }: BlockIo): [offset: number, lengthBytes: number, kind: number][] {
  const list = extents ?? new ExtentList();
  return Array.from({ length: list.count }, (_, index) => [list.offset(index), list.lengthBytes(index), list.kind(index)]);
}
