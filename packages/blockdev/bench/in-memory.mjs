import { randomFillSync } from 'node:crypto';
import { BLOCK_FLUSH, BLOCK_WRITE, BlockIo, openChecksum, openMem, openNull } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { makeRequests } from './reads.mjs';
import { Tally } from './tally.mjs';

/** A device that does nothing, through the whole of the generic layer. */
export async function nullDevice(load) {
  return operations(openNull(load.sizeBytes), load);
}

let memory = null;
let checksummed = null;
let source = null;

/** A memory disk that has been written to: a page that never was is another matter for the processor's caches. */
export async function memDevice(load) {
  memory ??= await filled(openMem(load.sizeBytes), load);
  return operations(memory, load, false);
}

/** Such a memory disk, with a checksum of every block, which is held against what is read: of a copy of that. */
export async function checksumCopied(load) {
  return operations(await openChecksummed(load), load, false);
}

/** The same, read into memory that WebAssembly sees, where the digest is taken. */
export async function checksumInPlace(load) {
  return operations(await openChecksummed(load), load, false, IoBuffer.inWebAssembly);
}

async function openChecksummed(load) {
  // Beside the blocks there is room for their checksums and the journals.
  checksummed ??= await filled(await openChecksum(openMem(load.sizeBytes + 2 ** 25), { create: true }), load);
  return checksummed;
}

async function filled(device, load) {
  const io = new BlockIo();
  io.operation = BLOCK_WRITE;
  io.buffer = randomBuffer(2 ** 20);
  io.lengthBytes = io.buffer.lengthBytes;
  for (; io.offset < load.sizeBytes; io.offset += io.lengthBytes) await run(device, io);
  io.operation = BLOCK_FLUSH;
  await run(device, io);
  return device;
}

async function run(device, io) {
  await new Promise((resolve) => {
    io.iodone = resolve;
    device.strategy(io);
  });
  if (io.error !== 0) throw new Error(`a request failed with errno ${io.error}`);
}

/** What a memory disk does at least: the same copies, from as much memory to as many places. */
export async function bareCopies(load) {
  source ??= randomBuffer(load.sizeBytes);
  const { depth, blockBytes } = load;
  const target = IoBuffer.allocate(depth * blockBytes);
  const tally = new Tally(load);
  tally.begin();
  let slot = 0;
  do {
    IoBuffer.copy(target, slot * blockBytes, source, tally.nextOffset(), blockBytes);
    slot = slot + 1 === depth ? 0 : slot + 1;
  } while (tally.goesOn());
  return tally.perSecond;
}

async function operations(device, load, closes = true, allocate = IoBuffer.allocate) {
  const { depth, blockBytes } = load;
  const tally = new Tally(load);
  await new Promise((resolve, reject) => {
    let left = depth;
    const iodone = (io) => {
      if (io.error !== 0 || io.transferredBytes !== blockBytes)
        return reject(new Error(`errno ${io.error} ${io.transferredBytes}`));
      if (tally.goesOn()) {
        io.offset = tally.nextOffset();
        device.strategy(io);
      } else if (--left === 0) resolve();
    };
    tally.begin();
    for (const io of makeRequests(allocate(depth * blockBytes), depth, blockBytes, iodone)) {
      io.offset = tally.nextOffset();
      device.strategy(io);
    }
  });
  if (closes) await device.close();
  return tally.perSecond;
}

function randomBuffer(lengthBytes) {
  const buffer = IoBuffer.allocate(lengthBytes);
  const CHUNK_BYTES = 2 ** 20;
  for (let offset = 0; offset < lengthBytes; offset += CHUNK_BYTES)
    randomFillSync(buffer.bytes.subarray(offset, offset + CHUNK_BYTES));
  return buffer;
}
