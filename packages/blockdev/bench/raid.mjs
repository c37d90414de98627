import { BLOCK_READ, BLOCK_WRITE, BlockIo, openMem, openRaid, ParityMemory } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { Tally } from './tally.mjs';

const COMPONENTS = 4;
const STRIPE_BYTES = 65536;
/** A whole row of level 5, and three quarters of one of level 0. */
const ROW_BYTES = (COMPONENTS - 1) * STRIPE_BYTES;
const ROWS_AT_ONCE = 4;
/** Of a raid's disks together: more than the processor's caches hold, which would be faster to write the less they have to keep. */
const RAID_BYTES = 256 * 2 ** 20;

const raids = new Map();

/** A raid of four memory disks that have all been written to. */
async function raidOf(level) {
  if (!raids.has(level)) {
    const disks = Array.from({ length: COMPONENTS }, () => openMem(RAID_BYTES / COMPONENTS));
    const device = await openRaid(disks, { create: true, assumeClean: true, level, stripeBytes: STRIPE_BYTES });
    const io = new BlockIo();
    io.operation = BLOCK_WRITE;
    io.buffer = IoBuffer.allocate(ROW_BYTES);
    io.buffer.bytes.fill(1);
    io.lengthBytes = ROW_BYTES;
    for (; io.offset + ROW_BYTES <= device.limits.sizeBytes; io.offset += ROW_BYTES) {
      device.strategySync(io);
      if (io.error !== 0) throw new Error(`a write failed with errno ${io.error}`);
    }
    raids.set(level, device);
  }
  return raids.get(level);
}

/** Writes of a row one after the other, four at a time: rows a second. */
const rowWrites = (level, allocate) => async (load) => {
  const device = await raidOf(level);
  const rows = Math.floor(device.limits.sizeBytes / ROW_BYTES);
  let row = 0;
  const nextOffset = () => {
    row = row + 1 === rows ? 0 : row + 1;
    return row * ROW_BYTES;
  };
  return operations(device, load, BLOCK_WRITE, ROW_BYTES, ROWS_AT_ONCE, () => nextOffset, allocate);
};

/** Random reads of 4 KiB. */
const blockReads = (level) => async (load) => {
  const device = await raidOf(level);
  // Level 5 is smaller: both are asked for the same blocks.
  const sizeBytes = RAID_BYTES / 2;
  return operations(device, { ...load, sizeBytes }, BLOCK_READ, load.blockBytes, load.depth, (tally) => () => tally.nextOffset());
};

export const raid0Writes = rowWrites(0);
/** From memory that the raid copies, to make the parity. */
export const raid5WritesCopied = rowWrites(5);
/** From memory that WebAssembly sees, where the parity is made. */
export const raid5WritesInPlace = rowWrites(5, IoBuffer.inWebAssembly);
export const raid0Reads = blockReads(0);
export const raid5Reads = blockReads(5);

async function operations(device, load, operation, lengthBytes, depth, offsets, allocate = IoBuffer.allocate) {
  const tally = new Tally({ ...load, blockBytes: load.blockBytes });
  const nextOffset = offsets(tally);
  const buffer = allocate(depth * lengthBytes);
  // Memory that was never written is one page of zeros, which the processor has in its cache.
  buffer.bytes.fill(1);
  await new Promise((resolve, reject) => {
    let left = depth;
    const start = (io) => {
      io.offset = nextOffset();
      device.strategy(io);
    };
    const iodone = (io) => {
      if (io.error !== 0 || io.transferredBytes !== lengthBytes) reject(new Error(`errno ${io.error} ${io.transferredBytes}`));
      else if (tally.goesOn()) start(io);
      else if (--left === 0) resolve();
    };
    tally.begin();
    for (let slot = 0; slot < depth; slot++) {
      const io = new BlockIo();
      Object.assign(io, { operation, buffer, bufferOffset: slot * lengthBytes, lengthBytes, iodone });
      start(io);
    }
  });
  return tally.perSecond;
}

let parity = null;
const source = IoBuffer.allocate(ROWS_AT_ONCE * ROW_BYTES);
source.bytes.fill(1);

/** Rows whose parity is made, from memory elsewhere: copied to where it is made, as a write of a whole row does. */
export async function parityOfRows(load) {
  parity ??= new ParityMemory(ROW_BYTES + STRIPE_BYTES);
  return rows(load, parity.buffer, () => parity.combine(ROW_BYTES, 0, STRIPE_BYTES, COMPONENTS, STRIPE_BYTES));
}

let target = null;

/** The same rows copied, and no more. */
export async function copiesOfRows(load) {
  target ??= IoBuffer.allocate(ROW_BYTES);
  return rows(load, target, () => {});
}

function rows(load, into, then) {
  const tally = new Tally(load);
  tally.begin();
  let slot = 0;
  do {
    IoBuffer.copy(into, 0, source, slot * ROW_BYTES, ROW_BYTES);
    then();
    slot = slot + 1 === ROWS_AT_ONCE ? 0 : slot + 1;
  } while (tally.goesOn());
  return tally.perSecond;
}
