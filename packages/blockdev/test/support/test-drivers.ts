import { BlockDevice, type BlockDriver, biodone, type DriverDefinition, defineDriver, registerDriver } from '@biodone/blockdev';
import { afterAll } from 'vitest';

/** Something that a test driver has done. */
export type Deed = string;

/**
 * Registers drivers for the tests of a file: `stripe`, `slice` and `crypt` have the options of such drivers, take requests for nothing, and
 * close what is under them. Returns what they did, in order. With `fail=1` a slice cannot be opened.
 */
export function registerTestDrivers(): Deed[] {
  const deeds: Deed[] = [];
  const stack = (name: string, below: readonly BlockDevice[]): BlockDevice => {
    deeds.push(`open ${name}`);
    return new BlockDevice(stackDriver(name, below, deeds));
  };
  const definitions: DriverDefinition[] = [
    defineDriver({
      name: 'test-stripe',
      summary: 'has several devices under it',
      options: {
        stripeBytes: { type: 'size', summary: 'how much on each', default: 65536, minimum: 512, maximum: 2 ** 30, position: 0 },
        devices: { type: 'devices', summary: 'at least two', required: true, minimum: 2, maximum: 40, position: 1 },
      },
      open: ({ stripeBytes, devices }) => stack(`stripe ${stripeBytes}`, devices),
    }),
    defineDriver({
      name: 'test-slice',
      summary: 'has one device under it',
      options: {
        device: { type: 'device', summary: 'what it is a part of', required: true, position: 0 },
        offsetBytes: { type: 'size', summary: 'where it begins', default: 0, position: 1 },
        weight: { type: 'number', summary: 'a number with a fraction', position: 2 },
        level: { type: 'integer', summary: 'a number with a sign', minimum: -5, maximum: 5 },
        mode: { type: 'choice', summary: 'one of some', choices: ['fast', 'careful'], default: 'fast' },
        fail: { type: 'boolean', summary: 'throws at opening', default: false },
        label: { type: 'string', summary: 'any text' },
        beside: { type: 'device', summary: 'another device' },
      },
      open: async ({ device, offsetBytes, fail, beside }) => {
        await Promise.resolve();
        if (fail) throw new Error('slice fails');
        return stack(`slice ${offsetBytes}`, beside === undefined ? [device] : [device, beside]);
      },
    }),
    defineDriver({
      name: 'test-mirror',
      summary: 'can do without some of its devices',
      options: {
        devices: { type: 'devices', summary: 'those there are', required: true, mayBeMissing: true, position: 0 },
        ratePerSecond: { type: 'number', summary: 'how often' },
        bytesPerSecond: { type: 'size', summary: 'how much' },
      },
      open: ({ devices }) =>
        stack(
          `mirror ${devices.map((device) => (device === null ? 0 : 1)).join('')}`,
          devices.filter((device) => device !== null),
        ),
    }),
    defineDriver({
      name: 'test-crypt',
      summary: 'has a key',
      options: {
        device: { type: 'device', summary: 'what is encrypted', required: true, position: 0 },
        key: { type: 'string', summary: 'the key', secret: true, instead: 'keyFile' },
        keyFile: { type: 'path', summary: 'a file with the key' },
      },
      open: ({ device, key, keyFile }, { refuse }) => {
        if ((key === undefined) === (keyFile === undefined)) throw refuse(null, 'a key or a keyFile');
        return stack(`crypt ${key ?? keyFile}`, [device]);
      },
    }),
  ];
  const unregister = definitions.map((definition) => registerDriver(definition));
  afterAll(() => {
    for (const take of unregister) take();
  });
  return deeds;
}

function stackDriver(name: string, below: readonly BlockDevice[], deeds: Deed[]): BlockDriver {
  return {
    name: 'test-stack',
    limits: { blockSizeBytes: 1, sizeBytes: 1000, memoryAlignmentBytes: 1 },
    capabilities: { readOnly: false, progress: 'none' },
    start: (io) => biodone(io, 0),
    startSync: () => {},
    poll: () => 0,
    wait: () => 0,
    describe: () => ({ name, below: below.map((device) => device.describe()) }),
    config: () => ({ driver: 'test-stack' }),
    handle: () => ({ driver: 'test-stack' }),
    close: async () => {
      deeds.push(`close ${name}`);
      for (const device of below) await device.close();
    },
  };
}
