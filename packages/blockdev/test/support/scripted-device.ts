import {
  type AbortVerdict,
  BLOCK_FLUSH,
  BLOCK_OPERATION_NAMES,
  BLOCK_READ,
  BLOCK_WRITE_ZEROES,
  type BlockCapabilities,
  BlockDevice,
  type BlockDeviceOptions,
  type BlockDriver,
  type BlockIo,
  type BlockLimits,
  biodone,
  type DriverEvents,
} from '@biodone/blockdev';
import { ECANCELED, IoBuffer } from '@biodone/uring';

/** What differs from a device of 64 KiB with blocks of 1 byte, whose requests stay until the test ends them. */
export interface Script {
  readonly limits?: Partial<BlockLimits>;
  readonly capabilities?: Partial<BlockCapabilities>;
  readonly options?: BlockDeviceOptions;
  /** Ends each request inside `start`, with this error. */
  readonly answer?: (io: BlockIo) => number;
  /** Whether requests that are started can be cancelled. */
  readonly abortable?: boolean;
}

/** A device over memory whose driver does what the test says, and writes down what it is asked for. */
export class Scripted {
  readonly device: BlockDevice;
  readonly driver: BlockDriver;
  readonly memory: IoBuffer;
  /** With the driver, in the order in which they came. */
  readonly started: BlockIo[] = [];
  /** All that ever came, as `write 0+512 flags 1`. */
  readonly log: string[] = [];
  events: DriverEvents | null = null;
  answer: ((io: BlockIo) => number) | undefined;

  constructor({ limits = {}, capabilities = {}, options = {}, answer, abortable = false }: Script = {}) {
    const sizeBytes = limits.sizeBytes ?? 65536;
    this.answer = answer;
    this.memory = IoBuffer.allocate(sizeBytes);
    this.driver = {
      name: 'scripted',
      limits: { blockSizeBytes: 1, memoryAlignmentBytes: 1, ...limits, sizeBytes },
      capabilities: { readOnly: false, progress: 'any', ...capabilities },
      start: (io) => this.#start(io),
      startSync: (io) => {
        this.#note(io);
        io.error = this.answer?.(io) ?? 0;
        if (io.error === 0) this.#transfer(io);
      },
      ...(abortable ? { abort: (io: BlockIo) => this.#abort(io) } : {}),
      poll: () => 0,
      wait: () => 0,
      describe: () => ({}),
      config: () => ({ driver: 'scripted' }),
      handle: () => ({ driver: 'null', sizeBytes }),
      attached: (events) => {
        this.events = events;
      },
      close: () => {},
    };
    this.device = new BlockDevice(this.driver, options);
  }

  /** Ends one of those that are started; without an error its bytes are moved. */
  end(io: BlockIo | undefined, error = 0): void {
    const index = this.started.indexOf(io as BlockIo);
    if (io === undefined || index < 0) throw new Error('the driver does not have this request');
    this.started.splice(index, 1);
    if (error === 0) this.#transfer(io);
    biodone(io, error);
  }

  /** Ends what is there, and what comes because of that, until nothing is left. */
  async endAll(error = 0): Promise<void> {
    for (await turn(); this.started.length > 0; await turn()) this.end(this.started[0], error);
  }

  #abort(io: BlockIo): AbortVerdict {
    this.end(io, ECANCELED);
    return 'cancelled';
  }

  #start(io: BlockIo): void {
    this.#note(io);
    this.started.push(io);
    if (this.answer !== undefined) this.end(io, this.answer(io));
  }

  #note({ operation, offset, lengthBytes, flags }: BlockIo): void {
    const range = operation === BLOCK_FLUSH ? '' : ` ${offset}+${lengthBytes}`;
    this.log.push(`${BLOCK_OPERATION_NAMES[operation]}${range}${flags === 0 ? '' : ` flags ${flags}`}`);
  }

  #transfer(io: BlockIo): void {
    const { operation, offset, lengthBytes } = io;
    if (operation === BLOCK_FLUSH) return;
    if (operation === BLOCK_READ) IoBuffer.copy(io.buffer as IoBuffer, io.bufferOffset, this.memory, offset, lengthBytes);
    else if (operation === BLOCK_WRITE_ZEROES) this.memory.bytes.fill(0, offset, offset + lengthBytes);
    else if (io.buffer !== null) IoBuffer.copy(this.memory, offset, io.buffer, io.bufferOffset, lengthBytes);
    io.transferredBytes = lengthBytes;
  }
}

/** Lets what has been put off to a microtask, or to a turn of the event loop, run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
