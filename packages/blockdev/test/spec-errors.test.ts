import { type DeviceSpec, formatSpec, openDevice, parseSpec, registeredDrivers, SpecError } from '@biodone/blockdev';
import { describe, expect, it } from 'vitest';
import { registerTestDrivers } from './support/test-drivers.js';

registerTestDrivers();

function errorOf(call: () => unknown): SpecError {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(SpecError);
    return error as SpecError;
  }
  throw new Error('it was taken for a right one');
}

describe('a wrong text', () => {
  it('is shown with a caret under the place', () => {
    const error = errorOf(() => parseSpec('test-stripe(64k, fiel:a, file:b)'));
    const names = registeredDrivers().map(({ name }) => name);
    expect(names).toContain('test-stripe');
    expect(error.message).toBe(
      [
        'invalid device spec',
        'test-stripe(64k, fiel:a, file:b)',
        `                 ^ expected a driver (${names.join(', ')}), did you mean "file"?`,
      ].join('\n'),
    );
    expect(error).toMatchObject({
      name: 'SpecError',
      code: 'ERR_INVALID_DEVICE_SPEC',
      position: 17,
      path: null,
      suggestion: 'file',
    });
  });

  // The caret stands under the character after the mark.
  it.each<[string, RegExp, string | null]>([
    ['▸', /^a driver .* or a path$/, null],
    ['▸disk', /a driver .* or a path, which has a "\/" in it/, './disk'],
    ['▸test-strip(./a, ./b)', /a driver/, 'test-stripe'],
    ['▸http://x', /a driver \([^)]*\)$/, null],
    ['▸mem', /mem to have sizeBytes \(a size in bytes, at least 1\)/, null],
    ['mem:▸', /for sizeBytes a size in bytes/, null],
    ['mem:▸64q', /such as 4096 or 64k/, null],
    ['mem:▸-1', /a size/, null],
    ['mem:▸1.5m', /a size/, null],
    ['mem:▸0x10', /a size/, null],
    ['mem:▸9007199254740992', /a size/, null],
    ['mem:▸8192t', /a size/, null],
    ['mem:▸0', /at least 1/, null],
    ['mem:1▸,', /the end of the text/, null],
    ['file:a ▸b', /the end of the text .*quotes/, null],
    ['file:a▸(1)', /the end of the text .*quotes/, null],
    ['file:▸"a', /a closing quote for this one/, null],
    ['file:"a\\▸n"', /nothing else follows a backslash/, null],
    ['file:▸"a\0"', /a path/, null],
    ['▸""', /a path/, null],
    ['file:a?▸', /an option of file \(path, readOnly,/, null],
    ['file:a?▸creat=1', /an option of file/, 'create'],
    ['file:a?create=1&▸create=0', /create once/, null],
    ['file:a?▸path=b', /path once/, null],
    ['file:a?create▸', /"=" and 0, 1, true/, null],
    ['file:a?create=▸2', /0, 1, true, false, yes or no/, null],
    ['file:a?engine=▸uringg', /one of auto, uring, fs/, 'uring'],
    ['test-slice▸:null', /"\(" instead of ":"/, null],
    ['▸test-slice', /to have device/, null],
    ['▸test-slice(offset=1)', /to have device/, null],
    ['test-slice▸(null', /a closing parenthesis for this one/, null],
    ['test-slice(null)▸)', /the end of the text/, null],
    ['test-slice(null:▸', /a size/, null],
    ['test-slice(null,▸)', /a size in bytes, or an option with its name/, null],
    ['test-slice(null, 1, 2, ▸3)', /with its name: test-slice has level, mode/, null],
    ['test-slice(null, ▸"label")', /a number/, null],
    ['test-slice(null, level=▸6)', /an integer, at least -5, at most 5/, null],
    ['test-slice(null, level=▸1.5)', /an integer/, null],
    ['test-slice(null, weight=▸1e999)', /a number/, null],
    ['test-slice(null, weight=▸Infinity)', /a number/, null],
    ['test-slice(null, ▸ofset=1)', /an option of test-slice/, 'offset'],
    ['test-slice(null, ▸device=null)', /device once/, null],
    ['test-slice(null, offset=1, ▸offsetBytes=1)', /offsetBytes once/, null],
    ['test-slice(null ▸offset=1)', /"," or "\)"/, null],
    ['test-slice(null?▸device=null)', /an option of null/, null],
    ['test-stripe(▸./a)', /2 to 40 devices, not 1/, null],
    ['▸test-stripe(4k)', /to have devices \(one device or more\)/, null],
    ['test-stripe(./a, ▸missing)', /a driver/, './missing'],
    ['▸missing', /a driver/, './missing'],
    ['test-stripe(▸1, ./a, ./b)', /at least 512, at most 1g/, null],
  ])('%s', (marked, expected, suggestion) => {
    const position = marked.indexOf('▸');
    const error = errorOf(() => parseSpec(marked.replace('▸', '')));
    expect(error).toMatchObject({ position, suggestion });
    expect(error.expected).toMatch(expected);
  });

  it('is cut where it is long, and cannot break the line', () => {
    const { message } = errorOf(() =>
      parseSpec(`test-stripe("${'x'.repeat(500)}", "é😀\u001b[2J\n", ▸, ${'./y, '.repeat(100)})`.replace('▸, ', ',')),
    );
    const [, shown = '', caret = ''] = message.split('\n');
    expect(shown).toMatch(/^….*"é😀·\[2J·", ,.*…$/);
    expect([...shown][caret.indexOf('^')]).toBe(',');
    expect(message.split('\n')).toHaveLength(3);
  });

  it('is refused before the stack overflows, and before the machine is full', () => {
    const nested = (depth: number): string => `${'test-slice('.repeat(depth - 1)}null${')'.repeat(depth - 1)}`;
    expect(() => parseSpec(nested(16))).not.toThrow();
    expect(errorOf(() => parseSpec(nested(17))).expected).toMatch(/no more than 16 devices/);
    expect(errorOf(() => parseSpec('test-slice('.repeat(5000))).expected).toMatch(/no more than 16 devices/);
    expect(errorOf(() => parseSpec(`"${'x'.repeat(65535)}"`)).expected).toMatch(/at most 65536 characters/);
    expect(errorOf(() => parseSpec('('.repeat(65536))).position).toBe(0);
  });
});

describe('a secret', () => {
  it('is refused in a text, with the way out, and not repeated', () => {
    const error = errorOf(() => parseSpec('test-crypt(null, key="s,3"cret)'));
    expect(error.expected).toBe('keyFile=FILE instead of key, since whoever lists the processes sees what stands here');
    expect(error.message).toContain('test-crypt(null, key=*****');
    expect(error.message).not.toContain('s,3');
  });

  it('is not repeated by errors elsewhere in the text', () => {
    for (const text of [
      'test-crypt(nul, key=geheim)',
      'test-crypt(nul, Passphrase = "geheim, \\" geheim")',
      'nul?password=geheim',
    ]) {
      expect(errorOf(() => parseSpec(text)).message).not.toContain('geheim');
    }
  });

  it('can stand in JSON, and goes into no message and no text', () => {
    const spec = { driver: 'test-crypt', device: { driver: 'null' }, key: 'geheim' };
    expect(errorOf(() => formatSpec(spec))).toMatchObject({ path: '/key' });
    expect(errorOf(() => formatSpec(spec)).message).not.toContain('geheim');
    const wrong = { ...spec, key: ['geheim'] } as unknown as DeviceSpec;
    expect(errorOf(() => formatSpec(wrong)).message).not.toContain('geheim');
  });
});

describe('a wrong object', () => {
  it.each<[unknown, string, RegExp, string | null]>([
    [null, '', /an object with a driver/, null],
    [undefined, '', /an object with a driver/, null],
    [7, '', /an object with a driver/, null],
    [['null'], '', /an object with a driver/, null],
    [{}, '/driver', /a driver/, null],
    [{ driver: 'fiel' }, '/driver', /a driver/, 'file'],
    [{ driver: ['null'] }, '/driver', /a driver/, null],
    [{ driver: 'constructor' }, '/driver', /a driver/, null],
    [Object.create({ driver: 'null' }), '/driver', /a driver/, null],
    [JSON.parse('{"driver":"null","__proto__":{}}'), '/__proto__', /an option of null/, null],
    [{ driver: 'null', constructor: 1 }, '/constructor', /an option of null/, null],
    [{ driver: 'null', 'a/b~c': 1 }, '/a~1b~0c', /an option of null/, null],
    [{ driver: 'mem' }, '/sizeBytes', /mem to have sizeBytes/, null],
    [{ driver: 'mem', size: 1 }, '/size', /an option of mem/, 'sizeBytes'],
    [{ driver: 'mem', sizeBytes: '64m' }, '/sizeBytes', /a size/, '67108864'],
    [{ driver: 'mem', sizeBytes: 0 }, '/sizeBytes', /at least 1/, null],
    [{ driver: 'mem', sizeBytes: 1.5 }, '/sizeBytes', /a size/, null],
    [{ driver: 'mem', sizeBytes: Number.NaN }, '/sizeBytes', /a size/, null],
    [{ driver: 'mem', sizeBytes: 2 ** 53 }, '/sizeBytes', /a size/, null],
    [{ driver: 'mem', sizeBytes: null }, '/sizeBytes', /a size/, null],
    [{ driver: 'mem', sizeBytes: 10n }, '/sizeBytes', /a size/, null],
    [{ driver: 'file', path: '' }, '/path', /a path/, null],
    [{ driver: 'file', path: 'a\0b' }, '/path', /a path/, null],
    [{ driver: 'file', path: { toString: () => 'x' } }, '/path', /a path/, null],
    [{ driver: 'file', path: 'a', direct: 1 }, '/direct', /0, 1, true/, null],
    [{ driver: 'file', path: 'a', direct: 'yes' }, '/direct', /0, 1, true/, 'true'],
    [{ driver: 'file', path: 'a', engine: 'uringg' }, '/engine', /one of auto, uring, fs/, 'uring'],
    [{ driver: 'test-slice', device: 'null' }, '/device', /an object with a driver/, null],
    [{ driver: 'test-slice', device: { driver: 'nul' } }, '/device/driver', /a driver/, 'null'],
    [{ driver: 'test-stripe', devices: { driver: 'null' } }, '/devices', /an array of devices/, null],
    [{ driver: 'test-stripe', devices: [{ driver: 'null' }, null] }, '/devices/1', /an object with a driver/, null],
    [{ driver: 'test-stripe', devices: [] }, '/devices', /2 to 40 devices, not 0/, null],
    [{ driver: 'test-stripe', devices: [{ driver: 'null' }, 3] }, '/devices/1', /an object with a driver/, null],
  ])('%o', async (spec, path, expected, suggestion) => {
    const error = await openDevice(spec as DeviceSpec).then(
      () => null,
      (reason: SpecError) => reason,
    );
    expect(error).toBeInstanceOf(SpecError);
    expect(error).toMatchObject({ code: 'ERR_INVALID_DEVICE_SPEC', position: null, path, suggestion });
    expect(error?.expected).toMatch(expected);
    expect(error?.message).toMatch(/^invalid device spec, at /);
  });

  it('may refer to itself, or be a giant', async () => {
    const ring: Record<string, unknown> = { driver: 'test-slice' };
    ring['device'] = ring;
    await expect(openDevice(ring as DeviceSpec)).rejects.toThrow(/no more than 16 devices in each other/);
    let giant: DeviceSpec = { driver: 'null' };
    for (let level = 0; level < 10; level++) giant = { driver: 'test-stripe', devices: new Array<DeviceSpec>(40).fill(giant) };
    await expect(openDevice(giant)).rejects.toThrow(/no more than 1024 devices in all/);
  });
});
