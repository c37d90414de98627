import { closeSync, constants, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK_WRITE, wrapDescriptor } from '@biodone/blockdev';
import { IoBuffer, libc } from '@biodone/uring';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { flush, makeIo, read, runSync, start } from './support/requests.js';
import { temporaryFolder } from './support/temporary-folder.js';

describeRing('a descriptor of somebody else', () => {
  const folder = temporaryFolder();
  const [first, second] = [join(folder, 'first'), join(folder, 'second')];
  writeFileSync(first, 'first file');
  writeFileSync(second, 'second');

  it('is read and written, and stays open', async () => {
    const fd = openSync(first, 'r+');
    const device = wrapDescriptor(fd);
    expect(device.describe()).toMatchObject({ driver: 'file', path: `fd ${fd}`, sizeBytes: null });
    const buffer = IoBuffer.allocate(100);
    expect(await read(device, buffer, 6)).toEqual({ error: 0, transferredBytes: 4 });
    expect(Buffer.from(buffer.bytes.subarray(0, 4)).toString()).toBe('file');
    expect(await flush(device)).toEqual({ error: 0, transferredBytes: 0 });
    await device.close();
    // Throws where the descriptor is closed.
    closeSync(fd);
  });

  it('may be closed, and its number used again, once strategy has returned', async () => {
    const buffer = IoBuffer.allocate(10);
    for (let round = 0; round < 100; round++) {
      const fd = openSync(first, 'r');
      const device = wrapDescriptor(fd);
      const outcome = read(device, buffer, 0);
      closeSync(fd);
      const other = openSync(second, 'r');
      expect(other).toBe(fd);
      expect(await outcome).toEqual({ error: 0, transferredBytes: 10 });
      expect(Buffer.from(buffer.bytes).toString()).toBe('first file');
      closeSync(other);
    }
  });

  it('gives the errors of the kernel', async () => {
    const readOnly = openSync(first, constants.O_RDONLY);
    const device = wrapDescriptor(readOnly);
    const io = makeIo({ operation: BLOCK_WRITE });
    expect(await start(device, io)).toEqual({ error: 9, transferredBytes: 0 });
    expect(runSync(device, io)).toEqual({ error: 9, transferredBytes: 0 });
    closeSync(readOnly);
    const closed = wrapDescriptor(readOnly);
    for (const operation of [0, 1, 2]) {
      const request = makeIo({ operation });
      expect(await start(closed, request)).toEqual({ error: 9, transferredBytes: 0 });
      expect(runSync(closed, request)).toEqual({ error: 9, transferredBytes: 0 });
    }
  });

  it('may be a pipe, whose transfers are short', async () => {
    const ends = new Int32Array(2);
    libc().pipe2(ends, 0x80000);
    const [readEnd, writeEnd] = ends as unknown as [number, number];
    const device = wrapDescriptor(readEnd);
    const outcome = read(device, IoBuffer.allocate(100), 0);
    writeSync(writeEnd, 'short');
    expect(await outcome).toEqual({ error: 0, transferredBytes: 5 });
    // A pipe cannot be made stable.
    expect(await flush(device)).toEqual({ error: 22, transferredBytes: 0 });
    await device.close();
    closeSync(readEnd);
    closeSync(writeEnd);
  });
});
