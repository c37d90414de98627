import { BlockDevice } from '../../block-device.js';
import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { createNullDriver, openNull } from '../null.js';

export const nullDefinition: DriverDefinition = defineDriver({
  name: 'null',
  summary: 'does nothing, at once: measures the stack',
  options: {
    sizeBytes: { type: 'size', summary: 'how large it claims to be', default: 2 ** 40, position: 0 },
  },
  open: ({ sizeBytes }, { options }) => openNull(sizeBytes, options),
  attach: (handle) => new BlockDevice(createNullDriver(handle['sizeBytes'] as number), {}, handle),
});
