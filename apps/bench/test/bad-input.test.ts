import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { bench, PROGRAM, type RunOptions } from './support/bench.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
const NOBODY = 65534;

beforeAll(() => {
  mkdirSync(join(folder, 'folder'));
  mkdirSync(join(folder, 'closed'));
  writeFileSync(join(folder, 'data'), 'precious');
  writeFileSync(join(folder, 'other.json'), '{"figures":{},"environment":{"program":"something else"}}');
  symlinkSync('nowhere', join(folder, 'dangling'));
  symlinkSync('/dev/null', join(folder, 'device'));
});

/** Every path below the folder with its contents. */
function contents(): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    entries.map((name) => {
      const path = join(folder, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      return [name, stat?.isFile() === true ? readFileSync(path, 'utf8') : (stat?.mode.toString(8) ?? 'dangling')];
    }),
  );
}

/** Expects one line with these words on stderr, exit status 2, and nothing changed. */
async function expectRefused(args: readonly string[], words: readonly string[], options: RunOptions = {}): Promise<void> {
  const before = contents();
  const outcome = await bench(args, { cwd: folder, ...options });
  expect(outcome).toMatchObject({ status: 2, stdout: '' });
  expect(outcome.stderr).toMatch(/^biodone-bench: [^\n]+\n$/);
  for (const word of words) expect(outcome.stderr).toContain(word);
  expect(contents()).toEqual(before);
}

const device = process.platform === 'win32' ? '\\\\.\\nul' : '/dev/null';

describe('biodone-bench refuses', () => {
  it.each<[string, string[], string[]]>([
    ['an unknown option', ['--direcotry', '.'], ['--direcotry', '--directory?']],
    ['a missing value', ['--json'], ['--json', '--help']],
    ['a bad size', ['--size', '256x'], ["'256x'", '--size 256m']],
    ['a bad number', ['--repeats', 'five'], ["'five'", 'whole number']],
    ['a folder that does not exist', ['--directory', 'missing'], ["'missing'", 'does not exist', '--directory']],
    ['a file as folder', ['--directory', 'data'], ["'data'", 'not a directory', '--directory']],
    ['a device as folder', ['--directory', device], [device, 'not a directory']],
    ['a size beyond the room', ['--directory', '.', '--size', '8000000g'], ['no room', folder, 'smaller --size']],
    ['a directory as test file', ['folder'], ["'folder'", 'directory', "--directory 'folder'"]],
    ['a device as test file', [device], [device, 'device', 'does not exist yet']],
    ['an existing file as test file', ['data'], ["'data'", 'exists', 'does not exist yet']],
    ['a dangling link as test file', ['dangling'], ["'dangling'", 'exists']],
    ['a test file in a missing folder', ['missing/file'], ["'missing'", 'does not exist']],
    ['a test file below a file', ['data/file'], ["'data/file'", 'ENOTDIR']],
    ['a name that is too long', ['x'.repeat(300)], ['ENAMETOOLONG', 'name a file']],
    ['two test files', ['one', 'two'], ["'two'", 'leave out']],
    ['a report that is a directory', ['--json', 'folder'], ["'folder'", 'directory', '--json']],
    ['a report that is a device', ['--json', device], [device, 'device', '--json']],
    ['a report that is a device behind a link', ['--json', 'device'], ["'device'", 'device', '--json']],
    ['a report in a missing folder', ['--json', 'missing/a.json'], ["'missing'", 'does not exist', '--json']],
    ['a report over other data', ['--json', 'data'], ["'data'", 'not an earlier report', '--json']],
    ['a report over the JSON of another program', ['--json', 'other.json'], ["'other.json'", 'not an earlier report']],
    ['a test file that is also the report', ['same', '--json', 'same'], ['same', 'both']],
    ['a name with a line break, in one line', ['missing\n/file'], ['"missing\\n"', 'does not exist']],
  ])('%s', async (_, args, words) => {
    await expectRefused(args, words);
  });

  // Root may write everywhere, so root's tests are run as somebody else.
  const isRoot = process.getuid?.() === 0;
  const asSomebody: RunOptions = isRoot ? { uid: NOBODY } : {};

  it.skipIf(process.getuid === undefined)('a folder without permission', async (context) => {
    if (isRoot && spawnSync(process.execPath, [PROGRAM, '--version'], { uid: NOBODY }).status !== 0) {
      console.warn('a folder without permission: skipped, another user than root cannot reach this Node or these files');
      context.skip();
    }
    chmodSync(join(folder, 'closed'), 0o555);
    chmodSync(folder, 0o755);
    await expectRefused(['--directory', 'closed'], ["'closed'", 'no permission', '--directory'], asSomebody);
    await expectRefused(['closed/file'], ["'closed'", 'no permission'], asSomebody);
    await expectRefused(['--json', 'closed/a.json'], ["'closed'", 'no permission', '--json'], asSomebody);
  });
});
