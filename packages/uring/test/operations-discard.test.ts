import { execFileSync } from 'node:child_process';
import { closeSync, constants, fdatasyncSync, ftruncateSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IoBuffer, prepareDiscard, prepareRead, prepareWrite, probe, RingFile, ThreadRing } from '@biodone/uring';
import { afterAll, expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { failure } from './support/failure.js';
import { temporaryFolder } from './support/temporary-folder.js';

const DEVICE_BYTES = 2 ** 20;

/** The path of a new loop device over a file, or the reason why there is none. */
function loopDevice(path: string): { device: string } | { reason: string } {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, DEVICE_BYTES);
  closeSync(fd);
  try {
    return { device: execFileSync('losetup', ['--find', '--show', path], { encoding: 'utf8', stdio: 'pipe' }).trim() };
  } catch (error) {
    return { reason: (error as Error).message.trim() };
  }
}

describeRing('prepareDiscard', () => {
  const folder = temporaryFolder();
  const ring = new ThreadRing({ sqEntries: 8, cqEntries: 16 });
  const memory = IoBuffer.allocate(8192);
  const loop = loopDevice(join(folder, 'disk'));
  const reason = 'reason' in loop ? loop.reason : kernelIsOlder(6, 12) ? `Linux ${probe().kernel} is older than 6.12` : null;
  if (reason !== null) console.warn(`discarding is not tested: ${reason}`);
  afterAll(async () => {
    await ring.close();
    if ('device' in loop) execFileSync('losetup', ['--detach', loop.device]);
  });

  it.skipIf(reason !== null)('gives a part of a device back', async () => {
    const { device } = loop as { device: string };
    const file = RingFile.open(device, constants.O_RDWR | constants.O_DIRECT);
    memory.bytes.fill(120);
    expect(await ring.run((request) => prepareWrite(request, file, memory, 0, 8192, 0))).toBe(8192);
    expect(await ring.run((request) => prepareDiscard(request, file, 4096, 4096))).toBe(0);
    expect(await ring.run((request) => prepareRead(request, file, memory, 0, 8192, 0))).toBe(8192);
    // What was discarded is not defined for devices in general; a loop device punches a hole in its file.
    expect(memory.bytes.subarray(0, 4096).every((byte) => byte === 120)).toBe(true);
    expect(memory.bytes.subarray(4096).every((byte) => byte === 0)).toBe(true);
    fdatasyncSync(file.fd);
    await file.close();
  });

  it.skipIf(reason !== null)('fails for a range that is not whole sectors within the device', async () => {
    const { device } = loop as { device: string };
    const file = RingFile.open(device, 'r+');
    const discard = (offset: number, lengthBytes: number): Promise<number> =>
      ring.run((request) => prepareDiscard(request, file, offset, lengthBytes));
    const refused = failure('EINVAL', 'uring_cmd', device);
    for (const [offset, lengthBytes] of [
      [1, 512],
      [0, 100],
      [0, 0],
      [DEVICE_BYTES, 512],
      [0, DEVICE_BYTES + 512],
    ] as const) {
      await expect(discard(offset, lengthBytes), `${lengthBytes} at ${offset}`).rejects.toEqual(refused);
    }
    const readOnly = RingFile.open(device, 'r');
    await expect(ring.run((request) => prepareDiscard(request, readOnly, 0, 512))).rejects.toEqual(
      failure('EBADF', 'uring_cmd', device),
    );
    await readOnly.close();
    await file.close();
  });

  it('fails for what is no device', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'x'.repeat(4096));
    const file = RingFile.open(path, 'r+');
    await expect(ring.run((request) => prepareDiscard(request, file, 0, 4096))).rejects.toEqual(
      failure('EOPNOTSUPP', 'uring_cmd', path),
    );
    await file.close();
  });
});

function kernelIsOlder(major: number, minor: number): boolean {
  const [ours = 0, itsMinor = 0] = probe().kernel.split('.').map(Number);
  return ours < major || (ours === major && itsMinor < minor);
}
