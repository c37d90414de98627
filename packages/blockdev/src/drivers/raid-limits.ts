import type { BlockDevice } from '../block-device.js';
import type { BlockCapabilities, BlockLimits } from '../limits.js';
import { commonCapabilities, commonLimits } from '../stack-children.js';
import type { RaidGeometry } from './raid-geometry.js';

/** What a raid with parity can do. */
export function raidCapabilities(devices: readonly BlockDevice[], readOnly: boolean): BlockCapabilities {
  const common = commonCapabilities(devices);
  return {
    ...common,
    readOnly: common.readOnly || readOnly,
    // A request may wait for its row, for other components, or for labels.
    progress: common.progress === 'none' ? 'any' : common.progress,
    // A component that would have to wait has not failed.
    nowait: false,
    // Zeros go with a parity of zeros, or with copies. What is read after another device's discard is anyone's guess, and would not: so a discard is
    // zeros too, and there are none where those would be written.
    discard: devices.every(({ capabilities }) => capabilities.zeroes === 'fast'),
    zeroes: 'native',
    extents: devices.every(({ capabilities }) => capabilities.extents),
  };
}

export function raidLimits(geometry: RaidGeometry, devices: readonly BlockDevice[], childrenMax: number): BlockLimits {
  const common = commonLimits(devices);
  return {
    ...common,
    blockSizeBytes: geometry.blockSizeBytes,
    sizeBytes: geometry.sizeBytes,
    // What is written without reading anything: of level 1, anything is.
    ...(geometry.level === 5 ? { physicalBlockSizeBytes: geometry.rowBytes } : {}),
    maxInFlight: childrenMax,
  };
}
