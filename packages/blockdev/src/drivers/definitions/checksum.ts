import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { openChecksum } from '../checksum.js';

export const checksumDefinition: DriverDefinition = defineDriver({
  name: 'checksum',
  summary: 'device whose blocks have checksums',
  options: {
    device: { type: 'device', summary: 'what holds the blocks and their checksums', required: true, position: 0 },
    create: { type: 'boolean', summary: 'makes a new one, of zeros', default: false },
    blockBytes: { type: 'size', summary: 'with create: what has one checksum', minimum: 512, maximum: 65536 },
    blockSizeBytes: { type: 'size', summary: 'a divisor of the block, for smaller writes', minimum: 1 },
    readOnly: { type: 'boolean', summary: 'refuses writes', default: false },
    cacheBytes: { type: 'size', summary: 'how much of the checksums is kept in memory', minimum: 1, maximum: 2 ** 31 },
    childrenMax: { type: 'integer', summary: 'requests at a time', minimum: 1, maximum: 4096 },
  },
  open: ({ device, ...checksum }, { options }) => openChecksum(device, { ...options, ...checksum }),
});
