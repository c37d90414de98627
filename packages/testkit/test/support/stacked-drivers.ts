import {
  type BlockDevice,
  type BlockDeviceOptions,
  openConcat,
  openCrypt,
  openMirror,
  openSlice,
  openStripe,
  openThrottle,
} from '@biodone/blockdev';

type Child = () => BlockDevice;
type Options = BlockDeviceOptions | undefined;

/** 64 different bytes: XTS wants halves that differ. */
const key = Uint8Array.from({ length: 64 }, (_, index) => index);
/** More than any test wants: what is tested is that nothing is lost or held up for ever. */
const plenty = { iops: 1e9, bytesPerSecond: 1e12 };

async function openMirrorDevice(child: Child, options: Options): Promise<BlockDevice> {
  return (await openMirror([child(), child()], { create: true, halvesAreEqual: true, ...options })).device;
}

/** The drivers of blockdev that work on other devices, as {@link Filter} has them. */
export const stackedDrivers: readonly {
  readonly name: string;
  open(child: Child, options: Options): BlockDevice | Promise<BlockDevice>;
}[] = [
  { name: 'slice', open: (child: Child, options: Options) => openSlice(child(), { offsetBytes: 65_536, ...options }) },
  { name: 'concat', open: (child: Child, options: Options) => openConcat([child(), child()], options) },
  { name: 'stripe', open: (child: Child, options: Options) => openStripe([child(), child()], { stripeBytes: 8192, ...options }) },
  { name: 'mirror', open: openMirrorDevice },
  { name: 'crypt', open: (child: Child, options: Options) => openCrypt(child(), { key, headerless: true, ...options }) },
  { name: 'throttle', open: (child: Child, options: Options) => openThrottle(child(), plenty, options) },
];
