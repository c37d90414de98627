import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { openPartition } from '../partitions.js';

export const partitionDefinition: DriverDefinition = defineDriver({
  name: 'partition',
  summary: 'partition of a disk (GPT or MBR)',
  options: {
    device: { type: 'device', summary: 'the disk', required: true, position: 0 },
    index: { type: 'integer', summary: 'its number in the table', minimum: 1, maximum: 8192, position: 1 },
    name: { type: 'string', summary: 'its label, in a GPT' },
    uuid: { type: 'string', summary: 'its own GUID, or PARTUUID' },
    sectorBytes: { type: 'size', summary: 'what the table counts in', minimum: 512, maximum: 4096 },
    childrenMax: { type: 'integer', summary: 'requests below at a time', minimum: 1, maximum: 65536 },
  },
  open: ({ device, index, name, uuid, ...rest }, { options, refuse }) => {
    const which = {
      ...(index === undefined ? {} : { index }),
      ...(name === undefined ? {} : { name }),
      ...(uuid === undefined ? {} : { uuid }),
    };
    if (Object.keys(which).length !== 1) throw refuse(null, 'exactly one of index, name and uuid');
    return openPartition(device, { ...options, ...rest, ...which });
  },
});
