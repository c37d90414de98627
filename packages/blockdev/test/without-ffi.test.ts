import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ENOTSUP } from '@biodone/uring';
import { expect, it } from 'vitest';
import { programPath, run } from './support/child.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();

it.each(['fs', 'sync', 'auto'])(
  "a file without a foreign function interface does what Node's own calls do, engine %s",
  async (engine) => {
    const path = join(folder, engine);
    writeFileSync(path, '');
    const program = ['--require', programPath('without-ffi.cjs'), programPath('use-file.mjs'), path, engine];
    const { status, stdout, stderr } = await run(process.execPath, program);
    expect(status).toBe(0);
    if (engine === 'auto') expect(stderr).toMatch(/BIODONE_NO_IO_URING/);
    else expect(stderr).toBe('');
    const expected = {
      write: [0, 11],
      parts: [0, 11],
      stable: [0, 11],
      flush: [0, 0],
      zeros: [0, 3],
      discard: [ENOTSUP, 0],
      extents: [0, 33],
      read: [0, 33],
      text: 'h\0\0\0o worldhello worldhello world',
    };
    const { strategy, strategySync, ...described } = JSON.parse(stdout);
    expect(strategy).toEqual(expected);
    expect(strategySync).toEqual(expected);
    expect(described).toEqual({ locked: false, zeroes: 'emulate', fua: 'emulate' });
  },
);
