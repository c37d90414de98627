import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { openMirror } from '../mirror.js';

export const mirrorDefinition: DriverDefinition = defineDriver({
  name: 'mirror',
  summary: 'devices with the same contents (RAID level 1)',
  options: {
    devices: {
      type: 'devices',
      summary: 'its halves, "missing" for one that is not there',
      required: true,
      mayBeMissing: true,
      position: 0,
    },
    create: { type: 'boolean', summary: 'makes a new mirror, of the contents of the first', default: false },
    halvesAreEqual: { type: 'boolean', summary: 'with create: copies nothing', default: false },
    labels: { type: 'boolean', summary: 'keeps which halves are good at their ends', default: true },
    degraded: { type: 'boolean', summary: 'goes on without a half that was good', default: false },
    autoRebuild: { type: 'boolean', summary: 'copies to halves that are behind', default: true },
    childrenMax: { type: 'integer', summary: 'requests below at a time', minimum: 1, maximum: 65536 },
  },
  open: async ({ devices, ...mirror }, { options }) => (await openMirror(devices, { ...options, ...mirror })).device,
});
