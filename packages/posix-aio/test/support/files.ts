import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder of its own for a test file; `remove` when the tests are over. */
export interface Folder {
  readonly path: string;
  /** Makes a file of numbered blocks: each 4 KiB begins with its number, little endian. */
  numbered(name: string, blocks: number): string;
  remove(): void;
}

const BLOCK_BYTES = 4096;

export function makeFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'biodone-posix-aio-'));
  return {
    path,
    numbered: (name, blocks) => {
      const content = Buffer.alloc(blocks * BLOCK_BYTES, 0x5a);
      for (let block = 0; block < blocks; block++) content.writeUInt32LE(block, block * BLOCK_BYTES);
      const file = join(path, name);
      writeFileSync(file, content);
      return file;
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}
