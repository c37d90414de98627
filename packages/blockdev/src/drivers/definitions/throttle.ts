import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { openThrottle } from '../throttle.js';

export const throttleDefinition: DriverDefinition = defineDriver({
  name: 'throttle',
  summary: 'lets so much through in a second',
  options: {
    device: { type: 'device', summary: 'what is limited', required: true, position: 0 },
    iops: { type: 'number', summary: 'requests a second' },
    readIops: { type: 'number', summary: 'reads a second' },
    writeIops: { type: 'number', summary: 'writes a second' },
    bytesPerSecond: { type: 'size', summary: 'bytes a second', minimum: 1 },
    readBytesPerSecond: { type: 'size', summary: 'bytes read a second', minimum: 1 },
    writeBytesPerSecond: { type: 'size', summary: 'bytes written a second', minimum: 1 },
    burstMs: { type: 'integer', summary: 'how long it saves up what nobody uses', minimum: 1, maximum: 60_000, default: 100 },
  },
  open: ({ device, burstMs, ...limits }, { options }) => openThrottle(device, limits, { ...options, burstMs }),
});
