import { IoBuffer, SystemError } from '@biodone/uring';
import { BLOCK_FLUSH, BLOCK_FUA, BLOCK_WRITE, type BlockIo } from '../block-io.js';
import { encodeLabel, LABEL_BYTES, type RaidLabel, ROLE_SPARE } from './raid-label.js';
import type { RaidSlot } from './raid-member.js';
import type { RaidSet } from './raid-set.js';

/** What the labels of an array say now. */
export function labelOf(set: RaidSet, role: number, generation: number): RaidLabel {
  const { geometry, identity, state } = set;
  const components = set.members.map(({ index }) => ({ state: state.stateOf(index), rebuiltRows: state.stableRowsOf(index) }));
  const { level, stripeBytes, rows } = geometry;
  return { uuid: identity.uuid, generation, level, stripeBytes, rows, regionRows: identity.regionRows, role, components };
}

/** Writes a block so that it is there after a crash. */
export function writeStable(set: RaidSet, slot: RaidSlot, offset: number, buffer: IoBuffer, done: (error: number) => void): void {
  const flags = slot.device.capabilities.fua === 'none' ? 0 : BLOCK_FUA;
  const fill = (io: BlockIo): void => {
    io.operation = BLOCK_WRITE;
    io.flags = flags;
    io.offset = offset;
    io.lengthBytes = buffer.lengthBytes;
    io.buffer = buffer;
  };
  set.send(slot, fill, (error) => {
    if (error !== 0 || flags !== 0) done(error);
    else flushSlot(set, slot, done);
  });
}

/** Makes what was written to a device stable. */
export function flushSlot(set: RaidSet, slot: RaidSlot, done: (error: number) => void): void {
  const fill = (io: BlockIo): void => {
    io.operation = BLOCK_FLUSH;
  };
  set.send(slot, fill, done);
}

/** Gives a device the label of a spare. @throws SystemError what that ends with */
export async function writeSpareLabel(set: RaidSet, slot: RaidSlot): Promise<void> {
  const block = IoBuffer.allocate(LABEL_BYTES);
  encodeLabel(labelOf(set, ROLE_SPARE, set.state.generation), block.bytes);
  const error = await new Promise<number>((resolve) => writeStable(set, slot, slot.labelOffset, block, resolve));
  if (error !== 0) throw new SystemError(error, 'raid', undefined, 'the label of a spare could not be written');
}
