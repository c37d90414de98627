import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attachDevice, type BlockDevice, openFile } from '@biodone/blockdev';
import { libc } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { engines } from './support/available.js';
import { programPath } from './support/child.js';
import { write } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
let files = 0;
function newFile(): string {
  files += 1;
  const path = join(folder, `file-${files}`);
  writeFileSync(path, 'content');
  return path;
}

describe.each(engines)('the lock of a file, engine %s', (engine) => {
  const open = (path: string, options = {}): BlockDevice => openFile(path, { engine, ...options });
  const inUse = (path: string): unknown => expect.objectContaining({ code: 'EBUSY', syscall: 'flock', path });

  it('keeps a second writer out until the first has closed', async () => {
    const path = newFile();
    const first = open(path);
    expect(first.describe()).toMatchObject({ locked: true });
    for (const other of engines) expect(() => openFile(path, { engine: other })).toThrow(inUse(path));
    expect(() => open(path)).toThrow(/readOnly: true|lock: false/);
    // What was refused has let go of nothing.
    expect(() => open(path)).toThrow(inUse(path));
    await first.close();
    const second = open(path);
    expect((await write(second, 'x', 0)).error).toBe(0);
    await second.close();
  });

  it('lets readers in, and who says that he sees to it himself', async () => {
    const path = newFile();
    const writer = open(path);
    const reader = open(path, { readOnly: true });
    const other = open(path, { lock: false });
    expect([reader, other].map((device) => device.describe()['locked'])).toEqual([false, false]);
    expect(other.config()).toEqual({
      driver: 'file',
      path,
      readOnly: false,
      direct: false,
      growable: false,
      engine,
      lock: false,
    });
    await reader.close();
    await other.close();
    expect(() => open(path)).toThrow(inUse(path));
    await writer.close();
    const alone = open(path, { readOnly: true });
    await open(path).close();
    await alone.close();
  });

  it('is one for all channels, and stays until the device itself is closed', async () => {
    const path = newFile();
    const device = open(path);
    const channel = attachDevice(device.handle());
    expect(channel.describe()).toEqual(device.describe());
    await channel.close();
    expect(() => open(path)).toThrow(inUse(path));
    await device.close();
    await open(path).close();
  });

  it('is respected from one process to another, and goes with a process that is killed', async () => {
    const path = newFile();
    const device = open(path);
    const refused = child(path, engine);
    expect(await said(refused)).toBe('EBUSY flock');
    await device.close();
    const owner = child(path, engine);
    expect(await said(owner)).toBe('open');
    expect(() => open(path)).toThrow(inUse(path));
    const exit = once(owner, 'exit');
    owner.kill('SIGKILL');
    await exit;
    await open(path).close();
  });

  it("is flock(2)'s own", async () => {
    const path = newFile();
    const device = open(path);
    const fd = openSync(path, 'r');
    const LOCK_SH_NB = 5;
    const { flock } = libc();
    expect(flock(fd, LOCK_SH_NB)).toBe(-1);
    await device.close();
    expect(flock(fd, LOCK_SH_NB)).toBe(0);
    expect(() => open(path)).toThrow(inUse(path));
    closeSync(fd);
  });
});

function child(path: string, engine: string): ChildProcessWithoutNullStreams {
  const started = spawn(process.execPath, [programPath('lock-child.mjs'), path, engine]);
  started.stderr.pipe(process.stderr);
  return started;
}

/** The first thing that a child says. One that has nothing to hold ends by itself. */
async function said(started: ChildProcessWithoutNullStreams): Promise<string> {
  const [text] = (await once(started.stdout, 'data')) as [Buffer];
  return text.toString();
}
