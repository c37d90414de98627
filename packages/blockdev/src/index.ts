/**
 * Block devices that are asynchronous from the bottom: `strategy(io)` starts a request, `biodone(io)` says that it is done.
 *
 * - {@link BlockIo} is the request. {@link BlockDevice} is the device: the generic layer over a driver. It checks, splits and aligns requests,
 *   does what the driver cannot, and counts. {@link biowait} and `BlockDevice.poll` are for threads that do not return to their event loop.
 * - {@link openFile}, {@link openMem} and {@link openNull} open devices at the bottom of a stack; {@link openSlice}, {@link openConcat},
 *   {@link openStripe}, {@link openMirror}, {@link openRaid}, {@link openCrypt}, {@link openChecksum}, {@link openCache}, {@link openCow},
 *   {@link openSnapshots} and {@link openThrottle} put devices on others, which they claim and, unless told
 *   otherwise, close with themselves.
 * - {@link openPartition}, {@link openQcow2} and {@link openVhd} open what tables and images on a device say.
 * - {@link openDevice} opens any stack by its name, a text or JSON; {@link registerDriver} gives a driver of others a name.
 * - {@link attachDevice} makes another thread's channel of an open device, from its `handle()`.
 * - {@link BlockDriver} is what a driver writes, and {@link biodone} how it completes a request: once, with 0 or a positive errno.
 *
 * Failed I/O is an errno in the request, never an exception; mistakes of a programmer throw at once, with a `code`. A device object belongs to the
 * thread that made it. Bytes are counted as numbers, and times in milliseconds or microseconds, as the names say.
 *
 * @packageDocumentation
 */

export { attachDevice } from './attach.js';
export { type BatchClock, type BlockTimers, COARSE_MS, clockOf, threadTimers } from './batch-clock.js';
export { beginSubmit, biodone, biowait, endSubmit, pollDone, putOff } from './biodone.js';
export { BlockDevice, type BlockDeviceEvents, type BlockDeviceOptions } from './block-device.js';
export {
  type AbortVerdict,
  BLOCK_ABORT,
  BLOCK_ATOMIC,
  BLOCK_COMPARE_AND_WRITE,
  BLOCK_DISCARD,
  BLOCK_EXTENTS,
  BLOCK_FAST_ONLY,
  BLOCK_FLUSH,
  BLOCK_FUA,
  BLOCK_NO_UNMAP,
  BLOCK_NOWAIT,
  BLOCK_OPERATION_NAMES,
  BLOCK_READ,
  BLOCK_RESET,
  BLOCK_SYNC,
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
export type { DeviceHolder } from './device-holder.js';
export type { BlockDriver, DeviceHandle, DriverEvents } from './driver.js';
export {
  type DriverDefinition,
  type DriverOption,
  type DriverOptions,
  defineDriver,
  type OpenContext,
  type OptionType,
  type OptionValues,
} from './driver-definition.js';
export { isKnownEverywhere, registerDriver, registeredDrivers } from './driver-registry.js';
export { CacheDevice, type CacheOptions, openCache } from './drivers/cache.js';
export type { CacheCounters, CacheStatistics } from './drivers/cache-state.js';
export { type ChecksumOptions, openChecksum } from './drivers/checksum.js';
export { type BadBlock, type BadBlockCause, type ScrubOptions, type ScrubResult, scrub } from './drivers/checksum-scrub.js';
export { openConcat } from './drivers/concat.js';
export { CowDevice, type CowOptions, openCow } from './drivers/cow.js';
export { type CryptOptions, openCrypt } from './drivers/crypt.js';
export type { ScryptCost } from './drivers/crypt-header.js';
export type { CryptSecret } from './drivers/crypt-secret.js';
export { changePassphrase, type FormatCryptOptions, formatCrypt } from './drivers/crypt-volume.js';
export { type FileEngineName, type FileOptions, openFile, wrapDescriptor } from './drivers/file.js';
export { type MemOptions, openMem } from './drivers/mem.js';
export { type MirrorOptions, openMirror } from './drivers/mirror.js';
export type { HalfState } from './drivers/mirror-assembly.js';
export { type HalfStatus, MirrorDevice, mirrorOf } from './drivers/mirror-device.js';
export type { RebuildOptions } from './drivers/mirror-rebuild.js';
export { openNull } from './drivers/null.js';
export type { Partition, PartitionTable } from './drivers/partition-table.js';
export {
  type OpenPartitionOptions,
  openPartition,
  type PartitionOptions,
  readPartitions,
  repairPartitions,
} from './drivers/partitions.js';
export { openQcow2, type Qcow2Options } from './drivers/qcow2.js';
export { openRaid, type RaidOptions } from './drivers/raid.js';
export { RaidDevice, raidOf } from './drivers/raid-device.js';
export type { RaidLevel } from './drivers/raid-geometry.js';
export { ParityMemory } from './drivers/raid-parity.js';
export type { RaidComponentStatus } from './drivers/raid-report.js';
export type { RaidScrubResult } from './drivers/raid-scrub.js';
export type { RaidWalkOptions } from './drivers/raid-walk.js';
export { openSlice, type SliceOptions } from './drivers/slice.js';
export {
  openSnapshots,
  SnapshotDevice,
  type SnapshotOptions,
  SnapshotsDevice,
  type SnapshotsOptions,
} from './drivers/snapshots.js';
export { openStripe, type StripeOptions } from './drivers/stripe.js';
export { openThrottle, ThrottleDevice, type ThrottleOptions } from './drivers/throttle.js';
export type { ThrottleLimits } from './drivers/throttle-limits.js';
export { openVhd, type VhdOptions } from './drivers/vhd.js';
export { EXTENT_DATA, EXTENT_HOLE, EXTENT_ZERO, ExtentList } from './extent-list.js';
export { LatencyHistogram } from './latency-histogram.js';
export type { BlockCapabilities, BlockLimits } from './limits.js';
export { nearestName } from './nearest-name.js';
export { openDevice } from './open.js';
export type { DeviceSpec, SpecValue } from './spec.js';
export { SpecError } from './spec-error.js';
export { formatSpec } from './spec-format.js';
export { parseSpec } from './spec-parser.js';
export type { StackOptions } from './stack-driver.js';
export { Counters as RequestCounters, type DeviceStatistics, type OperationStatistics } from './statistics.js';
