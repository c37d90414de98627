import {
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FLUSH,
  BLOCK_READ,
  BLOCK_WRITE,
  type BlockCapabilities,
  BlockDevice,
  type BlockIo,
  type BlockLimits,
  biodone,
  type DriverEvents,
  EXTENT_DATA,
  EXTENT_HOLE,
} from '@biodone/blockdev';

/** A device in memory whose requests end in an order that the test knows, and with the errors that it wants. */
export interface FaultDevice {
  readonly device: BlockDevice;
  readonly memory: Buffer;
  /** What the driver has started and not ended. */
  readonly started: BlockIo[];
  readonly state: { closed: number; requests: number; reads: number; writes: number; flushes: number };
  /** The errno that a request is to end with, 0 for none; and how much is moved before. Called once for each request. */
  fail: (io: BlockIo, count: number) => number;
  moved: (io: BlockIo) => number;
  /** Ends the request at this place among those that have been started. */
  complete(index: number): void;
  events(): DriverEvents;
}

export interface FaultOptions {
  /** What is there at first; it has this size. */
  memory: Buffer;
  /** Which of so many requests ends next. Without it, requests end at once, in `strategy`. */
  pick?: (count: number) => number;
  /** Whether requests end in turns of the event loop by themselves. @default true */
  running?: boolean;
  limits?: Partial<BlockLimits>;
  capabilities?: Partial<BlockCapabilities>;
}

const HOLE_BYTES = 4096;

export function openFaulty({ memory, pick, running = true, limits, capabilities }: FaultOptions): FaultDevice {
  const started: BlockIo[] = [];
  const state = { closed: 0, requests: 0, reads: 0, writes: 0, flushes: 0 };
  let events: DriverEvents | undefined;
  let armed = false;

  const run = (io: BlockIo): number => {
    state.requests += 1;
    const error = fault.fail(io, state.requests);
    const count = error === 0 ? io.lengthBytes : fault.moved(io);
    if (io.operation === BLOCK_READ) {
      state.reads += 1;
      memory.copy(io.buffer?.bytes ?? Buffer.alloc(0), io.bufferOffset, io.offset, io.offset + count);
    } else if (io.operation === BLOCK_WRITE) {
      state.writes += 1;
      memory.set(io.buffer?.bytes.subarray(io.bufferOffset, io.bufferOffset + count) ?? [], io.offset);
    } else if (io.operation === BLOCK_FLUSH) {
      state.flushes += 1;
    } else if (io.operation === BLOCK_EXTENTS) {
      tellExtents(io);
    } else if (io.operation !== BLOCK_DISCARD) {
      memory.fill(0, io.offset, io.offset + count);
    }
    io.transferredBytes = io.operation === BLOCK_FLUSH ? 0 : count;
    return error;
  };
  // Every other block of 4096 bytes is called a hole.
  const tellExtents = (io: BlockIo): void => {
    io.extents?.clear();
    const end = io.offset + io.lengthBytes;
    for (let at = io.offset; at < end; ) {
      const next = Math.min(end, at - (at % HOLE_BYTES) + HOLE_BYTES);
      io.extents?.add(at, next - at, Math.floor(at / HOLE_BYTES) % 2 === 0 ? EXTENT_DATA : EXTENT_HOLE);
      at = next;
    }
  };
  const completeOne = (): number => {
    if (started.length === 0) return 0;
    fault.complete(pick?.(started.length) ?? 0);
    return 1;
  };
  const arm = (): void => {
    if (armed || !running) return;
    armed = true;
    setImmediate(() => {
      armed = false;
      completeOne();
      if (started.length > 0) arm();
    });
  };
  const device = new BlockDevice({
    name: 'faulty',
    limits: { blockSizeBytes: 1, sizeBytes: memory.length, memoryAlignmentBytes: 1, ...limits },
    capabilities: { readOnly: false, progress: pick === undefined && running ? 'none' : 'any', ...capabilities },
    start: (io) => {
      if (pick === undefined && running) {
        biodone(io, run(io));
        return;
      }
      started.push(io);
      arm();
    },
    startSync: (io) => {
      io.error = run(io);
    },
    poll: completeOne,
    wait: () => completeOne(),
    describe: () => ({}),
    config: () => ({ driver: 'faulty' }),
    handle: () => ({ driver: 'faulty' }),
    attached: (told) => {
      events = told;
    },
    close: () => {
      state.closed += 1;
    },
  });
  const fault: FaultDevice = {
    device,
    memory,
    started,
    state,
    fail: () => 0,
    moved: () => 0,
    complete: (index) => {
      const [io] = started.splice(index, 1);
      if (io !== undefined) biodone(io, run(io));
    },
    events: () => events as DriverEvents,
  };
  return fault;
}
