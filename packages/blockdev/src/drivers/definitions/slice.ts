import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { attachSlice, openSlice } from '../slice.js';

export const sliceDefinition: DriverDefinition = defineDriver({
  name: 'slice',
  summary: 'part of a device',
  options: {
    device: { type: 'device', summary: 'what it is a part of', required: true, position: 0 },
    offsetBytes: { type: 'size', summary: 'where it begins', default: 0 },
    lengthBytes: { type: 'size', summary: 'how long it is; without it, up to the end', minimum: 1 },
    childrenMax: { type: 'integer', summary: 'requests below at a time', minimum: 1, maximum: 65536 },
  },
  open: ({ device, ...range }, { options }) => openSlice(device, { ...options, ...range }),
  attach: attachSlice,
});
