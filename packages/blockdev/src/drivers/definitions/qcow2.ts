import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { attachQcow2, openQcow2 } from '../qcow2.js';

export const qcow2Definition: DriverDefinition = defineDriver({
  name: 'qcow2',
  summary: 'qcow2 image, for reading',
  options: {
    device: { type: 'device', summary: 'the image', required: true, position: 0 },
    backing: { type: 'device', summary: 'what it stands on', position: 1 },
    followBacking: { type: 'boolean', summary: 'opens what it names, beside it', default: false },
  },
  open: ({ device, backing, followBacking }, { options }) =>
    openQcow2(device, { ...options, followBacking, ...(backing === undefined ? {} : { backing }) }),
  attach: attachQcow2,
});
