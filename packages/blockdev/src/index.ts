/**
 * Block devices that are asynchronous from the bottom: `strategy(io)` starts a request, `biodone(io)` says that it is done.
 *
 * {@link BlockIo} is the request, {@link BlockDevice} the device with the generic layer, {@link BlockDriver} what a driver writes;
 * {@link openNull}, {@link openMem} and {@link openFile} open the drivers that exist.
 *
 * @packageDocumentation
 */

export { attachDevice } from './attach.js';
export { type BlockTimers, threadTimers } from './batch-clock.js';
export { beginSubmit, biodone, biowait, endSubmit, pollDone } from './biodone.js';
export { BlockDevice, type BlockDeviceEvents, type BlockDeviceOptions } from './block-device.js';
export {
  type AbortVerdict,
  BLOCK_ABORT,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FAST_ONLY,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_NO_UNMAP,
  BLOCK_OPERATION_NAMES,
  BLOCK_READ,
  BLOCK_RESET,
  BLOCK_WRITE,
  BLOCK_WRITE_ZEROES,
  BlockIo,
  type BlockIoOwner,
  type BlockIoState,
  type BlockOperation,
  type ClaimToken,
  IO_DONE,
  IO_IDLE,
  IO_STARTED,
} from './block-io.js';
export { BlockClaim, type ClaimKind } from './claims.js';
export type { BlockDriver, DeviceHandle, DriverEvents } from './driver.js';
export { openConcat } from './drivers/concat.js';
export { type FileEngineName, type FileOptions, openFile, wrapDescriptor } from './drivers/file.js';
export { openMem } from './drivers/mem.js';
export { type MirrorOptions, openMirror } from './drivers/mirror.js';
export type { HalfState } from './drivers/mirror-assembly.js';
export { type HalfStatus, MirrorDevice } from './drivers/mirror-device.js';
export type { RebuildOptions } from './drivers/mirror-rebuild.js';
export { openNull } from './drivers/null.js';
export { openSlice, type SliceOptions } from './drivers/slice.js';
export { openStripe, type StripeOptions } from './drivers/stripe.js';
export { EXTENT_DATA, EXTENT_HOLE, EXTENT_ZERO, ExtentList } from './extent-list.js';
export { LatencyHistogram } from './latency-histogram.js';
export type { BlockCapabilities, BlockLimits } from './limits.js';
export type { DeviceSpec, SpecValue } from './spec.js';
export type { StackOptions } from './stack-driver.js';
export type { DeviceStatistics, OperationStatistics } from './statistics.js';
