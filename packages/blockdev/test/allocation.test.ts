import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { engines } from './support/available.js';
import { programPath, run } from './support/child.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
const path = join(folder, 'file');
writeFileSync(path, Buffer.alloc(2 ** 20));

// A young generation of this size takes more than all that a million operations may allocate, so nothing is collected
// unasked, unless by V8's memory reducer, which does it after some seconds for want of allocation.
const youngGeneration = ['--max-semi-space-size=128', '--min-semi-space-size=128', '--no-memory-reducer', '--expose-gc'];

/** Bytes an operation: a reading of the clock, made once a batch by each device of a stack, comes to one, and an object has 16. */
const mostBytes: Readonly<Record<string, number>> = {
  throttle: 4,
  cache: 4,
  'cache-writes': 4,
  'cache-device': 4,
  'cache-device-writes': 4,
  cow: 4,
  'cow-write': 4,
  checksum: 4,
  'checksum-in-place': 4,
  // What a whole batch takes, spread over its blocks.
  'checksum-write': 8,
  'snapshots-read': 4,
  'snapshots-write': 4,
  snapshot: 4,
  qcow2: 4,
  vhd: 4,
  stripe: 4,
  mirror: 4,
  'raid-read': 4,
  'raid-write': 8,
  'raid-row': 8,
  'raid-row-in-place': 8,
};
const kinds = [
  'null',
  'mem',
  'throttle',
  'cache',
  'cache-writes',
  'cache-device',
  'cache-device-writes',
  'cow',
  'cow-write',
  'checksum',
  'checksum-in-place',
  'checksum-write',
  'snapshots-read',
  'snapshots-write',
  'snapshot',
  'qcow2',
  'vhd',
  'raid-read',
  'raid-write',
  'raid-row',
  'raid-row-in-place',
  ...(engines.includes('uring') ? ['file', 'stripe', 'mirror'] : []),
];

it.each(kinds)(
  'millions of operations with callbacks on the %s device allocate next to nothing, collected or not',
  { timeout: 60_000 },
  async (kind) => {
    const program = [...youngGeneration, programPath('no-allocation.mjs'), kind, path];
    const { status, stdout, stderr } = await run(process.execPath, program, 60_000);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    console.log(`${kind}: ${stdout}`);
    const { allocated, kept, collections, observed } = JSON.parse(stdout) as { [name: string]: number };
    expect(allocated).toBeLessThan(mostBytes[kind] ?? 2);
    expect(kept).toBeLessThan(1);
    expect(collections).toBe(0);
    // Those that the program asked for itself show that the observer sees them.
    expect(observed).toBeGreaterThanOrEqual(2);
  },
);
