import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { programPath, run } from './support/child.js';

const launcher = fileURLToPath(new URL('../../uring/test/support/without-io-uring.mjs', import.meta.url));
const refusal = process.platform === 'linux' ? null : `no seccomp on ${process.platform}`;
if (refusal !== null) console.warn(`tests without io_uring are skipped: ${refusal}`);

interface Answer {
  engine: string;
  warnings: string[];
  messages: string[];
  read: string;
  refused: string;
  reason: string;
}

describe.skipIf(refusal !== null)('files where io_uring is forbidden', () => {
  it.each(['EPERM', 'ENOSYS'])("use Node's own calls, and one warning says why: %s", async (errno) => {
    const program = [launcher, `--errno=${errno}`, programPath('print-fallback.mjs')];
    const { status, stdout, stderr } = await run(process.execPath, program);
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('[BIODONE_NO_IO_URING]') });
    const answer = JSON.parse(stdout) as Answer;
    expect(answer.engine).toBe('fs');
    expect(answer.read).toBe('read 6, flush 0');
    expect(answer.warnings).toEqual(['BIODONE_NO_IO_URING']);
    expect(answer.messages[0]).toContain(errno);
    expect(answer.refused).toBe('ENOSYS io_uring_setup');
    expect(answer.reason).toMatch(/profile that allows io_uring_setup/);
  });

  it('use no warning where nobody asked for io_uring', async () => {
    const program = [launcher, programPath('print-fallback.mjs'), 'fs'];
    const { stdout, stderr } = await run(process.execPath, program);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({ engine: 'fs', warnings: [], read: 'read 6, flush 0' });
  });
});
