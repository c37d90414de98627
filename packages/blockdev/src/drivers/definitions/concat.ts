import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { attachConcat, openConcat } from '../concat.js';

export const concatDefinition: DriverDefinition = defineDriver({
  name: 'concat',
  summary: 'devices one after the other',
  options: {
    devices: { type: 'devices', summary: 'its parts, in their order', required: true, position: 0 },
  },
  open: ({ devices }, { options }) => openConcat(devices, options),
  attach: attachConcat,
});
