// A device that does nothing, and says how much memory the threads that serve it use.
import { Worker } from 'node:worker_threads';
import { BlockDevice, biodone, registerDriver } from '@biodone/blockdev';

/** How many requests come between two looks: each makes an object. */
const LOOK_EACH = 10_000;
/** By device: of each thread, how much it uses, by its last look. */
const heaps = [];

function driverOf(heap, channel) {
  let requests = 0;
  const startSync = (io) => {
    io.transferredBytes = io.lengthBytes;
    requests += 1;
    if (channel >= 0 && requests % LOOK_EACH === 0) heap[channel] = process.memoryUsage().heapUsed;
  };
  return {
    name: 'counting',
    limits: { blockSizeBytes: 1, sizeBytes: 2 ** 30, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'any' },
    start: (io) => {
      startSync(io);
      biodone(io, 0);
    },
    startSync,
    poll: () => 0,
    wait: () => 0,
    describe: () => ({}),
    config: () => ({ driver: 'counting' }),
    handle: () => ({ driver: 'counting', heap }),
    close: () => {},
  };
}

export function openCounting() {
  // The first counts the channels.
  const heap = new Float64Array(new SharedArrayBuffer(8 * 64));
  heaps.push(heap);
  return new BlockDevice(driverOf(heap, -1));
}

/** The memory that all threads together use. */
export function heapOfThreads() {
  let sum = 0;
  for (const heap of heaps) for (let channel = 1; channel < heap.length; channel++) sum += heap[channel];
  return sum;
}

/** Starts a service thread whose young objects are not collected meanwhile. */
export function spawnCounting(workerData, name) {
  const script = new URL('./counting-worker.mjs', import.meta.url);
  return new Worker(script, { workerData, name, execArgv: [], resourceLimits: { maxYoungGenerationSizeMb: 384 } });
}

registerDriver({
  name: 'counting',
  summary: 'does nothing, and counts',
  options: {},
  open: openCounting,
  attach: (handle) => {
    const { heap } = handle;
    heap[0] += 1;
    return new BlockDevice(driverOf(heap, heap[0]), {}, handle);
  },
});
