import { threadTimers } from '../batch-clock.js';
import { BlockDevice } from '../block-device.js';
import type { DeviceHandle } from '../driver.js';
import { closeAll } from '../stack-children.js';
import { RaidDriver } from './raid-driver.js';
import { RaidGeometry, type RaidLevel } from './raid-geometry.js';
import { raidCapabilities, raidLimits } from './raid-limits.js';
import { RaidSlot } from './raid-member.js';
import { RaidSet } from './raid-set.js';
import { RaidState } from './raid-state.js';
import { attachLevel0 } from './raid-striped.js';

/** A raid on its way to another thread. */
interface RaidHandle extends DeviceHandle {
  readonly level: RaidLevel;
  readonly count: number;
  readonly stripeBytes: number;
  readonly rows: number;
  readonly blockSizeBytes: number;
  readonly regionRows: number;
  readonly uuid: string;
  readonly readOnly: boolean;
  readonly childrenMax: number;
  readonly state: SharedArrayBuffer;
  readonly slots: readonly ({ readonly device: DeviceHandle; readonly sizeBytes: number } | null)[];
}

/**
 * A thread's own channel of a raid: it locks rows, sets bits of the bitmap and takes components out as the opener does, and computes parity
 * itself. What goes through all of the raid, rebuilds and the like, is the opener's.
 */
export function attachRaid(handle: DeviceHandle, attach: (handle: DeviceHandle) => BlockDevice): BlockDevice {
  if (handle['level'] === 0) return attachLevel0(handle, attach);
  const raid = handle as RaidHandle;
  const { level, count, stripeBytes, rows, blockSizeBytes, regionRows, uuid, readOnly, childrenMax } = raid;
  const geometry = new RaidGeometry(level, count, stripeBytes, rows, blockSizeBytes);
  const slots = raid.slots.map((slot, index) =>
    slot === null ? null : new RaidSlot(index, attach(slot.device), null, slot.sizeBytes),
  );
  const state = new RaidState(Math.ceil(rows / regionRows), raid.state);
  const set = new RaidSet(geometry, { uuid, regionRows, readOnly }, state, slots);
  const { devices } = set;
  const driver = new RaidDriver({
    set,
    limits: raidLimits(geometry, devices, childrenMax),
    capabilities: raidCapabilities(devices, readOnly),
    timers: threadTimers,
    childrenMax,
    describe: () => ({
      level,
      uuid,
      sizeBytes: geometry.sizeBytes,
      stripeBytes,
      devices: devices.map((device) => device.describe()),
    }),
    config: () => ({ driver: 'raid', level, stripeBytes, devices: devices.map((device) => device.config()) }),
    handle: () => ({
      ...raid,
      slots: slots.map((slot, index) =>
        slot === null ? null : { device: slot.device.handle(), sizeBytes: raid.slots[index]?.sizeBytes ?? 0 },
      ),
    }),
    attached: () => {},
    close: async () => {
      await new Promise<void>((resolve) => driver.stripes.whenIdle(resolve));
      state.leave();
      await closeAll(devices);
    },
  });
  for (const slot of slots) if (slot !== null) slot.owner = driver;
  // Labels are to say soon who has been taken out, also if nobody waits for it.
  set.changed = () => queueMicrotask(() => set.isSaved || driver.metadata.save());
  return new BlockDevice(driver, {}, handle);
}
