import {
  type BlockDevice,
  type BlockDeviceOptions,
  openCache,
  openChecksum,
  openConcat,
  openCow,
  openCrypt,
  openMem,
  openMirror,
  openRaid,
  openSlice,
  openSnapshots,
  openStripe,
  openThrottle,
  type RaidLevel,
  type StackOptions,
} from '@biodone/blockdev';

type Child = () => BlockDevice;
type Options = BlockDeviceOptions | undefined;

interface StackedDriver {
  readonly name: string;
  open(child: Child, options?: BlockDeviceOptions): BlockDevice | Promise<BlockDevice>;
  /** Whether it is removed when a device below becomes too small, instead of becoming smaller itself. @default false */
  readonly keepsSize?: boolean;
  /** Whether it keeps the data where a crash below does not reach. @default false */
  readonly caches?: boolean;
  /** Whether what is written is gone when it is closed. @default false */
  readonly forgets?: boolean;
  /** Whether a discard may leave parts of its range as they are. @default false */
  readonly discardsInPart?: boolean;
  /** Whether it makes up for a device below that fails. @default false */
  readonly redundant?: boolean;
  /** What `openDevice` needs besides what `config()` says. */
  readonly secret?: Readonly<Record<string, string>>;
}

/** 64 different bytes: XTS wants halves that differ. */
const key = Uint8Array.from({ length: 64 }, (_, index) => index);
/** More than any test wants: what is tested is that nothing is lost or held up for ever. */
const plenty = { iops: 1e9, bytesPerSecond: 1e12 };

async function openMirrorDevice(child: Child, options: Options): Promise<BlockDevice> {
  return (await openMirror([child(), child()], { create: true, halvesAreEqual: true, ...options })).device;
}

/** The overlay is what is tested; nobody writes to the base, which is as large as the overlay lets it be. */
function openKeptCow(child: Child, options: Options): Promise<BlockDevice> {
  const overlay = child();
  const blocks = Math.floor((overlay.limits.sizeBytes ?? 0) / 4096) - 16;
  return openCow(openMem(blocks * 4096), { overlay, create: true, blockBytes: 4096, ...options });
}

async function openWithSnapshots(child: Child, options: Options): Promise<BlockDevice> {
  const device = openSnapshots(child(), { blockBytes: 4096, ...options });
  await device.snapshot();
  await device.snapshot({ maxBytes: 40_960 });
  return device;
}

/** A raid of new devices, which are all zeros. */
function openNewRaid(level: RaidLevel, count: number): StackedDriver['open'] {
  return (child, options) => {
    const devices = Array.from({ length: count }, child);
    return openRaid(devices, { create: true, assumeClean: true, level, stripeBytes: 8192, regionBytes: 65_536, ...options });
  };
}

/** As little of everything as each of the drivers can do with. */
export const SQUEEZED: StackOptions = { piecesMax: 1, childrenMax: 1 };

/** What a throttle takes of them: it has no requests of its own to run out of. */
function withoutChildrenMax(options: StackOptions = {}): BlockDeviceOptions {
  const { childrenMax: _, ...others } = options;
  return others;
}

/** Less than a test's data, so that lines are displaced. */
const WRITE_BACK = { mode: 'write-back', cacheBytes: 262_144 } as const;
const WRITE_THROUGH = { mode: 'write-through', cacheBytes: 65_536 } as const;

/** The drivers of blockdev that work on other devices. */
export const stackedDrivers: readonly StackedDriver[] = [
  { name: 'slice', open: (child, options) => openSlice(child(), { offsetBytes: 65_536, ...options }), keepsSize: true },
  { name: 'concat', open: (child, options) => openConcat([child(), child()], options), keepsSize: true },
  {
    name: 'stripe',
    open: (child, options) => openStripe([child(), child()], { stripeBytes: 8192, ...options }),
    keepsSize: true,
  },
  { name: 'mirror', open: openMirrorDevice, keepsSize: true, redundant: true },
  { name: 'raid 0', open: openNewRaid(0, 2), keepsSize: true },
  { name: 'raid 1', open: openNewRaid(1, 2), keepsSize: true, redundant: true },
  { name: 'raid 5', open: openNewRaid(5, 3), keepsSize: true, redundant: true, discardsInPart: true },
  {
    name: 'crypt',
    open: (child, options) => openCrypt(child(), { key, headerless: true, ...options }),
    secret: { key: Buffer.from(key).toString('hex') },
  },
  {
    name: 'cache, write-back',
    open: (child, options) => openCache(child(), { ...WRITE_BACK, ...options }),
    keepsSize: true,
    caches: true,
  },
  {
    name: 'cache, write-through',
    open: (child, options) => openCache(child(), { ...WRITE_THROUGH, ...options }),
    keepsSize: true,
  },
  {
    name: 'cache, with a log',
    open: (child, options) => openCache(child(), { ...WRITE_BACK, log: child(), create: true, ...options }),
    keepsSize: true,
    caches: true,
  },
  {
    name: 'cache on a device, write-back',
    open: (child, options) => openCache(child(), { ...WRITE_BACK, cacheDevice: child(), create: true, ...options }),
    keepsSize: true,
    caches: true,
  },
  {
    name: 'cache on a device, write-through',
    open: (child, options) => openCache(child(), { ...WRITE_THROUGH, cacheDevice: child(), create: true, ...options }),
    keepsSize: true,
    // What is in memory of it says what the cache device had before a crash.
    caches: true,
  },
  {
    name: 'cow, in memory',
    open: (child, options) => openCow(child(), { blockBytes: 4096, ...options }),
    keepsSize: true,
    caches: true,
    forgets: true,
  },
  { name: 'cow, over mem', open: openKeptCow, keepsSize: true },
  { name: 'snapshots, with two of them', open: openWithSnapshots, keepsSize: true },
  {
    name: 'checksum',
    open: (child, options) => openChecksum(child(), { create: true, ...options }),
    keepsSize: true,
    caches: true,
  },
  { name: 'throttle', open: (child, options) => openThrottle(child(), plenty, withoutChildrenMax(options)) },
];
