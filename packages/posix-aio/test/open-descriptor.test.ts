import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { probe } from '@biodone/uring';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Folder, makeFolder } from './support/files.js';
import { pathOf, run, runScript } from './support/run-child.js';

vi.setConfig({ testTimeout: 60_000 });

const { available, reason } = probe();
if (!available) console.warn(`files that the ring opens are not tested: ${reason}`);

let folder: Folder;
let path: string;

beforeAll(() => {
  folder = makeFolder();
  path = join(folder.path, 'file');
  writeFileSync(path, 'content');
});

afterAll(() => folder.remove());

describe.each(['fresh', 'used'])('open at the limit of descriptors, by a thread that is %s', (when) => {
  const atLimit = async (room: number): Promise<unknown> => {
    const program = `'${process.execPath}' '${pathOf('at-descriptor-limit.mjs')}' '${path}' ${room} ${when}`;
    const { stdout, stderr } = await run('sh', ['-c', `ulimit -n 64; exec ${program}`]);
    expect(stdout, stderr).not.toBe('');
    return JSON.parse(stdout);
  };

  it('leaves the file to Node where there is room for it, and none for a ring', async () => {
    expect(await atLimit(1)).toEqual({ ends: ['content 7', 'content 7', 'content 7'], later: 7 });
  });

  it('fails as FileHandle does where there is room for nothing, and no longer when there is', async () => {
    const refused = 'EMFILE open true';
    expect(await atLimit(0)).toEqual({ ends: [refused, refused, refused], later: 7 });
  });
});

describe('the class of FileHandle, by which one is made for a descriptor that is there', () => {
  const opened = async (how: string): Promise<unknown> => {
    const { stdout, stderr } = await runScript('open-with-patched-class.mjs', path, how);
    expect(stdout, stderr).not.toBe('');
    return JSON.parse(stdout);
  };
  const seen = ['content 7', 'content 7', 'content 7'];

  it('is that of the first file, and Node opens no other one by it', async () => {
    expect(await opened('nothing')).toEqual({ openedByNode: 1, seen, isOpen: false });
  });

  it.each([
    'a class of another name',
    'a constructor that throws',
    'a constructor that takes the descriptor otherwise',
    'a class without methods',
  ])('is left alone where somebody has changed it, and Node opens every file: %s', async (how) => {
    expect(await opened(how)).toEqual({ openedByNode: 3, seen, isOpen: false });
  });
});
