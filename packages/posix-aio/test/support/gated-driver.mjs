// A device whose requests block the service thread that does them until somebody opens its gate.
import { BlockDevice, biodone, registerDriver } from '@biodone/blockdev';

/** Of a gate's words: 0 while it is closed, and how many have come to it. */
const OPEN = 0;
const COME = 1;

function deviceOf(words) {
  const startSync = (io) => {
    Atomics.add(words, COME, 1);
    Atomics.notify(words, COME);
    Atomics.wait(words, OPEN, 0);
    io.transferredBytes = io.lengthBytes;
  };
  return new BlockDevice({
    name: 'gated',
    limits: { blockSizeBytes: 1, sizeBytes: 4096, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'none' },
    start: (io) => {
      startSync(io);
      biodone(io, 0);
    },
    startSync,
    poll: () => 0,
    wait: () => 0,
    describe: () => ({}),
    config: () => ({ driver: 'gated' }),
    handle: () => ({ driver: 'gated', words }),
    close: () => {},
  });
}

/** Opens one. `awaitComing` blocks until a request is at the gate. */
export function openGated() {
  const words = new Int32Array(new SharedArrayBuffer(8));
  return {
    device: deviceOf(words),
    awaitComing: () => void Atomics.wait(words, COME, 0),
    openGate: () => {
      Atomics.store(words, OPEN, 1);
      Atomics.notify(words, OPEN);
    },
  };
}

registerDriver({
  name: 'gated',
  summary: 'blocks until its gate is opened',
  options: {},
  open: () => openGated().device,
  attach: ({ words }) => deviceOf(words),
});
