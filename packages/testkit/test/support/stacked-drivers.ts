import {
  type BlockDevice,
  type BlockDeviceOptions,
  openChecksum,
  openConcat,
  openCrypt,
  openMirror,
  openSlice,
  openStripe,
  openThrottle,
  type StackOptions,
} from '@biodone/blockdev';

type Child = () => BlockDevice;
type Options = BlockDeviceOptions | undefined;

interface StackedDriver {
  readonly name: string;
  open(child: Child, options?: BlockDeviceOptions): BlockDevice | Promise<BlockDevice>;
  /** Whether it is removed when a device below becomes too small, instead of becoming smaller itself. @default false */
  readonly keepsSize?: boolean;
  /** Whether it keeps a picture of the data where a crash below does not reach. @default false */
  readonly caches?: boolean;
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

/** As little of everything as each of the drivers can do with. */
export const SQUEEZED: StackOptions = { piecesMax: 1, childrenMax: 1 };

/** What a throttle takes of them: it has no requests of its own to run out of. */
function withoutChildrenMax(options: StackOptions = {}): BlockDeviceOptions {
  const { childrenMax: _, ...others } = options;
  return others;
}

/** The drivers of blockdev that work on other devices. */
export const stackedDrivers: readonly StackedDriver[] = [
  { name: 'slice', open: (child, options) => openSlice(child(), { offsetBytes: 65_536, ...options }), keepsSize: true },
  { name: 'concat', open: (child, options) => openConcat([child(), child()], options), keepsSize: true },
  {
    name: 'stripe',
    open: (child, options) => openStripe([child(), child()], { stripeBytes: 8192, ...options }),
    keepsSize: true,
  },
  { name: 'mirror', open: openMirrorDevice, keepsSize: true },
  {
    name: 'crypt',
    open: (child, options) => openCrypt(child(), { key, headerless: true, ...options }),
    secret: { key: Buffer.from(key).toString('hex') },
  },
  {
    name: 'checksum',
    open: (child, options) => openChecksum(child(), { create: true, ...options }),
    keepsSize: true,
    caches: true,
  },
  { name: 'throttle', open: (child, options) => openThrottle(child(), plenty, withoutChildrenMax(options)) },
];
