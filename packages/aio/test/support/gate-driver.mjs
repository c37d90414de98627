// A device whose requests do, in the thread that serves them, what their offset says.
import { workerData } from 'node:worker_threads';
import { BLOCK_COMPARE_AND_WRITE, BlockDevice, biodone, registerDriver } from '@biodone/blockdev';
import { KMutex } from '@biodone/sync';

/** Offsets of requests. */
export const NOTHING = 0;
/** process.exit() */
export const EXIT = 512;
/** An exception that nobody catches. */
export const THROW = 1024;
/** Takes memory until there is none. */
export const OUT_OF_MEMORY = 1536;
/** Blocks until word 0 of the gate is not 0. Counts those that have come in word 1. */
export const GATE = 2048;
/** process.exit() with the pool's lock owned. */
export const EXIT_WITH_LOCK = 2560;
/** Uses the processor for 0.1 ms. */
export const WORK = 3072;

const SIZE_BYTES = 4096;
const acts = {
  [EXIT]: () => process.exit(3),
  [THROW]: () => {
    throw new Error('thrown by a driver');
  },
  [OUT_OF_MEMORY]: () => {
    const all = [];
    for (;;) all.push(new Array(10_000).fill(all.length));
  },
  [EXIT_WITH_LOCK]: () => {
    new KMutex(workerData.memory.shared, 0).enter();
    process.exit(4);
  },
  [WORK]: () => {
    const endMs = performance.now() + 0.1;
    while (performance.now() < endMs);
  },
};

/** Compares what was given with what is to be written: there is no medium. */
function compare(io) {
  for (let index = 0; index < io.lengthBytes; index++) {
    if (io.compare.bytes[io.compareOffset + index] === io.buffer.bytes[io.bufferOffset + index]) continue;
    io.error = EILSEQ;
    io.transferredBytes = index;
    return;
  }
}

const EILSEQ = 84;

function driverOf(words) {
  const startSync = (io) => {
    if (io.offset === GATE) {
      Atomics.add(words, 1, 1);
      Atomics.notify(words, 1);
      Atomics.wait(words, 0, 0);
    }
    acts[io.offset]?.();
    io.transferredBytes = io.lengthBytes;
    if (io.operation === BLOCK_COMPARE_AND_WRITE) compare(io);
  };
  return {
    name: 'gate',
    limits: { blockSizeBytes: 1, sizeBytes: SIZE_BYTES, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'none', compareAndWrite: true },
    start: (io) => {
      startSync(io);
      biodone(io, io.error);
    },
    startSync,
    poll: () => 0,
    wait: () => 0,
    attached: (events) => {
      removeGate = events.removed;
    },
    describe: () => ({}),
    config: () => ({ driver: 'gate' }),
    handle: () => ({ driver: 'gate', words }),
    close: () => {},
  };
}

/** Makes the device that was opened last be gone. */
export let removeGate = () => {};

/** Opens one, with the words of its gate. */
export function openGate() {
  const words = new Int32Array(new SharedArrayBuffer(8));
  return { device: new BlockDevice(driverOf(words)), words };
}

registerDriver({
  name: 'gate',
  summary: 'does what offsets say',
  options: {},
  open: () => openGate().device,
  attach: (handle) => new BlockDevice(driverOf(handle.words), {}, handle),
});
