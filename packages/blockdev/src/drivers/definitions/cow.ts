import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { openCow } from '../cow.js';

export const cowDefinition: DriverDefinition = defineDriver({
  name: 'cow',
  summary: 'a device that stays as it is, and an overlay with all changes',
  options: {
    base: { type: 'device', summary: 'what stays as it is', required: true, position: 0 },
    overlay: { type: 'device', summary: 'what keeps the changes; without it they are in memory', position: 1 },
    create: { type: 'boolean', summary: 'makes a new overlay', default: false },
    blockBytes: { type: 'size', summary: 'what is kept at a time, of a new overlay', minimum: 512, maximum: 2 ** 20 },
    maxBytes: { type: 'size', summary: 'how much an overlay in memory takes', minimum: 512 },
    checkBase: { type: 'boolean', summary: 'refuses an overlay whose base has changed', default: true },
    childrenMax: { type: 'integer', summary: 'requests at a time', minimum: 1, maximum: 65536 },
  },
  open: ({ base, ...cow }, { options }) => openCow(base, { ...options, ...cow }),
});
