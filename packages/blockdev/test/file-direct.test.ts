import { existsSync, readFileSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK_READ, BLOCK_WRITE, openFile } from '@biodone/blockdev';
import { IoBuffer, STATX_DIOALIGN, statxSync } from '@biodone/uring';
import { afterAll, describe, expect, it } from 'vitest';
import { ask, modes } from './support/ask.js';
import { engines } from './support/available.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
/** A file system that takes O_DIRECT, and does not say how it is to be aligned. */
const memoryFolder = '/dev/shm';
const TMPFS_MAGIC = 0x01021994;
const places = [folder];
if (existsSync(memoryFolder) && statfsSync(memoryFolder).type === TMPFS_MAGIC) places.push(memoryFolder);
else console.warn(`O_DIRECT without advice on alignment is not tested: ${memoryFolder} is no tmpfs`);

const content = Buffer.from(Array.from({ length: 16_384 }, (_, index) => (index * 17) % 249));

describe.each(engines)('O_DIRECT, engine %s', (engine) => {
  describe.each(places)('in %s', (place) => {
    const path = join(place, `biodone-direct-${process.pid}-${engine}`);
    afterAll(() => rmSync(path, { force: true }));

    it('asks for the alignment that the kernel asks for', async () => {
      writeFileSync(path, content);
      const device = openFile(path, { engine, direct: true, readOnly: true });
      const { blockSizeBytes, memoryAlignmentBytes, physicalBlockSizeBytes, transferUnitBytes } = device.limits;
      const { fd } = device.handle() as unknown as { fd: number };
      const stat = statxSync(fd, STATX_DIOALIGN);
      if (stat !== null && (stat.mask & STATX_DIOALIGN) !== 0 && stat.directOffsetAlignmentBytes > 0) {
        const { directMemoryAlignmentBytes, directOffsetAlignmentBytes } = stat;
        expect([memoryAlignmentBytes, blockSizeBytes]).toEqual([directMemoryAlignmentBytes, directOffsetAlignmentBytes]);
      } else {
        expect([memoryAlignmentBytes, blockSizeBytes]).toEqual([512, 512]);
      }
      expect(transferUnitBytes).toBe(blockSizeBytes);
      expect(physicalBlockSizeBytes).toBe(statSync(path).blksize);
      await device.close();
    });

    it.each(modes)('takes memory that begins anywhere: %s', async (mode) => {
      writeFileSync(path, Buffer.alloc(content.length));
      const device = openFile(path, { engine, direct: true });
      for (const bufferOffset of [0, 1, 3, 511, 512, 4096]) {
        const buffer = IoBuffer.allocate(content.length + bufferOffset);
        buffer.bytes.set(content, bufferOffset);
        const range = { buffer, bufferOffset, lengthBytes: content.length };
        const write = await ask(device, mode, { operation: BLOCK_WRITE, ...range });
        expect([bufferOffset, write.error, write.transferredBytes]).toEqual([bufferOffset, 0, content.length]);
        expect(Buffer.compare(readFileSync(path), content)).toBe(0);
        buffer.bytes.fill(0);
        const read = await ask(device, mode, { operation: BLOCK_READ, ...range });
        expect([bufferOffset, read.error, read.transferredBytes]).toEqual([bufferOffset, 0, content.length]);
        expect(Buffer.compare(buffer.bytes.subarray(bufferOffset), content)).toBe(0);
      }
      await device.close();
    });
  });

  it('begins with an empty file, whose blocks are then large enough for every disk or as they are told', async () => {
    const path = join(folder, `empty-${engine}`);
    const device = openFile(path, { engine, direct: true, create: true, growable: true });
    const unit = device.limits.blockSizeBytes;
    expect(unit >= 512 && unit <= 4096).toBe(true);
    const io = await ask(device, 'strategy', { operation: BLOCK_WRITE, buffer: IoBuffer.allocate(unit), lengthBytes: unit });
    expect([io.error, io.transferredBytes, statSync(path).size]).toEqual([0, unit, unit]);
    await device.close();
  });
});
