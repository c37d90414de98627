import type { BlockDevice, BlockDeviceOptions } from '../block-device.js';
import type { DeviceHandle } from '../driver.js';
import type { DeviceSpec } from '../spec.js';
import { COMPONENT_FAILED, COMPONENT_GOOD, COMPONENT_REBUILDING, LABEL_BYTES } from './raid-label.js';
import type { RaidSlot } from './raid-member.js';
import type { RaidSet } from './raid-set.js';

/** What is known of a component. */
export interface RaidComponentStatus {
  /** `'good'`: it has all of the data. `'rebuilding'`: it is being given it. `'failed'`: it is not used. */
  readonly state: 'good' | 'rebuilding' | 'failed';
  /** Why it has failed: `'stale'`, `'missing'`, or what has gone wrong. */
  readonly reason: string | null;
  /** The share of the data that it has, of one that is being rebuilt. */
  readonly rebuilt: number | null;
  readonly device: BlockDevice | null;
}

/** What a raid is made with; see `RaidOptions`. */
export interface RaidSettings extends BlockDeviceOptions {
  autoRebuild?: boolean;
  rebuildBytesPerSecond?: number;
  bitmapDelayMs?: number;
  closeChildren?: boolean;
  childrenMax?: number;
}

const STATE_NAMES = { [COMPONENT_FAILED]: 'failed', [COMPONENT_GOOD]: 'good', [COMPONENT_REBUILDING]: 'rebuilding' } as const;

/** The state of each component. */
export function componentsOf({ state, members, geometry }: RaidSet): RaidComponentStatus[] {
  return members.map(({ index, slot, reason }) => {
    const now = state.stateOf(index);
    return {
      state: STATE_NAMES[now as keyof typeof STATE_NAMES],
      reason,
      rebuilt: now === COMPONENT_REBUILDING ? state.rowsOf(index) / geometry.rows : null,
      device: slot?.device ?? null,
    };
  });
}

/** What a raid is, for people. */
export function describeRaid(
  set: RaidSet,
  stateName: string,
  spares: readonly RaidSlot[],
  doubtfulRegions: number,
): Record<string, unknown> {
  const { geometry, identity, state } = set;
  return {
    level: geometry.level,
    state: stateName,
    sizeBytes: geometry.sizeBytes,
    stripeBytes: geometry.stripeBytes,
    uuid: identity.uuid,
    generation: state.generation,
    repaired: state.repaired,
    dirtyRegions: state.countMarked(),
    unknownRegions: state.countUnknown(),
    doubtfulRegions,
    components: componentsOf(set).map(({ device, ...status }) => ({ ...status, device: device?.describe() ?? null })),
    spares: spares.map(({ device }) => device.describe()),
  };
}

/** What opens it again. */
export function configOfRaid({ geometry, members }: RaidSet, spares: readonly RaidSlot[], settings: RaidSettings): DeviceSpec {
  const { childrenMax, rebuildBytesPerSecond, bitmapDelayMs, autoRebuild } = settings;
  const given = Object.entries({
    childrenMax,
    rebuildBytesPerSecond,
    bitmapDelayMs,
    autoRebuild: autoRebuild === false ? false : undefined,
  });
  return {
    driver: 'raid',
    level: geometry.level,
    stripeBytes: geometry.stripeBytes,
    ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    devices: members.map(({ slot }) => slot?.device.config() ?? null),
    ...(spares.length === 0 ? {} : { spare: spares.map(({ device }) => device.config()) }),
  } as DeviceSpec;
}

/** What a channel in another thread is made of: see `attachRaid`. */
export function handleOfRaid({ geometry, identity, state, slots }: RaidSet, childrenMax: number): DeviceHandle {
  return {
    driver: 'raid',
    level: geometry.level,
    count: geometry.count,
    stripeBytes: geometry.stripeBytes,
    rows: geometry.rows,
    blockSizeBytes: geometry.blockSizeBytes,
    regionRows: identity.regionRows,
    uuid: identity.uuid,
    readOnly: identity.readOnly,
    childrenMax,
    state: state.memory,
    slots: slots.map((slot) =>
      slot === null ? null : { device: slot.device.handle(slot.claim), sizeBytes: slot.labelOffset + LABEL_BYTES },
    ),
  };
}
