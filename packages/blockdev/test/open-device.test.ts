import { readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BlockDeviceOptions, type DeviceSpec, openDevice, openMem, registerDriver } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { read, write } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { registerTestDrivers } from './support/test-drivers.js';

const folder = temporaryFolder();
const deeds = registerTestDrivers();
const inFolder = (name: string): string => join(folder, name);

function makeFile(name: string): string {
  writeFileSync(inFolder(name), Buffer.alloc(4096));
  return inFolder(name);
}

/** What of this folder this process has open. */
function openFiles(): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(folder) ? [path.slice(folder.length + 1)] : [];
    } catch {
      // The descriptor of the folder that was listed.
      return [];
    }
  });
}

describe('openDevice', () => {
  it('opens what a text names', async () => {
    const path = makeFile('plain');
    const device = await openDevice(`file:${path}?readonly=1`);
    expect(device.describe()).toMatchObject({ driver: 'file', path, readOnly: true, sizeBytes: 4096 });
    await device.close();
    const memory = await openDevice('mem:64k');
    expect(memory.limits.sizeBytes).toBe(65536);
    expect((await openDevice('null')).limits.sizeBytes).toBe(2 ** 40);
  });

  it('opens what config() has returned', async () => {
    const path = makeFile('config');
    for (const text of ['null:1m', 'mem:1m', path, `${path}?direct=1`, `${path}?growable=1&readonly=1`]) {
      const device = await openDevice(text);
      const config = JSON.parse(JSON.stringify(device.config())) as DeviceSpec;
      // A second writer would find the file locked.
      await device.close();
      const again = await openDevice(config);
      expect(again.config()).toEqual(config);
      expect(again.limits).toEqual(device.limits);
      expect(again.capabilities).toEqual(device.capabilities);
      await again.close();
    }
  });

  it('says what to do about a log that is too small, and which partition is meant', async () => {
    const log = openDevice('cache(mem:16m, mem:4m, create=1)');
    await expect(log).rejects.toMatchObject({ code: 'EINVAL', message: expect.stringContaining('make dirtyMaxBytes smaller') });
    for (const spec of ['partition(mem:1m)', 'partition(mem:1m, 1, name=one)'])
      await expect(openDevice(spec)).rejects.toMatchObject({ expected: 'exactly one of index, name and uuid' });
  });

  it('makes a file of the size that is asked for, and leaves one that exists as it is', async () => {
    const device = await openDevice(`"${inFolder('new (1)')}"?create=1&size=1m`);
    expect(device.limits.sizeBytes).toBe(2 ** 20);
    await write(device, 'data', 0);
    await device.close();
    const again = await openDevice(`"${inFolder('new (1)')}"?create=1&size=2m`);
    expect(again.limits.sizeBytes).toBe(2 ** 20);
    await again.close();
    expect(statSync(inFolder('new (1)')).size).toBe(2 ** 20);
    await expect(openDevice(`${makeFile('old')}?size=1m`)).rejects.toMatchObject({ code: 'ERR_INVALID_DEVICE_SPEC' });
    await expect(openDevice(`"${inFolder('huge')}"?create=1&size=8191t`)).rejects.toMatchObject({ code: 'EFBIG' });
    expect(readdirSync(folder)).not.toContain('huge');
  });

  it('opens from the innermost to the outermost, and in order', async () => {
    deeds.length = 0;
    const device = await openDevice('test-stripe(4k, test-slice(null, 1), test-slice(null, 2), test-slice(mem:1, 3))');
    expect(deeds).toEqual(['open slice 1', 'open slice 2', 'open slice 3', 'open stripe 4096']);
    expect(device.describe()).toMatchObject({ below: [{}, {}, { below: [{ driver: 'mem', sizeBytes: 1 }] }] });
    await device.close();
    expect(deeds.slice(4)).toEqual(['close stripe 4096', 'close slice 1', 'close slice 2', 'close slice 3']);
  });

  it('leaves out what a driver can do without', async () => {
    deeds.length = 0;
    await openDevice('test-mirror(missing, null, missing)');
    expect(deeds).toEqual(['open mirror 010']);
  });

  it('gives drivers their defaults', async () => {
    deeds.length = 0;
    await openDevice({ driver: 'test-stripe', devices: [{ driver: 'null' }, { driver: 'null', sizeBytes: undefined }] });
    expect(deeds).toEqual(['open stripe 65536']);
  });

  it('lets a driver refuse options that contradict each other, where they stand', async () => {
    await expect(openDevice('test-stripe(null, test-crypt(null))')).rejects.toMatchObject({
      position: 18,
      expected: 'a key or a keyFile',
    });
    const spec: DeviceSpec = { driver: 'test-crypt', device: { driver: 'null' } };
    await expect(openDevice({ driver: 'test-slice', device: spec })).rejects.toMatchObject({ path: '/device' });
    deeds.length = 0;
    await openDevice({ ...spec, key: '0123' });
    expect(deeds).toEqual(['open crypt 0123']);
  });

  it('passes on its options, those about timeouts to the outermost device alone', async () => {
    const seen: [string, BlockDeviceOptions][] = [];
    const remove = registerDriver({
      name: 'watch',
      summary: 'tells what it is given',
      options: {
        name: { type: 'string', summary: 'its name', required: true, position: 0 },
        device: { type: 'device', summary: 'what is below', position: 1 },
      },
      open: ({ name, device }, { options }) => {
        seen.push([name, options]);
        return device ?? openMem(1);
      },
    });
    const options = { timeoutMs: 1000, onTimeout: () => {}, retryDelayMs: 5, piecesMax: 2 };
    await openDevice('watch(outer, watch(inner))', options);
    expect(seen).toEqual([
      ['inner', { retryDelayMs: 5, piecesMax: 2 }],
      ['outer', options],
    ]);
    remove();
    await expect(openDevice('null', { retryDelayMs: -1 })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
  });
});

describe('a stack that cannot be opened', () => {
  const [a, b, c] = [makeFile('a'), makeFile('b'), makeFile('c')];

  it.each<[string, RegExp]>([
    [`test-stripe(${a}, ${b}, ${join(folder, 'missing')})`, /ENOENT/],
    [`test-stripe(${a}, test-slice(${b}, fail=1))`, /slice fails/],
    [`test-stripe(test-slice(${a}), test-slice(test-stripe(${b}, ${folder})), ${c})`, /EISDIR/],
    [`test-slice(${a}, beside=test-crypt(${b}))`, /a key or a keyFile/],
    [`test-stripe(${a}, ${b}, mem:0)`, /at least 1/],
  ])('is closed as far as it was opened: %s', async (text, reason) => {
    expect(openFiles()).toEqual([]);
    await expect(openDevice(text)).rejects.toThrow(reason);
    expect(openFiles()).toEqual([]);
  });

  it('is nothing that the check for open files would not see', async () => {
    const device = await openDevice(`test-stripe(${a}, test-slice(${b}))`);
    expect([...openFiles()].sort()).toEqual(['a', 'b']);
    await device.close();
    expect(openFiles()).toEqual([]);
  });

  it('is checked as a whole before anything is opened', async () => {
    deeds.length = 0;
    await expect(openDevice(`test-stripe(test-slice("${join(folder, 'made')}"?create=1), fiel:a)`)).rejects.toMatchObject({
      suggestion: 'file',
    });
    await expect(openDevice(`test-stripe(test-slice("${join(folder, 'made')}"?create=1), mem)`)).rejects.toThrow(/sizeBytes/);
    expect(deeds).toEqual([]);
    expect(readdirSync(folder)).not.toContain('made');
  });
});

it('a device by its name is like any other', async () => {
  const device = await openDevice('mem:1k');
  await write(device, 'hello', 100);
  const buffer = IoBuffer.allocate(5);
  await read(device, buffer, 100);
  expect(Buffer.from(buffer.bytes).toString()).toBe('hello');
  await device.close();
});
