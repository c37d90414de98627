import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeRing } from './support/available.js';
import { programPath, run } from './support/child.js';
import { temporaryFolder } from './support/temporary-folder.js';

const tried = spawnSync('strace', ['-e', 'trace=io_uring_enter', 'true'], { encoding: 'utf8' });
const refusal = tried.error?.message ?? (tried.status === 0 ? null : tried.stderr.trim());
if (refusal !== null) console.warn(`the test that counts system calls is skipped: ${refusal}`);

describeRing('system calls', () => {
  const folder = temporaryFolder();

  it.skipIf(refusal !== null)('submits a batch of 32 reads with one io_uring_enter', async () => {
    const calls = join(mkdtempSync(join(folder, 'strace-')), 'calls');
    const program = [process.execPath, programPath('process-scenarios.mjs'), 'batches'];
    const trace = ['-f', '-e', 'trace=io_uring_enter', '-o', calls];
    const { status, stdout } = await run('strace', [...trace, ...program]);
    const [, fd, completed] = /^ring (\d+), completed (\d+)$/m.exec(stdout) ?? [];
    expect({ status, completed }).toEqual({ status: 0, completed: '3200' });
    // Node itself may have a ring; the first argument is whose call it was, and the second how many it submitted.
    const submitted = readFileSync(calls, 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, ring, count] = /io_uring_enter\((\d+), (\d+)/.exec(line) ?? [];
        return ring === fd ? [Number(count)] : [];
      });
    expect(submitted).toEqual(Array.from({ length: 100 }, () => 32));
  });
});
