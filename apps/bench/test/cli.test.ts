import { describe, expect, it } from 'vitest';
import { parseCommandLine, type RunOptions } from '../src/cli.js';
import { mountOf } from '../src/file-system.js';
import { nearest } from '../src/nearest.js';
import { formatSize, parseSize } from '../src/size.js';
import { UsageError } from '../src/usage-error.js';

function optionsOf(...args: string[]): RunOptions {
  const command = parseCommandLine(args);
  if (command.kind !== 'run') throw new Error(`${args.join(' ')} does not run`);
  return command.options;
}

describe('the command line', () => {
  it('has defaults', () => {
    expect(optionsOf()).toEqual({
      directory: null,
      path: null,
      sizeBytes: 256 * 2 ** 20,
      seconds: 50,
      repeats: 5,
      jsonFile: null,
      showsFio: false,
    });
  });

  it('takes all options', () => {
    const args = ['--directory', 'a', '--size=1g', '--seconds', '20', '--repeats', '7', '--json', 'b.json', '--fio'];
    expect(optionsOf(...args)).toEqual({
      directory: 'a',
      path: null,
      sizeBytes: 2 ** 30,
      seconds: 20,
      repeats: 7,
      jsonFile: 'b.json',
      showsFio: true,
    });
    expect(optionsOf('here.dat')).toMatchObject({ path: 'here.dat', directory: null });
    expect(optionsOf('--', '--here.dat')).toMatchObject({ path: '--here.dat' });
  });

  it('has other defaults when it is to be quick', () => {
    expect(optionsOf('--quick')).toMatchObject({ sizeBytes: 64 * 2 ** 20, seconds: 5, repeats: 1 });
    expect(optionsOf('--quick', '--repeats', '2')).toMatchObject({ seconds: 5, repeats: 2 });
  });

  it('asks for help and for the version, whatever else there is', () => {
    expect(parseCommandLine(['-h'])).toEqual({ kind: 'help' });
    expect(parseCommandLine(['--size', '5x', '--help'])).toEqual({ kind: 'help' });
    expect(parseCommandLine(['--version'])).toEqual({ kind: 'version' });
  });

  it.each([
    [['--direcotry', 'x'], 'unknown option --direcotry: did you mean --directory?'],
    [['--quik'], 'unknown option --quik: did you mean --quick?'],
    [['--dir=x'], 'unknown option --dir: did you mean --directory?'],
    [['-q'], 'unknown option -q: did you mean --quick?'],
    [['--constructor'], 'unknown option --constructor: see --help for those that exist'],
    [['--frobnicate'], 'unknown option --frobnicate: see --help for those that exist'],
    [['--size'], '--size needs a value after it: see --help'],
    [['--json', '--quick'], '--json needs a value after it: see --help'],
    [['--json='], '--json is empty: give it a value, or leave it out'],
    [[''], 'PATH is empty: give it a value, or leave it out'],
    [['--quick=yes'], "Option '--quick' does not take an argument: see --help"],
    [['--size', '5x'], "--size '5x' is not a size: give bytes as a whole number, with k, m or g, as in --size 256m"],
    [['--size=-1m'], "--size '-1m' is not a size: give bytes as a whole number, with k, m or g, as in --size 256m"],
    [['--size', '1m'], '--size 1m is too small: give at least 16 MiB, as in --size 64m'],
    [['--repeats', '0'], "--repeats '0' is not possible: give a whole number from 1 to 1000"],
    [['--repeats', '1e3'], "--repeats '1e3' is not possible: give a whole number from 1 to 1000"],
    [['--seconds', '1.5'], "--seconds '1.5' is not possible: give a whole number from 1 to 3600"],
    [['--seconds', '99999999999'], "--seconds '99999999999' is not possible: give a whole number from 1 to 3600"],
    [['runn'], "'runn' is no command: did you mean run? A test file of that name is ./runn"],
    [['compar'], "'compar' is no command: did you mean compare? A test file of that name is ./compar"],
    [['rnu'], "'rnu' is no command: did you mean run? A test file of that name is ./rnu"],
    [['comapre', 'uring', 'fs'], "'comapre' is no command: did you mean compare? A test file of that name is ./comapre"],
    [['a', 'b'], "one test file is enough: leave out 'b', or quote a path that has spaces"],
    [['--directory', 'a', 'b'], "'b' and --directory both say where the test file goes: leave one of them out"],
  ])('refuses %j', (args, message) => {
    expect(() => parseCommandLine(args)).toThrow(new UsageError(message));
  });
});

describe('sizes', () => {
  it('are read with and without a suffix', () => {
    expect(parseSize('4096')).toBe(4096);
    expect(parseSize('64K')).toBe(65_536);
    expect(parseSize('3g')).toBe(3 * 2 ** 30);
    for (const text of ['', 'm', '1.5m', '1 m', '0x10', '1t', '9007199254740992', '99999999g']) {
      expect(parseSize(text), text).toBeNull();
    }
  });

  it('are written for people', () => {
    expect([formatSize(0), formatSize(1023), formatSize(1536), formatSize(2 ** 28), formatSize(2 ** 55)]).toEqual([
      '0 bytes',
      '1023 bytes',
      '1.5 KiB',
      '256 MiB',
      '32768 TiB',
    ]);
  });
});

it('guesses names only where they are near', () => {
  const known = ['directory', 'size', 'seconds', 'json'];
  expect(nearest('sise', known)).toBe('size');
  expect(nearest('jason', known)).toBe('json');
  expect(nearest('secnds', known)).toBe('seconds');
  expect(nearest('verbose', known)).toBeNull();
  expect(nearest('', known)).toBeNull();
});

it('finds the file system of a path among the mounts', () => {
  const mountinfo = [
    '21 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
    '22 21 0:20 / /tmp rw shared:5 master:1 - tmpfs tmpfs rw',
    '23 21 0:21 / /a\\040b rw - xfs /dev/sdb rw',
    '24 22 0:22 / /tmp rw - overlay overlay rw',
    '',
  ].join('\n');
  expect(mountOf('/home/me', mountinfo)).toBe('ext4 (/dev/vda)');
  expect(mountOf('/tmpfile', mountinfo)).toBe('ext4 (/dev/vda)');
  expect(mountOf('/tmp/x', mountinfo)).toBe('overlay (overlay)');
  expect(mountOf('/tmp', mountinfo)).toBe('overlay (overlay)');
  expect(mountOf('/a b/c', mountinfo)).toBe('xfs (/dev/sdb)');
  expect(mountOf('/x', 'nonsense')).toBeNull();
});
