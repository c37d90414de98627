import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { openSnapshots } from '../snapshots.js';

export const snapshotsDefinition: DriverDefinition = defineDriver({
  name: 'snapshots',
  summary: 'a device of which a program can take snapshots',
  options: {
    device: { type: 'device', summary: 'what snapshots are taken of', required: true, position: 0 },
    blockBytes: { type: 'size', summary: 'what is copied at a time', minimum: 512, maximum: 2 ** 20 },
    childrenMax: { type: 'integer', summary: 'requests at a time', minimum: 1, maximum: 65536 },
  },
  open: ({ device, ...snapshots }, { options }) => openSnapshots(device, { ...options, ...snapshots }),
});
