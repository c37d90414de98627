import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { attachConcat, openConcat } from '../concat.js';

export const concatDefinition: DriverDefinition = defineDriver({
  name: 'concat',
  summary: 'devices one after the other',
  options: {
    devices: { type: 'devices', summary: 'its parts, in their order', required: true, position: 0 },
    childrenMax: { type: 'integer', summary: 'requests below at a time', minimum: 1, maximum: 65536 },
  },
  open: ({ devices, ...concat }, { options }) => openConcat(devices, { ...options, ...concat }),
  attach: attachConcat,
});
