import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { attachMem, openMem } from '../mem.js';

export const memDefinition: DriverDefinition = defineDriver({
  name: 'mem',
  summary: 'memory disk, zeroed at first, gone with the process',
  options: {
    sizeBytes: { type: 'size', summary: 'how large it is', required: true, minimum: 1, position: 0 },
    blockSizeBytes: {
      type: 'size',
      summary: 'what offsets and lengths are multiples of',
      minimum: 1,
      maximum: 2 ** 30,
      default: 1,
    },
    readOnly: { type: 'boolean', summary: 'refuses writes', default: false },
  },
  open: ({ sizeBytes, ...memOptions }, { options }) => openMem(sizeBytes, { ...options, ...memOptions }),
  attach: attachMem,
});
