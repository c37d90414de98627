import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { openCache } from '../cache.js';

export const cacheDefinition: DriverDefinition = defineDriver({
  name: 'cache',
  summary: 'a cache in memory, or on a device, over a slower one',
  options: {
    device: { type: 'device', summary: 'what is slower', required: true, position: 0 },
    log: { type: 'device', summary: 'what keeps what was flushed and waits to be written back', position: 1 },
    cacheDevice: { type: 'device', summary: 'where the lines lie, instead of in memory' },
    create: { type: 'boolean', summary: 'makes a new log, or a new cache on the cache device', default: false },
    deviceName: { type: 'string', summary: 'what the log, or the cache device, calls the device' },
    mode: { type: 'choice', summary: 'when a write is done', choices: ['write-back', 'write-through'], default: 'write-back' },
    cacheBytes: { type: 'size', summary: 'how much it holds', minimum: 512 },
    lineBytes: { type: 'size', summary: 'what is kept at a time', minimum: 512, maximum: 131_072 },
    dirtyMaxBytes: { type: 'size', summary: 'how much may wait to be written back', minimum: 512 },
    writeBackDelayMs: { type: 'integer', summary: 'how long something waits at most', minimum: 1, maximum: 2 ** 30 },
    readAheadBytes: { type: 'size', summary: 'how far it reads ahead' },
    childrenMax: { type: 'integer', summary: 'requests at a time', minimum: 1, maximum: 65536 },
  },
  open: ({ device, ...cache }, { options }) => openCache(device, { ...options, ...cache }),
});
