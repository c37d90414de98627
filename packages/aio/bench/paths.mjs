import { BlockDevice, biodone, IO_STARTED } from '@biodone/blockdev';

/** How long a request takes on a path that is in order: a part for each, and a part for each 4 KiB. */
const REQUEST_US = 100;
const BLOCK_US = 25;
const BLOCK_BYTES = 4096;

/**
 * Several paths to one device, of which the first is so many times slower than the others. They do nothing but take their time, in parallel for all
 * requests that they have, and look at the clock in each turn of the event loop: so a path takes no processor from the others, as long as
 * requests are few for that, and what is measured is where the requests go.
 */
export class SlowPaths {
  devices;
  #pending = [];
  #pumping = false;

  constructor(count, slownessOfFirst) {
    this.devices = Array.from({ length: count }, (_, index) => this.#open(index === 0 ? slownessOfFirst : 1));
  }

  async close() {
    for (const device of this.devices) await device.close();
  }

  #open(slowness) {
    return new BlockDevice({
      name: 'path',
      limits: { blockSizeBytes: 1, sizeBytes: 2 ** 40, memoryAlignmentBytes: 1 },
      capabilities: { readOnly: false, progress: 'event-loop' },
      start: (io) => this.#start(io, slowness),
      startSync: () => {},
      poll: () => 0,
      wait: () => 0,
      describe: () => ({}),
      config: () => ({ driver: 'path' }),
      handle: () => ({ driver: 'path' }),
      close: () => {},
    });
  }

  #start(io, slowness) {
    const tookUs = (REQUEST_US + (io.lengthBytes / BLOCK_BYTES) * BLOCK_US) * slowness;
    this.#pending.push({ io, dueMs: performance.now() + tookUs / 1000 });
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => this.#pump());
  }

  #pump() {
    const nowMs = performance.now();
    const due = this.#pending.filter(({ dueMs }) => dueMs <= nowMs);
    if (due.length > 0) this.#pending = this.#pending.filter(({ dueMs }) => dueMs > nowMs);
    for (const { io } of due) {
      if (io.state !== IO_STARTED) throw new Error('a request was completed twice');
      io.transferredBytes = io.lengthBytes;
      biodone(io, 0);
    }
    this.#pumping = this.#pending.length > 0;
    if (this.#pumping) setImmediate(() => this.#pump());
  }
}
