import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

// The models in models/, checked by spin. BIODONE_MODELS=full (npm run models) adds the variants that take longer.

const models = new URL('../models/', import.meta.url).pathname;
const sources = new URL('../src/', import.meta.url).pathname;
const [checker, compiler] = ['spin', 'gcc'] as const;
const missing = [checker, compiler].filter(
  (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).error !== undefined,
);
if (missing.length > 0)
  console.log(`The models are not checked: ${missing.join(' and ')} not found (Debian: apt install spin gcc).`);

const quick: readonly (readonly string[])[] = [
  ['mutex'],
  ['condvar'],
  ['condvar', '-DBROADCAST'],
  ['semaphore', '-DSPURIOUS=0'],
  ['rwlock', '-DSPURIOUS=0'],
  ['ring', '-DSPURIOUS=0'],
  ['ring', '-DLATE', '-DSPURIOUS=0'],
];
const full: readonly (readonly string[])[] = [
  ['mutex'],
  ['condvar'],
  ['condvar', '-DBROADCAST'],
  ['semaphore'],
  ['rwlock'],
  ['rwlock', '-DCALLBACK_READS'],
  ['rwlock', '-DDOWNGRADE', '-DSPURIOUS=0'],
  ['ring'],
  ['ring', '-DCALLBACK'],
  ['ring', '-DLATE'],
  ['ring', '-DTIMED', '-DSPURIOUS=0'],
];
const everything = process.env['BIODONE_MODELS'] === 'full';
const runs = everything ? full : quick;

/** A mistake in a model, which spin must find: or it would find none in the algorithm either. */
const mistakes: readonly { model: string; option?: string; from: string; to: string }[] = [
  { model: 'mutex', from: 'lock = state | (me + 1) | mark', to: 'lock = state | (me + 1)' },
  { model: 'mutex', from: 'lock == state -> lock = state | CALLBACKS; state = 0', to: 'true -> state = 0' },
  {
    model: 'condvar',
    from: 'park_sequence(THREADS, expected);\n\t\texit_mutex()',
    to: 'exit_mutex();\n\t\tpark_sequence(THREADS, expected)',
  },
  { model: 'semaphore', from: 'count = count + amount; done', to: 'count = units + 1; done' },
  { model: 'rwlock', from: ':: else -> park_wake_all(READERS)', to: ':: else' },
  { model: 'ring', from: 'head = head | 1;', to: 'head = (head | 1) + 2;' },
  { model: 'ring', option: '-DLATE', from: '/* [mpsc:pop] */\n\t\t\tpark_wake_all(PRODUCER)', to: '' },
];

const folder = mkdtempSync(join(tmpdir(), 'biodone-models-'));
afterAll(() => rmSync(folder, { recursive: true }));
let checks = 0;

/** What the checker says about a model. */
function check(model: string, options: readonly string[], edit: (text: string) => string = (text) => text): string {
  const place = join(folder, String(checks++));
  cpSync(models, place, { recursive: true });
  const file = join(place, `${model}.pml`);
  writeFileSync(file, edit(readFileSync(file, 'utf8')));
  execFileSync(checker, ['-a', ...options, `${model}.pml`], { cwd: place });
  execFileSync(compiler, ['-O2', '-w', '-DSAFETY', '-DCOLLAPSE', '-DVECTORSZ=2048', '-o', 'pan', 'pan.c'], { cwd: place });
  return execFileSync(join(place, 'pan'), ['-m200000'], { cwd: place, encoding: 'utf8' });
}

describe.skipIf(missing.length > 0)('a model', () => {
  it.each(runs.map((run) => [run.join(' '), run] as const))(
    '%s has no error',
    (_name, [model = '', ...options]) => {
      const report = check(model, options);
      expect(report).toMatch(/errors: 0\b/);
      // Otherwise not everything was looked at.
      expect(report).not.toMatch(/search not completed|max search depth too small/i);
    },
    300_000,
  );

  it.each(everything ? mistakes : mistakes.slice(0, 1))(
    '$model finds a mistake: $to',
    ({ model, option, from, to }) => {
      const report = check(model, option === undefined ? ['-DSPURIOUS=0'] : ['-DSPURIOUS=0', option], (text) => {
        expect(text.split(from)).toHaveLength(2);
        return text.replace(from, to);
      });
      expect(report).toMatch(/errors: [1-9]/);
    },
    300_000,
  );
});

describe('the mapping between the models and the code', () => {
  // In the code only: looked at by the explorer, not by a model.
  const unmodelled = [
    'mutex:spin',
    'mutex:owned',
    'mutex:owner-died',
    'mutex:consistent',
    'semaphore:value',
    'rwlock:write-held',
    'parking:waiters',
    'ring:closed',
    'ring:length-tail',
    'ring:length-head',
    'callback-queue:retire',
  ];
  const tagsOf = (path: string): Set<string> =>
    new Set(Array.from(readFileSync(path, 'utf8').matchAll(/\[([a-z-]+:[a-z-]+)\]/g), (match) => match[1] as string));
  const inModels = new Map<string, string>();
  for (const file of readdirSync(models)) for (const tag of tagsOf(join(models, file))) inModels.set(tag, file);
  const inCode = new Map<string, string>();
  for (const file of readdirSync(sources)) for (const tag of tagsOf(join(sources, file))) inCode.set(tag, file);

  it('names in each step of a model a line of the code', () => {
    expect([...inModels.keys()].filter((tag) => !inCode.has(tag))).toEqual([]);
  });

  it('has each access to shared memory of the code in a model, but for those listed', () => {
    const missingTags = [...inCode.keys()].filter((tag) => !inModels.has(tag) && !unmodelled.includes(tag));
    expect(missingTags.filter((tag) => !tag.startsWith('mutex:robust-') && !tag.startsWith('spsc:'))).toEqual([]);
    expect(unmodelled.filter((tag) => !inCode.has(tag))).toEqual([]);
  });

  it('has a tag above each access', () => {
    const untagged: string[] = [];
    for (const file of readdirSync(sources)) {
      // What is laid out before other threads come needs no partner in a model.
      if (file === 'layout.ts') continue;
      const lines = readFileSync(join(sources, file), 'utf8').split('\n');
      lines.forEach((line, index) => {
        if (!/\bAtomics\.\w+\(/.test(line) || /^\s*(\/\/|\/?\*)/.test(line)) return;
        let above = index - 1;
        while (/^\s*\/\//.test(lines[above] ?? '') && !/\[[a-z-]+:[a-z-]+\]/.test(lines[above] ?? '')) above--;
        if (!/\[[a-z-]+:[a-z-]+\]/.test(lines[above] ?? '')) untagged.push(`${file}:${index + 1} ${line.trim()}`);
      });
    }
    expect(untagged).toEqual([]);
  });
});
