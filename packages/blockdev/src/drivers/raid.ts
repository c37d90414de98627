import { EINVAL, EROFS, IoBuffer, SystemError } from '@biodone/uring';
import type { BlockDevice, BlockDeviceOptions } from '../block-device.js';
import { BLOCK_READ, BlockIo } from '../block-io.js';
import { checkDeviceList, checkOptions, type OptionKinds, STACK_OPTIONS } from '../check-options.js';
import { ENODEV } from '../errno.js';
import { checkInteger } from '../errors.js';
import { checkDevices, claimToWrite, closeAll, commonLimits, StackChildren, sizeOfChild } from '../stack-children.js';
import { assembleRaid, type FoundDevice, type RaidAssembly } from './raid-assembly.js';
import { eachDirty } from './raid-bitmap-block.js';
import { createAssembly, makeParityRight } from './raid-create.js';
import { RaidDevice } from './raid-device.js';
import { RaidGeometry, type RaidLevel } from './raid-geometry.js';
import {
  BITMAP_BYTES,
  bitmapOffset,
  COMPONENT_GOOD,
  COMPONENT_REBUILDING,
  decodeLabel,
  encodeLabel,
  LABEL_BYTES,
  labelOffset,
  type RaidLabel,
} from './raid-label.js';
import { RaidSlot } from './raid-member.js';
import { NO_SLOT, RaidSet } from './raid-set.js';
import { writeSpareLabel, writeStable } from './raid-stable.js';
import { RaidState, REGION_CLEAN, REGION_MARKED } from './raid-state.js';
import { openLevel0 } from './raid-striped.js';

/** Options of {@link openRaid}. */
export interface RaidOptions extends BlockDeviceOptions {
  /** With `create`: the level. Otherwise the labels say it, and this has to be the same. @default 5 */
  level?: RaidLevel;
  /**
   * With `create`: how much lies on one component before the next one follows, a multiple of 512 and of the largest block size; at most 4 MiB on
   * levels 1 and 5, of which each row that is being written takes as much memory. Otherwise the labels say it, and this has to be the same.
   * @default 65536
   */
  stripeBytes?: number;
  /** Devices that take the place of components that fail, one after the other, by themselves. One without a label becomes one. @default [] */
  spares?: readonly BlockDevice[];
  /** Makes a new array of devices that belong to none. What was on them is lost. @default false */
  create?: boolean;
  /**
   * Says, of a new array, that its parity is right already, as it is if the devices are all zeros. Otherwise they are made so, at once where all of them
   * can do that, and else by a resync.
   * @default false
   */
  assumeClean?: boolean;
  /**
   * Goes on without a component that is missing, or stale, and was good when the labels were last written. The labels stay as they are until
   * the first write, so that looking does no harm.
   * @default false
   */
  degraded?: boolean;
  /**
   * Opens what is otherwise refused: without a component, although the power failed in the middle of writes, so that what it had of them cannot be
   * told from garbage; and with a stale one where there are not enough others. With `create`: although devices belong to an array.
   * @default false
   */
  force?: boolean;
  /** With `create`: how much of each component one bit of the bitmap stands for, at least. @default 16777216 */
  regionBytes?: number;
  /** After how many milliseconds without a write a region's bit is cleared, about. @default 5000 */
  bitmapDelayMs?: number;
  /** Whether spares are taken, and rebuilds and resyncs begun, without being asked. @default true */
  autoRebuild?: boolean;
  /** How much of each component those do in a second at most. @default Infinity */
  rebuildBytesPerSecond?: number;
  /** Whether closing the raid closes its devices. @default true */
  closeChildren?: boolean;
  /** How many requests are under way at a time; the others wait in line. @default 1024 */
  childrenMax?: number;
}

/**
 * Several devices as one, BSD's raid(4): level 0, striped, with no redundancy; level 1, two copies; level 5, striped with rotating parity, so that
 * any one component may fail. See docs/raid.md for what it promises and what it costs.
 *
 * The components have labels, so that they may be given in any order, and one that has missed something is refused by its name. What was being
 * written when the power failed is found by a bitmap, and its parity made anew. The devices are claimed.
 *
 * A whole row of level 5 that one request writes from memory that WebAssembly sees (`IoBuffer.inWebAssembly`) is not copied: who changes that memory before
 * the write is done leaves a row whose parity is wrong. All other memory is copied, and parity goes with what is written whatever becomes of it.
 *
 * @param devices the components; null where one is missing
 * @returns the array's block device; {@link raidOf} gives its {@link RaidDevice}
 * @throws TypeError ERR_INVALID_ARG_VALUE for too few or too many devices, or the same one twice; RangeError ERR_OUT_OF_RANGE; SystemError EINVAL for
 * devices that grow, are too small, belong to another array or (without `create`) to none, EEXIST if they belong to one and EROFS for one that is open for
 * reading alone (with `create`), EBUSY if
 * somebody has claimed one, or two are the same component, ENODEV if a component is missing or stale, see `degraded` and `force`
 *
 * @example
 * ```js
 * import { openMem, openRaid, raidOf } from '@biodone/blockdev';
 *
 * const disks = Array.from({ length: 4 }, () => openMem(2 ** 20));
 * const device = await openRaid(disks.slice(0, 3), { create: true, level: 5, spares: [disks[3]] });
 * const raid = raidOf(device);
 * console.log(device.limits.sizeBytes, raid.state); // 1966080 optimal
 * raid.fail(0);
 * await raid.settled();
 * console.log(raid.state, raid.components()[0].device === disks[3]); // optimal true
 * await device.close();
 * ```
 */
export async function openRaid(devices: readonly (BlockDevice | null)[], options: RaidOptions = {}): Promise<BlockDevice> {
  checkDeviceList(devices, 'raid', true);
  checkOptions('openRaid', options, RAID_OPTIONS);
  const { spares = [], create = false } = options;
  checkDeviceList(spares, 'raid');
  checkInteger('childrenMax', options.childrenMax ?? 1024, 1, 65536);
  checkInteger('bitmapDelayMs', options.bitmapDelayMs ?? 5000, 1, 2 ** 31 - 1);
  const { rebuildBytesPerSecond = Number.POSITIVE_INFINITY } = options;
  if (rebuildBytesPerSecond !== Number.POSITIVE_INFINITY) checkInteger('rebuildBytesPerSecond', rebuildBytesPerSecond, 1);
  const present = devices.filter((device) => device !== null);
  const all = [...present, ...spares];
  checkDevices(all, 1, 'raid');
  for (const [index, device] of all.entries()) {
    checkRoom(device, nameOf(device, index));
    if (create && device.capabilities.readOnly)
      throw new SystemError(
        EROFS,
        'raid',
        undefined,
        `${nameOf(device, index)} is open for reading alone: a new array writes to all`,
      );
  }
  const children = new StackChildren(all, claimToWrite);
  try {
    const found = await Promise.all(all.map((device, slot) => find(device, slot, children, slot >= present.length)));
    const assembly = create ? createAssembly(devices, found, options) : assembleRaid(found, withDefaults(options));
    const { label } = assembly;
    checkAsked(label, options);
    if (label.level === 0) return await openLabelled(all, children, assembly, options);
    return await openParity(all, children, assembly, options);
  } catch (error) {
    children.release();
    throw error;
  }
}

const RAID_OPTIONS: OptionKinds = {
  ...STACK_OPTIONS,
  level: 'number',
  stripeBytes: 'number',
  spares: 'object',
  create: 'boolean',
  assumeClean: 'boolean',
  degraded: 'boolean',
  force: 'boolean',
  regionBytes: 'number',
  bitmapDelayMs: 'number',
  autoRebuild: 'boolean',
  rebuildBytesPerSecond: 'number',
};

function withDefaults({ degraded = false, force = false }: RaidOptions): { degraded: boolean; force: boolean } {
  return { degraded, force };
}

/** What messages call a device. */
function nameOf(device: BlockDevice, index: number): string {
  const { driver, path } = device.describe();
  return `device ${index} (${String(driver)}${typeof path === 'string' ? ` ${path}` : ''})`;
}

function checkRoom(device: BlockDevice, name: string): void {
  const size = sizeOfChild(device, 'raid');
  const { blockSizeBytes } = device.limits;
  if (LABEL_BYTES % blockSizeBytes !== 0) throw invalid(`${name} has blocks of ${blockSizeBytes} bytes, too large for a label`);
  if (bitmapOffset(size) <= 0) {
    throw invalid(`${name} is too small: a component takes ${LABEL_BYTES + BITMAP_BYTES} bytes for its label and bitmap alone`);
  }
}

/** What stands at the end of a device. What cannot be read is no label. */
async function find(device: BlockDevice, slot: number, children: StackChildren, isSpare: boolean): Promise<FoundDevice> {
  const block = await readBlock(device, children, slot, labelOffset(sizeOfChild(device, 'raid')), LABEL_BYTES);
  return { slot, label: block === null ? null : decodeLabel(block.bytes), name: nameOf(device, slot), isSpare };
}

async function readBlock(
  device: BlockDevice,
  children: StackChildren,
  slot: number,
  offset: number,
  lengthBytes: number,
): Promise<IoBuffer | null> {
  const io = new BlockIo();
  io.operation = BLOCK_READ;
  io.buffer = IoBuffer.allocate(lengthBytes);
  io.offset = offset;
  io.lengthBytes = lengthBytes;
  io.claim = children.claim(slot);
  await new Promise<void>((resolve) => {
    io.iodone = () => resolve();
    device.strategy(io);
  });
  return io.error === 0 && io.transferredBytes === lengthBytes ? io.buffer : null;
}

/** What was asked for has to be what the labels say. */
function checkAsked(label: RaidLabel, { level, stripeBytes }: RaidOptions): void {
  if (level !== undefined && level !== label.level) throw invalid(`the array is one of level ${label.level}, not ${level}`);
  if (stripeBytes !== undefined && stripeBytes !== label.stripeBytes) {
    throw invalid(`the array has stripes of ${label.stripeBytes} bytes, not ${stripeBytes}`);
  }
}

async function openLabelled(
  all: readonly BlockDevice[],
  children: StackChildren,
  { label, components, spares }: RaidAssembly,
  options: RaidOptions,
): Promise<BlockDevice> {
  if (spares.length > 0) throw invalid('level 0 has no use for spares: nothing can be rebuilt');
  const state = new RaidState(1);
  const geometry = geometryOf(label, all);
  const slots = all.map((device, slot) => new RaidSlot(slot, device, children.claim(slot), device.limits.sizeBytes ?? 0));
  const identity = { uuid: label.uuid, regionRows: label.rows, readOnly: false };
  const set = new RaidSet(geometry, identity, state, slots);
  const ordered = components.map(({ slot }) => all[slot ?? 0] as BlockDevice);
  if (label.generation === 0) {
    for (const [role, { slot }] of components.entries()) {
      const block = IoBuffer.allocate(LABEL_BYTES);
      encodeLabel({ ...label, role, generation: 1 }, block.bytes);
      const error = await new Promise<number>((resolve) =>
        writeStable(set, slots[slot ?? 0] as RaidSlot, slots[slot ?? 0]?.labelOffset ?? 0, block, resolve),
      );
      if (error !== 0) throw new SystemError(error, 'raid', undefined, 'a label could not be written');
    }
  }
  state.leave();
  children.release();
  return openLevel0(ordered, label.stripeBytes, label.rows * label.stripeBytes, options);
}

async function openParity(
  all: readonly BlockDevice[],
  children: StackChildren,
  assembly: RaidAssembly,
  options: RaidOptions,
): Promise<BlockDevice> {
  const { label, components, spares } = assembly;
  const readOnly = all.some(({ capabilities }) => capabilities.readOnly);
  for (const slot of spares) checkSpare(all[slot] as BlockDevice, slot, label);
  const state = new RaidState(Math.ceil(label.rows / label.regionRows));
  const slots = all.map((device, slot) => new RaidSlot(slot, device, children.claim(slot), device.limits.sizeBytes ?? 0));
  for (const [index, component] of components.entries()) {
    state.setSlot(index, component.slot ?? NO_SLOT);
    state.setRows(index, component.rebuiltRows);
    state.setStableRows(index, component.rebuiltRows);
    state.setState(index, component.state);
  }
  state.setGeneration(label.generation);
  state.setSaved(state.version);
  const set = new RaidSet(geometryOf(label, all), { uuid: label.uuid, regionRows: label.regionRows, readOnly }, state, slots);
  for (const member of set.members) member.reason = components[member.index]?.reason ?? null;
  const isNew = label.generation === 0;
  if (isNew) await makeParityRight(set, options.assumeClean ?? false);
  const dirty: ReadonlySet<number> = isNew ? new Set() : await readBitmaps(set, children, assembly.isForced);
  const doubtful = isNew ? 0 : settle(set, dirty, options.force ?? false);
  const spareSlots = spares.map((slot) => slots[slot] as RaidSlot);
  const raid = new RaidDevice(set, spareSlots, doubtful, options);
  if (!readOnly) for (const slot of spareSlots) await writeSpareLabel(set, slot);
  await raid.begin(assembly.isChanged || dirty.size > 0);
  await dropUnused(set, spareSlots, options);
  return raid.device;
}

function checkSpare(device: BlockDevice, slot: number, { rows, stripeBytes }: RaidLabel): void {
  const room = bitmapOffset(sizeOfChild(device, 'raid'));
  if (room >= rows * stripeBytes) return;
  throw invalid(
    `${nameOf(device, slot)} is too small for a spare: it has room for ${room} bytes, a component has ${rows * stripeBytes}`,
  );
}

function geometryOf({ level, components, stripeBytes, rows }: RaidLabel, all: readonly BlockDevice[]): RaidGeometry {
  return new RaidGeometry(level, components.length, stripeBytes, rows, commonLimits(all).blockSizeBytes);
}

/** Which regions were being written when the array was last used. */
async function readBitmaps(set: RaidSet, children: StackChildren, isForced: boolean): Promise<ReadonlySet<number>> {
  const { state, identity } = set;
  const dirty = new Set<number>();
  let readable = 0;
  for (const { index, slot } of set.inUse()) {
    // One that is being rebuilt may have its label, and no bitmap yet; those that are good have every bit.
    if (slot === null || state.stateOf(index) !== COMPONENT_GOOD) continue;
    const block = await readBlock(slot.device, children, slot.index, slot.bitmapOffset, BITMAP_BYTES);
    if (block === null) continue;
    readable += 1;
    eachDirty(identity.uuid, state.regions, block.bytes, (region) => dirty.add(region));
  }
  if (readable === 0 || isForced) for (let region = 0; region < state.regions; region++) dirty.add(region);
  return dirty;
}

/**
 * Takes the parity of dirty regions for unknown. Where a component is not there, what it had of them cannot be told.
 *
 * @returns how many regions that is, and are taken for right because `force` says so
 * @throws SystemError ENODEV without that
 */
function settle(set: RaidSet, dirty: ReadonlySet<number>, force: boolean): number {
  const { state, identity, members, geometry } = set;
  let doubtful = 0;
  for (const region of dirty) {
    const end = Math.min(geometry.rows, (region + 1) * identity.regionRows);
    const lacks = members.some(({ index }) => !state.isUp(index, end - 1));
    state.setMark(region, REGION_CLEAN, REGION_MARKED);
    if (lacks) doubtful += 1;
    else state.setUnknown(region, true);
  }
  if (doubtful === 0 || force) return doubtful;
  const lost = members.filter(({ index }) => state.stateOf(index) !== COMPONENT_GOOD);
  const which = lost.map(
    ({ index, reason }) => `${index} (${state.stateOf(index) === COMPONENT_REBUILDING ? 'being rebuilt' : reason})`,
  );
  throw new SystemError(
    ENODEV,
    'raid',
    undefined,
    `${doubtful} of ${state.regions} regions were being written when the array was last used, and component ${which.join(', ')} is not there: ` +
      'what it had of them cannot be told from the others. Add it if it was good then, or say force: true to take what comes out for right',
  );
}

/** Devices that are of no use: stale ones in whose place there is another. */
async function dropUnused(set: RaidSet, spares: readonly RaidSlot[], { closeChildren = true }: RaidOptions): Promise<void> {
  const used = new Set<RaidSlot | null>([...spares, ...set.members.map(({ slot }) => slot)]);
  const unused = set.slots.filter((slot): slot is RaidSlot => slot !== null && !used.has(slot));
  for (const slot of unused) {
    slot.unwatch();
    slot.claim?.release();
    set.slots[slot.index] = null;
  }
  if (closeChildren) await closeAll(unused.map(({ device }) => device));
}

function invalid(message: string): SystemError {
  return new SystemError(EINVAL, 'raid', undefined, message);
}
