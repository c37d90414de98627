import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IoBuffer, prepareRead, Ring, ThreadRing } from '@biodone/uring';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { openFiles } from './support/descriptors.js';
import { Probe } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

describeRing('descriptors', () => {
  const folder = temporaryFolder();
  const buffer = IoBuffer.allocate(4096);

  it('are given back by 200 cycles of open, I/O and close', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, Buffer.alloc(8192));
    const fd = openSync(path, 'r');
    const before = openFiles();
    for (let cycle = 0; cycle < 200; cycle++) {
      const ring = new ThreadRing({ sqEntries: 4, cqEntries: 8 });
      const request = new Probe();
      prepareRead(request, fd, buffer, 0, 4096, 0);
      ring.start(request);
      if (cycle % 2 === 0) expect(ring.wait(10_000)).toBe(1);
      else await new Promise(setImmediate);
      expect(request.result).toBe(4096);
      await ring.close();
    }
    expect(openFiles()).toEqual(before);
    closeSync(fd);
  });

  it('are given back by rings that were never used', async () => {
    const before = openFiles();
    for (let cycle = 0; cycle < 20; cycle++) {
      await new ThreadRing().close();
      new ThreadRing({ eventLoop: false }).closeSync();
      new Ring().close();
    }
    expect(openFiles()).toEqual(before);
  });

  it('that a ring has are closed at exec', async () => {
    const before = new Set(openFiles());
    const ring = new ThreadRing();
    const added = openFiles().filter((entry) => !before.has(entry));
    expect(added.length).toBeGreaterThanOrEqual(2);
    const closeOnExec = 0o2000000;
    for (const entry of added) {
      const info = readFileSync(`/proc/self/fdinfo/${entry.split(' ')[0]}`, 'utf8');
      const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? '0', 8);
      expect(flags & closeOnExec, entry).toBe(closeOnExec);
    }
    await ring.close();
  });
});
