// A device that does nothing with its requests but to end them when it is asked to, and blocks in between until word 0 is set.
import { BlockDevice, biodone, registerDriver } from '@biodone/blockdev';

const ECANCELED = 125;

function driverOf(words) {
  return {
    name: 'abort',
    limits: { blockSizeBytes: 512, sizeBytes: 4096, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'any' },
    start: () => {
      // Word 1 counts those that have come.
      Atomics.add(words, 1, 1);
    },
    startSync: () => {},
    abort: (io) => {
      biodone(io, ECANCELED);
      return 'cancelled';
    },
    poll: () => 0,
    wait: () => {
      Atomics.wait(words, 0, 0);
      Atomics.store(words, 0, 0);
      return 0;
    },
    describe: () => ({}),
    config: () => ({ driver: 'abort' }),
    handle: () => ({ driver: 'abort', words }),
    close: () => {},
  };
}

/** Opens one, with its words. */
export function openAbortable() {
  const words = new Int32Array(new SharedArrayBuffer(8));
  return { device: new BlockDevice(driverOf(words)), words };
}

registerDriver({
  name: 'abort',
  summary: 'ends requests when it is asked to',
  options: {},
  open: () => openAbortable().device,
  attach: (handle) => new BlockDevice(driverOf(handle.words), {}, handle),
});
