import { IoBuffer, type IoBufferHandle } from '@biodone/uring';
import { BlockDevice } from '../../block-device.js';
import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { createMemDriver } from '../mem.js';

export const memDefinition: DriverDefinition = defineDriver({
  name: 'mem',
  summary: 'memory disk, zeroed at first, gone with the process',
  options: {
    sizeBytes: { type: 'size', summary: 'how large it is', required: true, minimum: 1, position: 0 },
  },
  open: ({ sizeBytes }, { options }) => new BlockDevice(createMemDriver(IoBuffer.allocate(sizeBytes)), options),
  attach: (handle) => new BlockDevice(createMemDriver(IoBuffer.attach(handle['memory'] as IoBufferHandle)), {}, handle),
});
