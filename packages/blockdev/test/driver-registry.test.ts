import { Worker } from 'node:worker_threads';
import {
  attachDevice,
  type BlockDevice,
  type DriverDefinition,
  type DriverOption,
  openDevice,
  openMem,
  openNull,
  registerDriver,
  registeredDrivers,
} from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { answerOf } from './support/answer.js';

const open = (): BlockDevice => openNull();
const size: DriverOption = { type: 'size', summary: '' };

const builtIn = registeredDrivers();

describe('registerDriver', () => {
  it.each<[string, Partial<DriverDefinition>, RegExp]>([
    ['a name with capitals', { name: 'Tape' }, /a name is a small letter/],
    ['no name', { name: '' }, /a name is a small letter/],
    ['a name for the prototype', { name: '__proto__' }, /a name is a small letter/],
    ['the word for no device', { name: 'missing' }, /there is no device/],
    ['a name in use', { name: 'mem' }, /a driver of this name is registered/],
    ['an option with hyphens', { options: { 'a-b': size } }, /option a-b: a name is/],
    ['an option for the prototype', { options: JSON.parse('{"__proto__":{"type":"size"}}') }, /option __proto__: a name is/],
    ['an option named driver', { options: { driver: { type: 'string', summary: '' } } }, /name of the driver/],
    ['options that differ in case', { options: { ab: size, aB: size } }, /"aB" is another option/],
    ['options that are the same without Bytes', { options: { offset: size, offsetBytes: size } }, /"offset" is another option/],
    ['a choice of nothing', { options: { a: { type: 'choice', summary: '' } } }, /choices belong to/],
    ['choices of a size', { options: { a: { ...size, choices: ['1'] } } }, /choices belong to/],
    ['a default for what is required', { options: { a: { ...size, required: true, default: 1 } } }, /required has no default/],
    ['a default of another type', { options: { a: { ...size, default: '1' } } }, /default is not a size/],
    [
      'a default out of range',
      { options: { a: { ...size, default: 1, minimum: 2 } } },
      /default is not a size in bytes, at least 2/,
    ],
    ['a default for a device', { options: { a: { type: 'device', summary: '', default: 'null' } } }, /a device has no default/],
    ['a secret number', { options: { a: { ...size, secret: true } } }, /a secret is a string/],
    ['a gap', { options: { a: { ...size, position: 1 } } }, /positions count from 0/],
    ['a position twice', { options: { a: { ...size, position: 0 }, b: { ...size, position: 0 } } }, /positions count from 0/],
    ['devices without a position', { options: { a: { type: 'devices', summary: '' } } }, /devices have a position, the last one/],
    [
      'something after the devices',
      { options: { a: { type: 'devices', summary: '', position: 0 }, b: { ...size, position: 1 } } },
      /devices have a position, the last one/,
    ],
    [
      'something optional before what it could be taken for',
      { options: { a: { type: 'string', summary: '', position: 0 }, b: { type: 'device', summary: '', position: 1 } } },
      /what can be left out is a number, or has the last position/,
    ],
  ])('refuses %s', (_, part, message) => {
    const definition: DriverDefinition = { name: 'tape', summary: 'a tape', options: {}, open, ...part };
    expect(() => registerDriver(definition)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE', name: 'TypeError' }),
    );
    expect(() => registerDriver(definition)).toThrow(message);
    expect(registeredDrivers()).toEqual(builtIn);
  });

  it('adds a driver until it is taken out', async () => {
    const tape: DriverDefinition = { name: 'tape', summary: 'a tape', options: {}, open };
    const remove = registerDriver(tape);
    expect(registeredDrivers()).toContain(tape);
    await (await openDevice('tape')).close();
    remove();
    remove();
    await expect(openDevice('tape')).rejects.toMatchObject({ code: 'ERR_INVALID_DEVICE_SPEC' });
    const removeOther = registerDriver({ ...tape });
    remove();
    await (await openDevice('tape')).close();
    removeOther();
  });
});

describe('attachDevice', () => {
  it('asks registered drivers, with a way to attach what is below', async () => {
    const below = openMem(100);
    const remove = registerDriver({
      name: 'pass',
      summary: 'nothing of its own',
      options: {},
      open: () => below,
      attach: (handle, attach) => attach(handle['below'] as ReturnType<BlockDevice['handle']>),
    });
    const device = attachDevice({ driver: 'pass', below: below.handle() });
    expect(device.describe()).toMatchObject({ driver: 'mem', sizeBytes: 100 });
    await device.close();
    await below.close();
    remove();
  });

  it('says that a driver is for one thread alone', () => {
    const remove = registerDriver({ name: 'single', summary: 'for one thread', options: {}, open });
    expect(() => attachDevice({ driver: 'single' })).toThrow(expect.objectContaining({ code: 'ENOTSUP', syscall: 'attach' }));
    remove();
    expect(() => attachDevice({ driver: 'single' })).toThrow(/no driver 'single' in this thread/);
  });

  it('knows in a worker what that has registered', async () => {
    const worker = new Worker(new URL('./support/register-worker.mjs', import.meta.url), { workerData: { driver: 'passing' } });
    expect(await answerOf(worker)).toEqual({ before: 'EINVAL', after: { driver: 'null', sizeBytes: 7 } });
  });
});
