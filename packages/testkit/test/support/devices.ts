import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BlockDevice, type BlockDeviceOptions, openFile, openMem, openNull } from '@biodone/blockdev';
import {
  type ManualDevice,
  type ManualOptions,
  openCrash,
  openFault,
  openLogWrites,
  openManual,
  openVerify,
} from '@biodone/testkit';
import { probe } from '@biodone/uring';
import { afterAll, afterEach } from 'vitest';
import { SQUEEZED, stackedDrivers } from './stacked-drivers.js';

/** How large the devices at the bottom are. */
export const SIZE_BYTES: number = 2 ** 20;

/** A device that needs none under it. */
export interface Leaf {
  readonly name: string;
  open(options?: BlockDeviceOptions): BlockDevice;
  readonly keepsData?: boolean;
  readonly remove?: (device: BlockDevice) => void;
  readonly resize?: (device: BlockDevice, sizeBytes: number) => void;
  /** Whether what it holds is there after it was closed, for `openDevice` to open again. @default false */
  readonly persists?: boolean;
  /** What the devices over it are opened with. */
  readonly above?: BlockDeviceOptions;
}

/** A device over others. It opens as many as it wants to with `child`. */
export interface Filter {
  readonly name: string;
  open(child: () => BlockDevice, options?: BlockDeviceOptions): BlockDevice | Promise<BlockDevice>;
  /** Whether it makes up for what fails below, as a mirror does. @default false */
  readonly redundant?: boolean;
  /** Whether it keeps the data, or a picture of it, where a crash below does not reach. @default false */
  readonly caches?: boolean;
  /** Whether it is removed when a device below becomes too small, instead of becoming smaller itself. @default false */
  readonly keepsSize?: boolean;
  /** Whether what is written is gone when it is closed. @default false */
  readonly forgets?: boolean;
  /** Whether a discard may leave parts of its range as they are. @default false */
  readonly discardsInPart?: boolean;
  /** What `openDevice` needs besides what `config()` says; undefined for a filter that it does not know. */
  readonly secret?: Readonly<Record<string, string>>;
}

const folder = mkdtempSync(join(tmpdir(), 'biodone-testkit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const made: string[] = [];
// All files of thousands of tests would fill the disk, and be written to it.
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { force: true });
});

/** A new file of zeros, for one test. */
export function newFile(): string {
  files += 1;
  const path = join(folder, `device-${files}`);
  made.push(path);
  writeFileSync(path, '');
  truncateSync(path, SIZE_BYTES);
  return path;
}

const { available, reason } = probe();
if (!available) console.warn(`files with io_uring are not tested: ${reason}`);

/** Where a driver has all the limits that there are, and one request at a time. */
const TIGHT = {
  blockSizeBytes: 1,
  transferUnitBytes: 64,
  maxTransferBytes: 4096,
  boundaryBytes: 12_288,
  maxDiscardBytes: 10_000,
  maxZeroesBytes: 5000,
  maxInFlight: 1,
} as const;

/** One line a driver: whoever writes one adds it here. */
export const leaves: readonly Leaf[] = [
  { name: 'null', open: (options) => openNull(SIZE_BYTES, options), keepsData: false },
  { name: 'mem', open: (options) => openMem(SIZE_BYTES, options) },
  { name: 'manual', open: (options) => openBackwards({ ...options }), remove: takeAway, resize: changeSize },
  {
    name: 'manual of 512-byte blocks',
    open: (options) => openBackwards({ limits: { blockSizeBytes: 512, memoryAlignmentBytes: 512 }, ...options }),
  },
  {
    name: 'manual with every limit',
    open: (options) => openBackwards({ limits: TIGHT, capabilities: { zeroes: 'fast', discard: true }, ...options }),
  },
  {
    name: 'manual of one request and one piece at a time',
    open: (options) => openBackwards({ limits: { maxInFlight: 1, maxTransferBytes: 8192 }, piecesMax: 1, ...options }),
    above: SQUEEZED,
    remove: takeAway,
    resize: changeSize,
  },
  { name: 'file by blocking calls', open: (options) => openFile(newFile(), { engine: 'sync', ...options }), persists: true },
  { name: 'file by fs', open: (options) => openFile(newFile(), { engine: 'fs', ...options }), persists: true },
  ...(available
    ? [
        {
          name: 'file by io_uring',
          open: (options?: BlockDeviceOptions) => openFile(newFile(), { engine: 'uring', ...options }),
          persists: true,
        },
        {
          name: 'file by io_uring, O_DIRECT',
          open: (options?: BlockDeviceOptions) => openFile(newFile(), { engine: 'uring', direct: true, ...options }),
          persists: true,
        },
      ]
    : []),
];

/**
 * One line a driver, here too: it is tested over each leaf and over each filter over mem, with each n-th I/O below failing, and for what a
 * crash below leaves.
 */
export const filters: readonly Filter[] = [
  { name: 'fault', open: (child, options) => openFault(child(), options) },
  { name: 'verify', open: (child, options) => openVerify(child(), options), caches: true },
  { name: 'log-writes', open: (child, options) => openLogWrites(child(), options) },
  { name: 'crash', open: (child, options) => openCrash(child(), options), caches: true },
  {
    name: 'crash, BLOCK_FUA emulated',
    open: (child, options) => openCrash(child(), { fua: 'emulate', ...options }),
    caches: true,
  },
  ...stackedDrivers.map((filter) => ({ secret: {}, ...filter })),
];

/** A manual device that completes by itself in a later turn of the event loop, the newest first: nothing may rely on the order. */
function openBackwards(options: ManualOptions): ManualDevice {
  let scheduled = false;
  const completeAll = (): void => {
    scheduled = false;
    for (const io of [...device.started].reverse()) if (device.started.includes(io)) device.complete(io);
  };
  const onStarted = (): void => {
    if (!scheduled) setImmediate(completeAll);
    scheduled = true;
  };
  const device = openManual(SIZE_BYTES, { ...options, onStarted });
  return device;
}

function takeAway(device: BlockDevice): void {
  (device as ManualDevice).remove();
}

function changeSize(device: BlockDevice, sizeBytes: number): void {
  (device as ManualDevice).resize(sizeBytes);
}
