import { BlockDevice, type BlockDeviceOptions, type BlockIo, biodone } from '@biodone/blockdev';
import { ECANCELED } from '@biodone/uring';

/** A device whose requests complete when the test says so. */
export interface Manual {
  readonly device: BlockDevice;
  /** What the driver has, in the order in which it came. */
  readonly started: BlockIo[];
  /** What the calling thread has run. */
  readonly ran: BlockIo[];
  /** Completes the oldest, or this one. */
  complete(io?: BlockIo, error?: number, bytes?: number): void;
  completeAll(): void;
}

export interface ManualOptions extends BlockDeviceOptions {
  /** Whether the driver can end what it has. @default false */
  abortable?: boolean;
  /** Whether polls and waits complete the oldest. @default true */
  polled?: boolean;
  /** What the driver says of writes that are stable when they complete. @default 'emulate' */
  fua?: 'none' | 'emulate' | 'native';
  /** Whether it knows BLOCK_NOWAIT. @default false */
  nowait?: boolean;
  /** Is called when the driver has been given a request. */
  onStart?: () => void;
}

export function openManual({
  abortable = false,
  polled = true,
  fua = 'emulate',
  nowait = false,
  onStart = () => {},
  ...options
}: ManualOptions = {}): Manual {
  const started: BlockIo[] = [];
  const ran: BlockIo[] = [];
  const complete = (io = started[0], error = 0, bytes = io?.lengthBytes ?? 0): void => {
    if (io === undefined) throw new Error('nothing is started');
    const index = started.indexOf(io);
    if (index < 0) throw new Error('this request is not with the driver');
    started.splice(index, 1);
    io.transferredBytes = bytes;
    biodone(io, error);
  };
  const poll = (): number => {
    if (!polled || started.length === 0) return 0;
    complete();
    return 1;
  };
  const device = new BlockDevice(
    {
      name: 'manual',
      limits: { blockSizeBytes: 1, sizeBytes: 2 ** 40, memoryAlignmentBytes: 1 },
      capabilities: { readOnly: false, progress: 'any', discard: true, extents: true, fua, nowait },
      start: (io) => {
        started.push(io);
        onStart();
      },
      startSync: (io) => {
        io.transferredBytes = io.lengthBytes;
        ran.push(io);
      },
      abort: (io) => {
        if (!abortable || !started.includes(io)) return 'in-progress';
        complete(io, ECANCELED, 0);
        return 'cancelled';
      },
      poll,
      wait: poll,
      describe: () => ({}),
      config: () => ({ driver: 'manual' }),
      handle: () => ({ driver: 'null' }),
      close: () => {},
    },
    options,
  );
  const completeAll = (): void => {
    while (started.length > 0) complete();
  };
  return { device, started, ran, complete, completeAll };
}
