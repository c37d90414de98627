import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { openRaid } from '../raid.js';
import { attachRaid } from '../raid-channel.js';
import type { RaidLevel } from '../raid-geometry.js';

export const raidDefinition: DriverDefinition = defineDriver({
  name: 'raid',
  summary: 'devices with labels, striped (0), copied (1) or with parity (5)',
  options: {
    level: {
      type: 'integer',
      summary: '0, 1 or 5; of an array that exists its label says it',
      minimum: 0,
      maximum: 5,
      position: 0,
    },
    stripeBytes: {
      type: 'size',
      summary: 'how much lies on one before the next; of an array that exists its label says it',
      minimum: 512,
      maximum: 2 ** 30,
      position: 1,
    },
    devices: {
      type: 'devices',
      summary: 'its components in any order, "missing" for one that is not there',
      required: true,
      mayBeMissing: true,
      position: 2,
    },
    spare: { type: 'devices', summary: 'takes the place of one that fails; once for each' },
    create: { type: 'boolean', summary: 'makes a new array, and what was there is lost', default: false },
    assumeClean: { type: 'boolean', summary: 'with create: the devices are all zeros', default: false },
    degraded: { type: 'boolean', summary: 'goes on without a component that was good', default: false },
    force: { type: 'boolean', summary: 'opens what may have lost something', default: false },
    regionBytes: { type: 'size', summary: 'with create: what one bit of the bitmap stands for', minimum: 1 },
    bitmapDelayMs: { type: 'integer', summary: 'when bits are cleared', minimum: 1, maximum: 2 ** 31 - 1 },
    autoRebuild: { type: 'boolean', summary: 'takes spares and rebuilds by itself', default: true },
    rebuildBytesPerSecond: { type: 'size', summary: 'how fast it rebuilds at most', minimum: 1 },
    childrenMax: { type: 'integer', summary: 'requests at a time', minimum: 1, maximum: 65536 },
  },
  open: ({ devices, spare, level, ...raid }, { options, refuse }) => {
    if (level !== undefined && level !== 0 && level !== 1 && level !== 5) throw refuse('level', '0, 1 or 5');
    const given = { ...options, ...raid, ...(spare === undefined ? {} : { spares: spare }) };
    return openRaid(devices, level === undefined ? given : { ...given, level: level as RaidLevel });
  },
  attach: attachRaid,
});
