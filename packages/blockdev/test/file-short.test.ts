import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { programPath, run } from './support/child.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
const content = Buffer.from(Array.from({ length: 300 }, (_, index) => (index % 250) + 1));
/** How much the first call says that it has moved: it ends within the fourth part. */
const SHORT = 123;

const tried = spawnSync('strace', ['-e', 'trace=none', '-e', 'inject=preadv:retval=1', 'true'], { encoding: 'utf8' });
const refusal = tried.error?.message ?? (tried.status === 0 ? null : tried.stderr.trim());
if (refusal !== null) console.warn(`transfers that the kernel cuts short are not tested: ${refusal}`);

/** Engines whose system calls strace can change. The ring's are not system calls. */
const cases = (['fs', 'sync'] as const).flatMap((engine) =>
  (['strategy', 'strategySync'] as const).map((mode) => [engine, mode] as const),
);

describe.skipIf(refusal !== null).each(cases)('a vector that the kernel cuts short, engine %s, by %s', (engine, mode) => {
  const shortened = async (path: string, what: string): Promise<{ error: number; transferredBytes: number; bytes: string }> => {
    const call = what === 'read' ? 'preadv' : 'pwritev';
    const program = [process.execPath, programPath('read-parts.mjs'), path, engine, what, mode];
    // The first call on this file moves nothing, and says that it has moved some of it.
    const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:retval=${SHORT}:when=1`, '-P', path];
    const { status, stdout } = await run('strace', ['-f', '-o', join(folder, 'trace'), ...inject, ...program]);
    expect(status).toBe(0);
    expect(readFileSync(join(folder, 'trace'), 'utf8')).toMatch(/INJECTED/);
    return JSON.parse(stdout);
  };

  it('is read on from there', async () => {
    const path = join(folder, `read-${engine}-${mode}`);
    writeFileSync(path, content);
    const { error, transferredBytes, bytes } = await shortened(path, 'read');
    expect([error, transferredBytes]).toEqual([0, 300]);
    const expected = Buffer.concat([Buffer.alloc(SHORT), content.subarray(SHORT)]);
    expect(bytes).toBe(expected.toString('hex'));
  });

  it('is written on from there', async () => {
    const path = join(folder, `write-${engine}-${mode}`);
    writeFileSync(path, content);
    const { error, transferredBytes, bytes } = await shortened(path, 'write');
    expect([error, transferredBytes]).toEqual([0, 300]);
    const expected = Buffer.concat([content.subarray(0, SHORT), Buffer.from(bytes, 'hex').subarray(SHORT)]);
    expect(Buffer.compare(readFileSync(path), expected)).toBe(0);
  });
});
