import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { attachVhd, openVhd } from '../vhd.js';

export const vhdDefinition: DriverDefinition = defineDriver({
  name: 'vhd',
  summary: 'VHD image, for reading',
  options: {
    device: { type: 'device', summary: 'the image', required: true, position: 0 },
    parent: { type: 'device', summary: 'what a differencing one stands on', position: 1 },
    followParent: { type: 'boolean', summary: 'opens what it names, beside it', default: false },
  },
  open: ({ device, parent, followParent }, { options }) =>
    openVhd(device, { ...options, followParent, ...(parent === undefined ? {} : { parent }) }),
  attach: attachVhd,
});
