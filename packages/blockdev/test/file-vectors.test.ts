import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { BLOCK_FUA, BLOCK_READ, BLOCK_WRITE, type BlockDevice, type FileOptions, openFile } from '@biodone/blockdev';
import { IoBuffer, IoVector } from '@biodone/uring';
import { describe, expect, it } from 'vitest';
import { ask, inParts, modes } from './support/ask.js';
import { engines } from './support/available.js';
import { programPath, run } from './support/child.js';
import { seededRandom } from './support/random.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
const SIZE = 64 * 1024;

/** Parts of one buffer, with gaps between them, whose lengths are as given. */
function partsOf(lengths: readonly number[], firstOffset = 0): { vector: IoVector; bytes: () => Buffer } {
  const memory = IoBuffer.allocate(lengths.reduce((sum, length) => sum + length + 3, firstOffset + 1));
  let position = firstOffset;
  const segments = lengths.map((lengthBytes) => {
    const segment = { memory, memoryOffset: position, lengthBytes };
    position += lengthBytes + 3;
    return segment;
  });
  const vector = new IoVector(segments);
  const bytes = (): Buffer =>
    Buffer.concat(segments.map((part) => memory.bytes.subarray(part.memoryOffset, part.memoryOffset + part.lengthBytes)));
  return { vector, bytes };
}

function fill(vector: IoVector, content: Uint8Array): void {
  let done = 0;
  for (const { memory, memoryOffset, lengthBytes } of vector.segments) {
    memory.bytes.set(content.subarray(done, done + lengthBytes), memoryOffset);
    done += lengthBytes;
  }
}

describe.each(engines)('vectors and a file, engine %s', (engine) => {
  const open = (name: string, content: Uint8Array, options: FileOptions = {}): BlockDevice => {
    const path = join(folder, `${engine}-${name}`);
    writeFileSync(path, content);
    return openFile(path, { engine, ...options });
  };

  describe.each(modes)('by %s', (mode) => {
    it.each([false, true])('move odd parts in one request, direct %s', async (direct) => {
      const random = seededRandom(`vectors ${engine} ${mode} ${direct}`);
      const device = open(`odd-${mode}-${direct}`, Buffer.alloc(SIZE), { direct });
      expect(device.limits.maxSegments).toBe(1024);
      const model = Buffer.alloc(SIZE);
      for (let round = 0; round < 60; round++) {
        const unit = device.limits.blockSizeBytes;
        // Odd parts, and one more that makes their sum a whole number of blocks.
        const lengths = Array.from({ length: random(20) }, () => random(700));
        const rest = lengths.reduce((sum, length) => sum + length, 0) % unit;
        const { vector, bytes } = partsOf([...lengths, unit - rest], random(5));
        const blocks = (SIZE - vector.lengthBytes) / unit;
        const offset = random(blocks + 1) * unit;
        if (random(2) === 0) {
          const content = Buffer.from(Array.from({ length: vector.lengthBytes }, () => random(256)));
          fill(vector, content);
          content.copy(model, offset);
          const io = await ask(device, mode, { operation: BLOCK_WRITE, offset, ...inParts(vector) });
          expect([io.error, io.transferredBytes]).toEqual([0, vector.lengthBytes]);
        } else {
          const io = await ask(device, mode, { operation: BLOCK_READ, offset, ...inParts(vector) });
          expect([io.error, io.transferredBytes]).toEqual([0, vector.lengthBytes]);
          expect(Buffer.compare(bytes(), model.subarray(offset, offset + vector.lengthBytes))).toBe(0);
        }
      }
      expect(device.statistics().queued).toBe(0);
      await device.close();
    });

    it('go through O_DIRECT as one, if every part is a whole block, and short at the end of the file', async () => {
      const content = Buffer.from(Array.from({ length: 4096 + 100 }, (_, index) => (index * 7) % 251));
      const device = open(`direct-${mode}`, content, { direct: true });
      const memory = IoBuffer.allocate(8192);
      const unit = device.limits.blockSizeBytes;
      const vector = new IoVector([
        { memory, memoryOffset: unit, lengthBytes: unit },
        { memory, memoryOffset: 4096, lengthBytes: 4096 },
      ]);
      const io = await ask(device, mode, { operation: BLOCK_READ, ...inParts(vector) });
      expect([io.error, io.transferredBytes]).toEqual([0, content.length]);
      expect(Buffer.compare(memory.bytes.subarray(unit, 2 * unit), content.subarray(0, unit))).toBe(0);
      expect(Buffer.compare(memory.bytes.subarray(4096, 4096 + content.length - unit), content.subarray(unit))).toBe(0);
      await device.close();
    });

    it('go through O_DIRECT where the parts begin at whole blocks and end in the middle of one', async () => {
      const content = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 11) % 251));
      const device = open(`uneven-${mode}`, content, { direct: true });
      const memory = IoBuffer.allocate(16_384);
      const lengths = [100, 1, 2048 + 411, 1536];
      const vector = new IoVector(lengths.map((lengthBytes, index) => ({ memory, memoryOffset: index * 4096, lengthBytes })));
      const io = await ask(device, mode, { operation: BLOCK_READ, ...inParts(vector) });
      expect([io.error, io.transferredBytes]).toEqual([0, 4096]);
      let position = 0;
      for (const [index, length] of lengths.entries()) {
        const part = memory.bytes.subarray(index * 4096, index * 4096 + length);
        expect(Buffer.compare(part, content.subarray(position, position + length))).toBe(0);
        position += length;
      }
      await device.close();
    });

    it('end where a growable file ends', async () => {
      const device = open(`short-${mode}`, Buffer.from('0123456789'), { growable: true });
      const { vector, bytes } = partsOf([3, 0, 4, 100]);
      const io = await ask(device, mode, { operation: BLOCK_READ, ...inParts(vector) });
      expect([io.error, io.transferredBytes]).toEqual([0, 10]);
      expect(bytes().subarray(0, 10).toString()).toBe('0123456789');
      await device.close();
    });

    it('are refused when their memory has been transferred away', async () => {
      const device = open(`detached-${mode}`, Buffer.alloc(100));
      const bytes = new Uint8Array(50);
      const vector = new IoVector([{ memory: IoBuffer.allocate(10) }, { memory: IoBuffer.over(bytes, { trusted: true }) }]);
      // Not every Node can: then the request is like any other.
      const detached = detach(bytes.buffer);
      const io = await ask(device, mode, { operation: BLOCK_WRITE, ...inParts(vector) });
      expect([io.error, io.transferredBytes]).toEqual(detached ? [constants.errno.EINVAL, 0] : [0, 60]);
      await device.close();
    });

    it('are written for good with BLOCK_FUA', async () => {
      const device = open(`stable-${mode}`, Buffer.alloc(100));
      const { vector } = partsOf([5, 6]);
      fill(vector, Buffer.from('hello world'));
      const io = await ask(device, mode, { operation: BLOCK_WRITE, flags: BLOCK_FUA, offset: 7, ...inParts(vector) });
      expect([io.error, io.transferredBytes]).toEqual([0, 11]);
      expect(readFileSync(join(folder, `${engine}-stable-${mode}`)).toString('utf8', 7, 18)).toBe('hello world');
      await device.close();
    });
  });

  it('are continued where the kernel has cut them short', async () => {
    // The limit on the size of files cuts the write within a part; what goes on fails there.
    const path = join(folder, `${engine}-limited`);
    writeFileSync(path, '');
    const program = [process.execPath, programPath('print-limited.mjs'), path, engine, 'vector'];
    const { status, stdout, stderr } = await run('sh', ['-c', 'ulimit -f 8 && exec "$0" "$@"', ...program]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const expected = { error: constants.errno.EFBIG, transferredBytes: statSync(path).size };
    expect(JSON.parse(stdout)).toEqual([expected, expected]);
    expect(expected.transferredBytes).toBeGreaterThan(0);
  });
});

/** Whether memory could be detached. */
function detach(memory: ArrayBufferLike): boolean {
  try {
    (memory as unknown as { transfer(): unknown }).transfer();
  } catch {
    return false;
  }
  return memory.byteLength === 0;
}
