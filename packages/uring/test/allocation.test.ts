import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { programPath, run } from './support/child.js';
import { temporaryFolder } from './support/temporary-folder.js';

/** Bytes a request. What is left is the batch's: a reading of the clock, or one call of the C library. */
const MOST_BYTES = 16;

describeRing('requests that are used again', () => {
  const path = join(temporaryFolder(), 'file');
  writeFileSync(path, Buffer.alloc(2 ** 20));

  // A young generation of this size takes more than all that the requests may allocate, so nothing is collected unasked, unless by V8's
  // memory reducer, which does it after some seconds for want of allocation.
  const youngGeneration = ['--max-semi-space-size=128', '--min-semi-space-size=128', '--no-memory-reducer', '--expose-gc'];

  it.each(['nop', 'read', 'timeout'])('allocate nothing that counts: %s', { timeout: 180_000 }, async (kind) => {
    let measured = await measure(kind);
    // On a busy machine the compiler can be so late that code which it has not seen yet makes numbers all the way.
    for (let left = 2; left > 0 && (measured['allocated'] as number) >= MOST_BYTES; left--) measured = await measure(kind);
    expect(measured['allocated']).toBeLessThan(MOST_BYTES);
    expect(measured['collections']).toBe(0);
    // Those that the program asked for itself show that the observer sees them.
    expect(measured['observed']).toBeGreaterThanOrEqual(1);
  });

  async function measure(kind: string): Promise<{ [name: string]: number }> {
    const program = [...youngGeneration, programPath('no-allocation.mjs'), kind, path];
    const { status, stdout, stderr } = await run(process.execPath, program, 60_000);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    console.log(`${kind}: ${stdout}`);
    return JSON.parse(stdout) as { [name: string]: number };
  }
});
