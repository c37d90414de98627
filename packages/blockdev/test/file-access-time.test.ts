import { chmodSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK_READ, openDevice, openFile } from '@biodone/blockdev';
import { IoBuffer } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { ask, modes } from './support/ask.js';
import { engines } from './support/available.js';
import { programPath, run } from './support/child.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
let files = 0;

/** A file that was read long before it was written: relatime (mount(8)) notes the next read of it. */
function readLongAgo(): string {
  const path = join(folder, `file-${files++}`);
  writeFileSync(path, Buffer.alloc(4096, 7));
  utimesSync(path, 1000, 2000);
  return path;
}

const isNoted = (path: string): boolean => statSync(path).atimeMs !== 1_000_000;

const unnoticed = ((): string | null => {
  if (process.platform !== 'linux') return `no O_NOATIME on ${process.platform}`;
  const path = readLongAgo();
  readFileSync(path);
  return isNoted(path) ? null : 'the file system notes no reads (noatime)';
})();
if (unnoticed !== null) console.warn(`access times are skipped: ${unnoticed}`);

describe.skipIf(unnoticed !== null).each(engines)('the time of last access of a file, engine %s', (engine) => {
  it.each(modes)('is left alone, or noted if that is asked for: %s', async (mode) => {
    for (const accessTime of [false, true]) {
      const path = readLongAgo();
      const device = openFile(path, { engine, accessTime });
      const io = await ask(device, mode, { operation: BLOCK_READ, buffer: IoBuffer.allocate(4096), lengthBytes: 4096 });
      expect([io.error, io.buffer?.bytes[0]]).toEqual([0, 7]);
      await device.close();
      expect(isNoted(path)).toBe(accessTime);
    }
  });
});

describe.skipIf(unnoticed !== null)('accessTime', () => {
  it('is an option of specs, and config() says it where it was asked for', async () => {
    const path = readLongAgo();
    const device = await openDevice(`file(${path}, readOnly=1, accessTime=1)`);
    expect(device.config()).toMatchObject({ driver: 'file', path, accessTime: true });
    await device.close();
    const plain = openFile(path, { readOnly: true });
    expect(plain.config()).not.toHaveProperty('accessTime');
    await plain.close();
  });

  const isRoot = process.getuid?.() === 0;
  if (!isRoot) console.warn("files of somebody else's are skipped: only root can become somebody else");
  it.skipIf(!isRoot).each(engines)("of somebody else's file is noted, with engine %s", async (engine) => {
    const path = readLongAgo();
    chmodSync(folder, 0o755);
    const { stdout, stderr } = await run(process.execPath, [programPath('read-as-nobody.mjs'), path, engine]);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ error: 0, first: 7, uid: 65_534 });
    expect(isNoted(path)).toBe(true);
  });
});
