import { type DeviceSpec, parseSpec } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { registerTestDrivers } from './support/test-drivers.js';

registerTestDrivers();

const file = (path: string, options: object = {}): DeviceSpec => ({ driver: 'file', path, ...options });

describe('parseSpec', () => {
  it.each<[string, DeviceSpec]>([
    ['file:/data/x?direct=1', file('/data/x', { direct: true })],
    ['/dev/loop0', file('/dev/loop0')],
    ['images/a.img', file('images/a.img')],
    ['./disk.img?create=1&size=1g', file('./disk.img', { create: true, sizeBytes: 2 ** 30 })],
    ['"a, (b)?"', file('a, (b)?')],
    ['file:"a \\"b\\" \\\\"?readonly=yes&engine="fs"', file('a "b" \\', { readOnly: true, engine: 'fs' })],
    ['file(/x, direct=true, GROWABLE=no)', file('/x', { direct: true, growable: false })],
    ['mem:64m', { driver: 'mem', sizeBytes: 64 * 2 ** 20 }],
    ['mem?size=1K', { driver: 'mem', sizeBytes: 1024 }],
    ['mem(64m)', { driver: 'mem', sizeBytes: 64 * 2 ** 20 }],
    ['null', { driver: 'null' }],
    ['null()', { driver: 'null' }],
    [' null:1t ', { driver: 'null', sizeBytes: 2 ** 40 }],
    ['null:9007199254740991', { driver: 'null', sizeBytes: Number.MAX_SAFE_INTEGER }],
    ['test-stripe(4k, file:a, ./b)', { driver: 'test-stripe', stripeBytes: 4096, devices: [file('a'), file('./b')] }],
    ['test-stripe(file:a,file:b)', { driver: 'test-stripe', devices: [file('a'), file('b')] }],
    [
      'test-stripe ( "a" ,\n\t./b?direct=0, stripe = 1m )',
      { driver: 'test-stripe', devices: [file('a'), file('./b', { direct: false })], stripeBytes: 2 ** 20 },
    ],
    ['test-stripe(devices=./a, ./b)', { driver: 'test-stripe', devices: [file('./a'), file('./b')] }],
    [
      'test-slice(null, 8k, -0.5, level=-3, mode=careful, fail=0, label="")',
      {
        driver: 'test-slice',
        device: { driver: 'null' },
        offsetBytes: 8192,
        weight: -0.5,
        level: -3,
        mode: 'careful',
        fail: false,
        label: '',
      },
    ],
    [
      'test-slice(beside=null, device=mem:1)',
      { driver: 'test-slice', beside: { driver: 'null' }, device: { driver: 'mem', sizeBytes: 1 } },
    ],
    [
      'test-mirror(./a, missing, missing , rate=0.5, bytes=1k)',
      { driver: 'test-mirror', devices: [file('./a'), null, null], ratePerSecond: 0.5, bytesPerSecond: 1024 },
    ],
    [
      'test-crypt(test-slice(test-stripe(64k, "1", "2"), 1m), keyfile=/run/key)',
      {
        driver: 'test-crypt',
        device: {
          driver: 'test-slice',
          device: { driver: 'test-stripe', stripeBytes: 65536, devices: [file('1'), file('2')] },
          offsetBytes: 2 ** 20,
        },
        keyFile: '/run/key',
      },
    ],
  ])('%s', (text, spec) => {
    expect(parseSpec(text)).toEqual(spec);
  });

  it('takes what is in quotes as it is', () => {
    const path = "a\nb\té–😀=&?,()'$`#";
    expect(parseSpec(`"${path}"`)).toEqual(file(path));
  });

  it('leaves nothing on the prototypes', () => {
    for (const text of ['file:a?__proto__=1', 'test-slice(__proto__=null)', '__proto__', 'constructor:x']) {
      expect(() => parseSpec(text)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_DEVICE_SPEC' }));
    }
    expect(Object.getPrototypeOf(parseSpec('null'))).toBe(Object.prototype);
    expect({}).not.toHaveProperty('driver');
  });
});
